"""Writes down what is called, in order."""
import json

import gradio as gr
from PIL import Image
from fastapi import FastAPI
from hooks_library import calls
from modules.ui import create_output_panel
from modules.ui_components import FormRow, InputAccordion, ToolButton

from modules import infotext_utils, script_callbacks, scripts, shared

calls.append(("loaded", __name__, scripts.basedir()))
seen = []


def on_app_started(demo, app: FastAPI):
    calls.append(("app_started", len(demo.dependencies) > 0 if demo is not None else None))

    @app.get("/hooks/hello")
    def hello():
        return {"flag": shared.cmd_opts.hooks_on, "dir": shared.cmd_opts.hooks_dir, "setting": shared.opts.hooks_words, "starts": len([each for each in calls if each[0] == "app_started"])}

    @app.get("/hooks/fields")
    def fields():
        """By key of ui-config.json: the component's id on the page, and what it opens with."""
        kept = demo.ui_loadsave
        return {key: [component._id, kept.ui_settings[key]] for key, component in kept.component_mapping.items()}


def on_ui_tabs():
    with gr.Blocks(analytics_enabled=False) as tab:
        with FormRow(), gr.Box(visible=True):
            field = gr.Textbox(label="Field", elem_id="hooks_field").style(container=False)
            bridge = gr.Textbox(visible=False, elem_id="hooks_bridge")
            chosen = gr.Dropdown(["a", "b"], label="Chosen", elem_id="hooks_chosen")
            button = ToolButton("x", elem_id="hooks_button")
        with gr.Accordion("Closed", open=False), InputAccordion(False, label="More", elem_id="hooks_more") as more:
            gr.Textbox(label="Inside", elem_id="hooks_inside")
        gr.HTML("<iframe srcdoc='a page' onload='hooksFrame(this)'></iframe>")
        with gr.Group(elem_id="hooks_group"), gr.Accordion("Grouped", open=False, elem_id="hooks_fold"):
            gr.Textbox(label="")
        gr.Slider(label="Said", elem_id="hooks_said", tooltip="a slider's tooltip")
        ToolButton("y", tooltip="a nameless button's tooltip")
        gr.Button("Interrupting...", elem_id="hooks_interrupting", elem_classes="generate-box-interrupting")
        told_tab = gr.Textbox(elem_id="hooks_told_tab")
        with gr.Tabs(elem_id="hooks_tabs"):
            gr.Textbox(visible=False)
            for name in ("one", "two", "three"):
                with gr.Tab(name, elem_id=f"hooks_{name}") as part, gr.Row(visible=False, elem_id=f"hooks_row_{name}") as row:
                    gr.Button(name)
                part.select(fn=lambda name=name: name, inputs=[], outputs=[told_tab])
        three = gr.Gallery([Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")], elem_id="hooks_gallery")
        which, answer = gr.Button("Which", elem_id="hooks_which"), gr.Textbox(elem_id="hooks_which_answer")
        which.click(fn=lambda pictures, number: f"{number} of {len(pictures)}", inputs=[three, three], outputs=[answer], _js="(pictures, again) => [pictures, 2]")
        drawn, draw = gr.Image(type="pil", elem_id="hooks_drawn"), gr.Button("Draw", elem_id="hooks_draw")
        draw.click(fn=None, _js="hooksDraw", inputs=[], outputs=[drawn]).then(fn=lambda shown: str(shown.size), inputs=[drawn], outputs=[answer])
        gr.DataFrame([["Steps", "20"]], headers=["Key", "Value"], interactive=False, elem_id="hooks_table")
        button.click(fn=lambda text, name, on: (gr.Textbox.update(value=f"{text}!{name}{on}"), text, gr.Row.update(visible=True)), inputs=[field, chosen, more], outputs=[field, bridge, row], _js="(...a) => a", show_progress=False)
        picture = gr.Image(Image.new("RGB", (40, 24), "red"), type="pil", elem_id="hooks_picture")
        words = gr.Textbox("a sent cat\nSteps: 7, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 40x24", elem_id="hooks_sent_words")
        for goal in ("img2img", "inpaint", "extras"):
            send_button = gr.Button(goal, elem_id=f"hooks_to_{goal}")
            infotext_utils.register_paste_params_button(infotext_utils.ParamBinding(paste_button=send_button, tabname=goal, source_image_component=picture, source_text_component=words))
        panel, fill = create_output_panel("hooks_panel", "outputs"), gr.Button("Fill", elem_id="hooks_fill")
        made = json.dumps({"all_seeds": [7, 8], "infotexts": ["a cat\nSteps: 1, Seed: 7", "a cat\nSteps: 1, Seed: 8"], "prompt": "a cat", "index_of_first_image": 0})
        fill.click(fn=lambda: ([Image.new("RGB", (16, 16), "red"), Image.new("RGB", (32, 16), "blue")], made), inputs=[], outputs=[panel.gallery, panel.generation_info])
        tab.load(None, inputs=[], outputs=[], _js="() => { window.hooksAtLoad = ['inside', 'three', 'row_three'].map((each) => gradioApp().querySelector(`#hooks_${each}`) !== null); }")
    return [(tab, "Hooks", "hooks")]


def on_ui_settings():
    section = ("hooks", "Hooks")
    shared.opts.add_option("hooks_words", shared.OptionInfo("some", "Words", section=section).info("said"))
    shared.opts.add_option("hooks_place", shared.OptionInfo("below", "Place", gr.Radio, {"choices": ("off", "below", "beside")}, section=section))
    shared.opts.add_option("hooks_choice", shared.OptionInfo("b", "Choice", gr.Dropdown, lambda: {"choices": ["a", "b"]}, section=section, refresh=lambda: calls.append(("refreshed",))))


script_callbacks.on_app_started(on_app_started)
script_callbacks.on_ui_tabs(on_ui_tabs)
script_callbacks.on_ui_settings(on_ui_settings)
script_callbacks.on_before_ui(lambda: calls.append(("before_ui", "first")))
script_callbacks.on_after_component(lambda component, **kwargs: seen.append(kwargs.get("elem_id")))
script_callbacks.on_after_component(lambda component, **kwargs: ToolButton("f", elem_classes="hooks-tool") if kwargs.get("elem_id") == "paste" else None)
