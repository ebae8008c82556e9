"""Buttons that hand a picture on, with its parameters: to img2img, inpainting, Extras. The picture goes by static/send_to.js."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import gradio as gr
from gradio.components import Component

from modules.gradio_ui.events import QUICK, fill_on_click
from modules.gradio_ui.generation_tab import GenerationTab
from modules.gradio_ui.output_panel import OutputPanel

CARRIED = ("Prompt", "Negative prompt", "Steps", "Seed")
SIZE = ("Size-1", "Size-2")  # the picture's own size goes along with it: after hires fix the text has another


class HasOutput(Protocol):
    """A tab with a gallery."""

    @property
    def name(self) -> str: ...
    @property
    def output(self) -> OutputPanel: ...


def wire_send_buttons(txt2img: GenerationTab, img2img: GenerationTab, setting: Callable[[str], Any], more: Sequence[HasOutput] = ()) -> None:
    """The buttons below the galleries. more: tabs beside these two.

    As in A1111, txt2img's fields go along as they stand, and of them only what any img2img can use: a seed of -1 stays -1, a style stays in its field,
    and img2img keeps a sampler and a CFG scale of its own. img2img's fields are there already.
    """
    for tab in (txt2img, img2img, *more):
        for goal in ("img2img", "inpaint"):
            button, picture = tab.output.buttons.send[goal], f"webui.sendFromGallery('{tab.name}', '{goal}')"
            if tab is txt2img:
                carry(button, txt2img, img2img, setting, js=f"(...values) => {{ {picture}; return values; }}")
            else:
                button.click(None, js=f"() => {{ {picture}; }}", **QUICK)
        tab.output.buttons.send["extras"].click(None, js=f"() => {{ webui.sendFromGallery('{tab.name}', 'extras'); }}", **QUICK)


def carry(
    button: gr.Button, source: GenerationTab, target: GenerationTab, setting: Callable[[str], Any], *, more: Sequence[str] | None = None, js: str = "(...values) => values",
) -> None:  # fmt: skip
    """A click copies ``source``'s fields into those of ``target`` that have the same key of infotexts. more: of scripts' fields these only; None for all."""
    given, taken = _carried(source), _carried(target)
    keys = [key for key in given if key in taken and (more is None or key in (*CARRIED, *more))]

    def values(*shown: Any) -> list[Any]:
        return [gr.skip() if key == "Seed" and not setting("send_seed") else value for key, value in zip(keys, shown, strict=True)]

    fill_on_click(button, target.name, values, inputs=[given[key] for key in keys], outputs=[taken[key] for key in keys], js=js)


def _carried(tab: GenerationTab) -> dict[str, Component]:
    own = {entry.info.infotext: tab.form.component(entry.api_name) for entry in tab.form.table if entry.info.infotext in CARRIED}
    return {key: own[key] for key in CARRIED} | dict(tab.carried)


def wire_send(button: gr.Button, goal: str, tab: GenerationTab | None, text: gr.Textbox, picture_js: str) -> None:
    """A button that sends a picture to ``goal`` and all its parameters to ``tab``. text: holds its infotext.

    picture_js: a JavaScript expression, the picture as a URL or Blob, or a promise of one.
    """
    if tab is None:
        button.click(None, js=f"() => {{ webui.sendPicture({picture_js}, '{goal}'); }}", **QUICK)
        return
    js = f"(text) => {{ webui.sendPicture({picture_js}, '{goal}'); return [text]; }}"
    fill_on_click(button, tab.name, partial(tab.paster.from_picture, without=SIZE), inputs=[text], outputs=tab.pasted, js=js)
