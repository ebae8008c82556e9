"""The PNG Info tab: a picture's parameters text, and the way from there to a generation tab."""

from __future__ import annotations

import html
from pathlib import Path

import gradio as gr
from gradio.components import Component

from modules.gradio_ui.components import bridge_text
from modules.gradio_ui.events import QUICK
from modules.gradio_ui.paste import Paster
from modules.imaging.metadata import read_infotext_from
from modules.schema.errors import WebuiError


def build_png_info_tab(pasters: dict[str, tuple[Paster, list[Component]]]) -> None:
    """The tab's content, inside the current block. pasters: tab -> what fills it, and the components it fills."""
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
                buttons = {tab: gr.Button(f"Send to {tab}", elem_id=f"{tab}_tab", min_width=0) for tab in pasters}
    image.change(picture_info, inputs=[image], outputs=[shown, text], **QUICK)
    for tab, (paster, filled) in pasters.items():
        js = f"(text) => {{ webui.showTab('tab_{tab}'); return [text]; }}"
        buttons[tab].click(paster.from_text, inputs=[text], outputs=filled, js=js, **QUICK)


def picture_info(path: str | None) -> tuple[str, str]:
    """(HTML to show, parameters text) of a picture file."""
    if not path:
        return "", ""
    try:
        infotext, others = read_infotext_from(Path(path))
    except WebuiError as error:
        return _section("Not a picture", str(error)), ""
    parts = [_section("parameters", infotext)] if infotext else []
    parts += [_section(key, str(value)) for key, value in others.items()]
    return "".join(parts) or _section("Nothing found", "This picture carries no generation parameters."), infotext or ""


def _section(title: str, text: str) -> str:
    lines = "".join(f"<p>{html.escape(line)}</p>" for line in text.split("\n") if line.strip())
    return f'<div class="infotext-part"><h4>{html.escape(title)}</h4><div class="infotext-text">{lines}</div></div>'
