"""Buttons that hand a picture on, with its parameters: to img2img, inpainting, Extras. The picture goes by static/send_to.js."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import gradio as gr

from modules.gradio_ui.events import QUICK, fill_on_click
from modules.gradio_ui.generation_tab import GenerationTab
from modules.gradio_ui.output_panel import OutputPanel

CARRIED = ("Prompt", "Negative prompt", "Steps", "Sampler", "Schedule type", "CFG scale")
SIZE = ("Size-1", "Size-2")  # the picture's own size goes along with it: after hires fix the text has another


class HasOutput(Protocol):
    """A tab with a gallery."""

    @property
    def name(self) -> str: ...
    @property
    def output(self) -> OutputPanel: ...


def wire_send_buttons(txt2img: GenerationTab, img2img: GenerationTab, setting: Callable[[str], Any], more: Sequence[HasOutput] = ()) -> None:
    """The buttons below the galleries. more: tabs beside these two. From a gallery only what any img2img can use goes along, not the whole text."""

    def carried() -> tuple[str, ...]:
        return (*CARRIED, "Seed") if setting("send_seed") else CARRIED

    for tab in (txt2img, img2img, *more):
        for goal in ("img2img", "inpaint"):
            js = f"() => webui.sendFromGallery('{tab.name}', '{goal}')"
            info = tab.output.chosen
            fill_on_click(
                tab.output.buttons.send[goal], img2img.name, lambda text: img2img.paster.from_picture(text, only=carried()), inputs=[info], outputs=img2img.pasted, js=js
            )
        tab.output.buttons.send["extras"].click(None, js=f"() => {{ webui.sendFromGallery('{tab.name}', 'extras'); }}", **QUICK)


def wire_send(button: gr.Button, goal: str, tab: GenerationTab | None, text: gr.Textbox, picture_js: str) -> None:
    """A button that sends a picture to ``goal`` and all its parameters to ``tab``. text: holds its infotext.

    picture_js: a JavaScript expression, the picture as a URL or Blob, or a promise of one.
    """
    if tab is None:
        button.click(None, js=f"() => {{ webui.sendPicture({picture_js}, '{goal}'); }}", **QUICK)
        return
    js = f"(text) => {{ webui.sendPicture({picture_js}, '{goal}'); return [text]; }}"
    fill_on_click(button, tab.name, partial(tab.paster.from_picture, without=SIZE), inputs=[text], outputs=tab.pasted, js=js)
