"""A place for a picture that can be drawn on: static/canvas.js makes it, a hidden text field hands its content to the server.

The content is JSON: {"picture": path, "drawing": path, "error": words}; the files were uploaded through Gradio's own route. For extensions the
field is A1111's image component, and has its elem_id when they are told of it: their functions are given the picture and may give another, which goes
to the page as {"put": address}.
"""

from __future__ import annotations

import functools
import html
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import gradio as gr
from PIL import Image

from modules.gradio_ui.components import HIDDEN_TEXT
from modules.gradio_ui.events import QUICK
from modules.gradio_ui.form_builder import FormBuilder
from modules.gradio_ui.uploads import is_upload
from modules.imaging.base64_codec import open_image
from modules.imaging.drawings import painted_mask, painted_over
from modules.schema.errors import InvalidValue

# what is painted on a canvas, for the scripts; a masked one has its mask in another file
PLAIN, SKETCH, MASK, COLOUR_MASK, MASKED = "picture", "sketch", "mask", "colour-mask", "masked"
AGAIN = "Put the picture in once more, or press Generate again."


@dataclass(frozen=True, kw_only=True)
class CanvasContent:
    """picture: as it was put in. drawing: RGBA of the picture's size, transparent where nothing is drawn; None: nothing at all."""

    picture: Image.Image | None = None
    drawing: Image.Image | None = None


class CanvasText(gr.Textbox):
    """The hidden field of a canvas. An extension's event that takes it is given what A1111's image component would give it, and may show a picture there."""

    is_template = True  # the page shows a Textbox
    by_script = True
    shown_as = "canvas"  # by the page's script, where an extension's gives it a picture

    def __init__(self, name: str = "", kind: str = PLAIN, *, elem_id: str | None = None, render: bool = True, **_: Any) -> None:
        """render, and what else an update says of an image (its label, its height): as Gradio gives it when it makes the field once more."""
        self.name, self.kind = name, kind
        self.own_start = {"value": None}        # what a script is handed that has it among its controls, where nothing was sent: no picture
        # by which extensions' events ask the page's script for what is there, whether its tab shows or not
        self.asked_as = str(elem_id).removesuffix("_content")
        super().__init__("", elem_id=elem_id, render=render, **HIDDEN_TEXT)

    def preprocess(self, payload: Any) -> Any:
        """The picture in A1111's mode, what is painted on it included; of a mask {"image", "mask"}, white where something is painted. None without a picture."""
        content = read_canvas(payload, self.name)
        if content.picture is None:
            return None
        if self.kind in (SKETCH, COLOUR_MASK):
            return painted_over(content.picture, content.drawing)
        picture = content.picture.convert("RGB" if self.kind == MASKED else "RGBA")
        if self.kind != MASK:
            return picture
        return {"image": picture, "mask": Image.merge("RGB", [painted_mask(content.picture, content.drawing).getchannel("A")] * 3)}

    def postprocess(self, value: Any) -> str | None:
        """value: a picture in any form that Gradio's image component shows, None to take away what is there; text that is no picture stays as it is."""
        if value == "":
            return ""
        file: Any = None if value is None else _image_block().postprocess(value)
        address = None if file is None else file.url or f"./gradio_api/file={quote(file.path)}"
        return json.dumps({"put": address, "turn": uuid4().hex})     # it changes also where the same one is put there once more

    def upload(self, *arguments: Any, **keywords: Any) -> Any:
        """After a picture came: the page's script focuses the field."""
        return self.focus(*arguments, **keywords)  # type: ignore[attr-defined]  # Gradio makes it

    def clear(self, *arguments: Any, **keywords: Any) -> Any:
        """After it went: the script takes the focus away."""
        return self.blur(*arguments, **keywords)  # type: ignore[attr-defined]

    def edit(self, *arguments: Any, **keywords: Any) -> Any:
        return self.change(*arguments, **keywords)  # type: ignore[attr-defined]


@functools.cache
def _image_block() -> gr.Image:
    """Makes files for the page of what extensions give."""
    return gr.Image(render=False, format="png")


def build_canvas(builder: FormBuilder, elem_id: str, label: str, kind: str = PLAIN) -> None:
    """The place, inside the current block; its content joins the form under the name ``elem_id``."""
    with gr.Column(elem_id=elem_id, elem_classes=["gradio-image", "webui-canvas"], min_width=0):
        place = f'<div class="canvas-place" data-kind="{kind}" data-label="{html.escape(label, quote=True)}"></div>'
        gr.HTML(place, elem_id=f"{elem_id}_place", padding=False)
        if kind == COLOUR_MASK:
            builder.switches[f"{elem_id}_original"] = CanvasText(label, PLAIN, elem_id=f"{elem_id}_original")
    content = CanvasText(label, kind, elem_id=f"{elem_id}_content")     # below the place, where extensions add what they have to say of the picture
    builder.own(elem_id, content, by_script=True)
    content.change(None, inputs=[content], js=f"(text) => {{ webui.canvasGiven({elem_id!r}, text); }}", **QUICK)  # type: ignore[attr-defined]


def read_canvas(text: Any, label: str) -> CanvasContent:
    """What ``text`` from the page stands for. label: the canvas's name, for the words. Raises InvalidValue."""
    try:
        content = json.loads(text or "{}")
    except (TypeError, ValueError) as error:
        raise InvalidValue(f"{label}: the page sent no picture.", AGAIN, field="init_images") from error
    if not isinstance(content, Mapping):
        raise InvalidValue(f"{label}: the page sent no picture.", AGAIN, field="init_images")
    if content.get("error"):
        raise InvalidValue(f"{label}: {str(content['error'])[:300]}", AGAIN, field="init_images")
    picture, drawing = (_opened(content.get(name), label) for name in ("picture", "drawing"))
    if picture is not None and drawing is not None and drawing.size != picture.size:
        raise InvalidValue(
            f"{label}: the drawing is {drawing.width}x{drawing.height}, the picture {picture.width}x{picture.height}.", AGAIN, field="mask"
        )
    return CanvasContent(picture=picture, drawing=None if drawing is None else drawing.convert("RGBA"))


def _opened(path: Any, label: str) -> Image.Image | None:
    """The uploaded file ``path``; None for no path. Only Gradio's upload folder is read."""
    if not path:
        return None
    if not is_upload(path):
        raise InvalidValue(f"{label}: this file was not uploaded from the page.", AGAIN, field="init_images")
    try:
        if os.path.getsize(path) == 0:
            raise InvalidValue(f"{label}: the uploaded file is empty.", AGAIN, field="init_images")
        data = Path(path).read_bytes()
    except OSError as error:
        raise InvalidValue(f"{label}: the uploaded picture is not on the server any more.", AGAIN, field="init_images") from error
    return open_image(data, label)
