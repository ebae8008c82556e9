"""What an extension's function is given of the page, as Gradio 3 handed it over; also where a script of the page (``_js``) sends another value in a component's place."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio import processing_utils, utils
from gradio.blocks import Block

from modules.a1111 import callbacks
from modules.a1111.app_slot import current, is_occupied

_PICTURES = tuple(f"data:image/{kind};base64," for kind in ("png", "jpeg", "jpg", "webp", "gif", "bmp"))   # what is written into Gradio's folder: nothing that acts


class _Named:
    """``x["name"]`` is the file's path; ``path`` says where that is."""

    path: str

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return {"name": self.path, "data": None, "is_file": True}[key]
        return super().__getitem__(key)     # type: ignore[misc]    # that of the tuple or the text

    def get(self, key: str, default: Any = None) -> Any:
        """As of Gradio 3's dictionary."""
        return self[key] if key in ("name", "data", "is_file") else default


class PicturePath(_Named, str):
    """Where a picture of a gallery lies."""

    @property
    def path(self) -> str:
        return str(self)


class GalleryEntry(_Named, tuple[Any, ...]):
    """A picture of a gallery and its caption; in Gradio 3 a dictionary, with a caption a list of that and the caption."""

    @property
    def path(self) -> str:
        return str(self[0])


def install() -> None:
    """Process-wide; called once, by ``gradio3_words``."""
    utils.NamedString.orig_name = property(os.path.basename)     # type: ignore[attr-defined]
    _hand_out_entries()
    _tell_captions()


def _hand_out_entries() -> None:
    original: Any = gr.Gallery.preprocess

    @functools.wraps(original)
    def preprocess(self: Any, payload: Any) -> Any:
        found = original(self, payload)
        return found if self.type != "filepath" else [GalleryEntry((path and PicturePath(path), caption)) for path, caption in found or ()]

    gr.Gallery.preprocess = preprocess


def _tell_captions() -> None:
    """``event.value`` of a gallery was the caption of the picture that was chosen."""
    original = gr.SelectData.__init__

    @functools.wraps(original)
    def made(self: Any, target: Any, data: Any) -> None:
        original(self, target, data)
        if isinstance(target, gr.Gallery) and isinstance(self.value, dict):
            self.value = self.value.get("caption")

    gr.SelectData.__init__ = made


def give_pictures_as_text(arguments: Sequence[Any], keywords: dict[str, Any]) -> None:
    """An extension's script (``_js``) that is handed a picture got a data URL of Gradio 3, and of a gallery entries with ``data`` and ``name``."""
    words = dict(zip(("fn", "inputs"), arguments[isinstance(next(iter(arguments), None), Block):])) | keywords
    inputs, own = words.get("inputs"), words.get("js")
    listed: Sequence[Any] = list(inputs) if isinstance(inputs, list | tuple | set) else [inputs]
    kinds = {place: kind for place, each in enumerate(listed) if (kind := _picture_kind(each))}
    if kinds and isinstance(own, str) and is_occupied() and current().extensions.owning(callbacks.caller_file()) is not None:
        keywords["js"] = f"(...values) => webui.givenPictures({own}, values.slice(0, {len(listed)}), {json.dumps(kinds)})"


def _picture_kind(block: Any) -> str:
    return getattr(block, "shown_as", "") or ("image" if isinstance(block, gr.Image) else "gallery" if isinstance(block, gr.Gallery) else "")


def show_what_scripts_give(arguments: Sequence[Any], keywords: dict[str, Any]) -> None:
    """``click(fn=None, _js=..., outputs=[image])`` of an extension: its script gives a data URL, as Tiled Diffusion's "Create canvas" does."""
    words = dict(zip(("fn", "inputs", "outputs"), arguments[isinstance(next(iter(arguments), None), Block):])) | keywords
    outputs = words.get("outputs")
    listed: Sequence[Any] = outputs if isinstance(outputs, list | tuple) else [outputs]
    kinds = {place: getattr(each, "shown_as", "") or each.get_block_name() for place, each in enumerate(listed) if isinstance(each, gr.Image | gr.ImageEditor | gr.Gallery) or hasattr(each, "shown_as")}
    own = words.get("js")
    if kinds and words.get("fn") is None and isinstance(own, str) and is_occupied() and current().extensions.owning(callbacks.caller_file()) is not None:
        keywords["js"] = f"async (...values) => webui.pictured(await ({own})(...values), {json.dumps(kinds)})"


def as_sent(blocks: Sequence[Any], values: Sequence[Any]) -> tuple[list[Any], dict[int, Any]]:
    """(values in Gradio 6's shapes, those that go to the function as they are: by position, with None in their places).

    Gradio 3 read no more than it had to: ``gr.Label(visible=False)`` stood for anything that a script sends, a gallery for the number of its picture,
    and a picture came as text.
    """
    sent, carried = list(values), {}
    for index, (block, value) in enumerate(zip(blocks, values)):
        if value is None:
            continue
        if isinstance(block, gr.Label) or (isinstance(block, gr.Gallery) and isinstance(value, int | float)):
            carried[index], sent[index] = value, None
        elif isinstance(block, gr.HighlightedText) and isinstance(value, list):
            carried[index] = [[each.get("token"), each.get("class_or_confidence")] if isinstance(each, dict) else each for each in value]
            sent[index] = None
        elif isinstance(block, gr.Gallery):
            sent[index] = [_entry(block, each) for each in (value if isinstance(value, list) else [value])]
        elif isinstance(block, gr.ImageEditor):
            sent[index] = _drawing(block, value)
        elif isinstance(block, gr.Image):
            sent[index] = _file(block, value)
    return sent, carried


def as_taken(blocks: Sequence[Any], values: Sequence[Any], taken: Sequence[Any], carried: dict[int, Any]) -> list[Any]:
    """What the function gets: a gallery's one picture that a script sent alone is one again."""
    alone = {index for index, (block, value) in enumerate(zip(blocks, values)) if isinstance(block, gr.Gallery) and isinstance(value, str | dict)}
    return [carried[index] if index in carried else each[0] if index in alone and each else each for index, each in enumerate(taken)]


def _entry(block: Any, value: Any) -> Any:
    caption = None
    if isinstance(value, list) and len(value) == 2:
        value, caption = value
    file = _file(block, value)
    return file if file is value or "image" in file else {"image": file, "caption": caption}


def _drawing(block: Any, value: Any) -> Any:
    if isinstance(value, dict) and "background" in value:
        return {**value, "background": _file(block, value["background"])}
    file = _file(block, value)
    return value if file is value else {"background": file, "layers": [], "composite": file}


def _file(block: Any, value: Any) -> Any:
    """``value`` as Gradio 6 names a file, where it is a data URL, a file in Gradio 3's words, or a gallery's entry."""
    if isinstance(value, dict) and isinstance(value.get("image"), dict) and "path" in value["image"]:
        file = _file(block, value["image"])
        return file if not isinstance(block, gr.Gallery) else value if file is value["image"] else {**value, "image": file}
    said = value
    if isinstance(value, dict):
        said = value["path"] or value.get("url") if "path" in value else value.get("name") if value.get("is_file") else value.get("data")
    is_named = isinstance(value, dict) and "path" not in value and value.get("is_file")
    if not isinstance(said, str) or not (is_named or said.startswith(_PICTURES)):
        return value
    path = processing_utils.save_base64_to_cache(said, block.GRADIO_CACHE) if said.startswith(_PICTURES) else said
    return {"path": path, "meta": {"_type": "gradio.FileData"}}
