"""The PNG Info tab: a picture's parameters text, and the way from there to a generation tab."""

from __future__ import annotations

import html
from pathlib import Path

import gradio as gr

from modules.a1111.picture_files import texts_of
from modules.gradio_ui.components import bridge_text
from modules.gradio_ui.events import QUICK, fill_on_click
from modules.gradio_ui.generation_tab import GenerationTab
from modules.gradio_ui.send_to import wire_send
from modules.schema.errors import WebuiError

GOALS = ("txt2img", "img2img", "inpaint", "extras")


def build_png_info_tab(txt2img: GenerationTab, img2img: GenerationTab) -> None:
    """The tab's content, inside the current block. The tabs are those that a picture's parameters can be sent to."""
    with gr.Row(elem_id="pnginfo_row", elem_classes=["gradio-row"], equal_height=False):
        with gr.Column(elem_id="pnginfo_source", min_width=0):
            image = gr.Image(
                label="Source",
                elem_id="pnginfo_image",
                elem_classes=["gradio-image"],
                type="filepath",
                sources=["upload", "clipboard"],
                interactive=True,
                height="60vh",
                buttons=[],
            )
        with gr.Column(elem_id="pnginfo_result", min_width=0):
            shown = gr.HTML("", elem_id="html_info_pnginfo", elem_classes=["gradio-html", "infotext"])
            text = bridge_text("pnginfo_generation_info")
            with gr.Row(elem_id="pnginfo_send", elem_classes=["gradio-row", "send-buttons"]):
                buttons = {goal: gr.Button(f"Send to {goal}", elem_id=f"{goal}_tab", min_width=0) for goal in GOALS}
    # without preprocessing: Gradio's own fails without a word on what is no picture
    image.change(lambda sent: picture_info(sent and sent["path"]), inputs=[image], outputs=[shown, text], preprocess=False, **QUICK)
    picture = "webui.shownPicture('pnginfo_image')"
    fill_on_click(
        buttons["txt2img"],
        txt2img.name,
        txt2img.paster.from_shown_picture,  # the paste button would take the last generation for an empty text
        inputs=[text],
        outputs=txt2img.pasted,
        js="(text) => { webui.showTab('tab_txt2img'); return [text]; }",
    )
    for goal in ("img2img", "inpaint"):
        wire_send(buttons[goal], goal, img2img, text, picture)
    wire_send(buttons["extras"], "extras", None, text, picture)


def picture_info(path: str | None) -> tuple[str, str]:
    """(HTML to show, parameters text) of a picture file."""
    if not path:
        return "", ""
    try:
        infotext, others = texts_of(Path(path))
    except WebuiError as error:
        return _section("Not a picture", str(error)), ""
    parts = [_section("parameters", infotext)] if infotext else []
    parts += [_section(key, str(value)) for key, value in others.items()]
    return "".join(parts) or _section("Nothing found", "This picture carries no generation parameters."), infotext or ""


def _section(title: str, text: str) -> str:
    lines = "\n".join(f"<p>{html.escape(line)}</p>" for line in text.split("\n") if line.strip())
    return f'<div class="infotext-part"><h4>{html.escape(title)}</h4><div class="infotext-text">{lines}</div></div>'
