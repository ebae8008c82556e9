"""The History tab: what was made, searchable. static/history.js draws it; here are the ways from there to the other tabs."""

from __future__ import annotations

import gradio as gr

from modules.gradio_ui.components import bridge_button, bridge_text
from modules.gradio_ui.events import fill_on_click
from modules.gradio_ui.generation_tab import GenerationTab
from modules.gradio_ui.send_to import wire_send

GOALS = ("txt2img", "img2img", "inpaint", "extras")


def build_history_tab(txt2img: GenerationTab, img2img: GenerationTab) -> None:
    """The tab's content, inside the current block. The scripts write a picture's text into ``history_infotext`` and press a button."""
    gr.HTML("", elem_id="history_place")
    text = bridge_text("history_infotext")
    buttons = {goal: bridge_button(f"history_send_to_{goal}") for goal in GOALS}
    fill_on_click(
        buttons["txt2img"],
        txt2img.name,
        txt2img.paster.from_picture,
        inputs=[text],
        outputs=txt2img.pasted,
        js="(text) => { webui.showTab('tab_txt2img'); return [text]; }",
    )
    for goal in ("img2img", "inpaint"):
        wire_send(buttons[goal], goal, img2img, text, "webui.history.sent")
    wire_send(buttons["extras"], "extras", None, text, "webui.history.sent")
