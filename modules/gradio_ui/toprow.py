"""The top of a generation tab: prompts with token counters, Generate / Interrupt / Skip, the tool buttons, styles."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr
from gradio.components import Component
from gradio.layouts.form import Form

from modules.gradio_ui.components import bridge_button, bridge_text, form_tool, tool_button
from modules.gradio_ui.form_builder import FormBuilder

PASTE_IDS = {"txt2img": "paste", "img2img": "img2img_paste"}  # A1111 has two buttons of the id "paste"; an id stands once


@dataclass(frozen=True, kw_only=True)
class TokenCounter:
    """A prompt, the place that shows its tokens, and the hidden button that asks for them."""

    prompt: Component
    shown: gr.HTML
    button: gr.Button


@dataclass(frozen=True, kw_only=True)
class JobButtons:
    """The buttons that ``wire_submit`` connects. task_id: the page's id for a click; answer: the server's word on it, as JSON.
    said: its word on an interrupt."""

    task_id: gr.Textbox
    answer: gr.Textbox
    said: gr.Textbox
    generate: gr.Button
    interrupt: gr.Button
    interrupting: gr.Button
    skip: gr.Button
    restore: gr.Button


@dataclass(frozen=True, kw_only=True)
class Toprow(JobButtons):
    """What other parts of the tab wire up besides."""

    paste: gr.Button
    style_apply: gr.Button
    styles_refresh: gr.Button
    styles_edit: gr.Button
    counters: tuple[TokenCounter, TokenCounter]


def build_toprow(builder: FormBuilder) -> Toprow:
    """The row, inside the current block; its prompts and styles join the builder's fields."""
    tab = builder.table.tab
    with gr.Row(elem_id=f"{tab}_toprow", elem_classes=["gradio-row", "toprow"]):
        with gr.Column(elem_id=f"{tab}_prompt_container", elem_classes=["prompt-container-compact"], scale=6, min_width=0):
            counters = (
                _prompt(builder, "prompt", "prompt", "token", "Prompt\n(Ctrl+Enter generates, Alt+Enter skips, Esc interrupts)"),
                _prompt(builder, "negative_prompt", "neg_prompt", "negative_token", "Negative prompt"),
            )
        with gr.Column(elem_id=f"{tab}_actions_column", elem_classes=["actions-column"], scale=1, min_width=0):
            generate, interrupt, interrupting, skip = generate_box(tab)
            paste, style_apply, restore = _tools(builder)
            styles_refresh, styles_edit = _styles(builder)
        task_id, answer, said = (bridge_text(f"{tab}_{name}") for name in ("task_id", "submit_answer", "interrupt_answer"))
    return Toprow(
        task_id=task_id,
        answer=answer,
        said=said,
        generate=generate,
        interrupt=interrupt,
        interrupting=interrupting,
        skip=skip,
        restore=restore,
        paste=paste,
        style_apply=style_apply,
        styles_refresh=styles_refresh,
        styles_edit=styles_edit,
        counters=counters,
    )


def _prompt(builder: FormBuilder, name: str, short: str, counter: str, placeholder: str) -> TokenCounter:
    tab = builder.table.tab
    with gr.Row(elem_id=f"{tab}_{short}_row", elem_classes=["gradio-row", "prompt-row"]):
        prompt = builder.parameter(name, show_label=False, placeholder=placeholder, elem_classes=["prompt"], max_lines=20)
        shown = gr.HTML("<span>0/75</span>", elem_id=f"{tab}_{counter}_counter", elem_classes=["gradio-html", "token-counter"])
        button = bridge_button(f"{tab}_{counter}_button")
    return TokenCounter(prompt=prompt, shown=shown, button=button)


def generate_box(tab: str) -> tuple[gr.Button, gr.Button, gr.Button, gr.Button]:
    """Generate, Interrupt, what stands there while it is obeyed, and Skip; static/jobs.js shows the right ones, whose style says no more than that: some extensions compare it."""
    with gr.Row(elem_id=f"{tab}_generate_box", elem_classes=["gradio-row", "generate-box"]):
        interrupt = gr.Button("Interrupt", elem_id=f"{tab}_interrupt", elem_classes=["generate-box-interrupt"])
        skip = gr.Button("Skip", elem_id=f"{tab}_skip", elem_classes=["generate-box-skip"])
        interrupting = gr.Button("Interrupting...", elem_id=f"{tab}_interrupting", elem_classes=["generate-box-interrupting"])
        generate = gr.Button("Generate", elem_id=f"{tab}_generate", variant="primary", elem_classes=["gradio-button"])
    return generate, interrupt, interrupting, skip


def _tools(builder: FormBuilder) -> tuple[gr.Button, gr.Button, gr.Button]:
    tab = builder.table.tab
    with gr.Row(elem_id=f"{tab}_tools", elem_classes=["gradio-row", "tools-row"]), Form():            # as around the tools below a gallery
        paste = form_tool("↙️", PASTE_IDS[tab])
        form_tool("🗑️", f"{tab}_clear_prompt")
        form_tool("🕘", f"{tab}_prompt_history")
        style_apply = form_tool("📋", f"{tab}_style_apply")
        if "tools" in builder.parts:
            builder.parts["tools"](builder)
        restore = form_tool("🌀", f"{tab}_restore_progress", visible=False)
    return paste, style_apply, restore


def _styles(builder: FormBuilder) -> tuple[gr.Button, gr.Button]:
    tab = builder.table.tab
    with gr.Row(elem_id=f"{tab}_styles_row", elem_classes=["gradio-row", "styles-row"]):
        builder.parameter("styles", show_label=False, container=False, elem_classes=["multiselect"])
        return tool_button("🔄", f"refresh_{tab}_styles"), tool_button("🖌️", f"{tab}_styles_edit_button")
