"""A picture of the gallery as the first pass of hires fix: itself, its seeds, its size."""

from __future__ import annotations

from typing import Any

from PIL import Image

from modules.gradio_ui.finished import Finished
from modules.schema.errors import InvalidValue
from modules.schema.infotext_read import parse_infotext


def chosen_first_pass(shown: Finished | None, index: int) -> tuple[Image.Image, dict[str, Any]]:
    """The picture at ``index`` of a gallery, and what the request takes from it, by API name. Raises InvalidValue."""
    if shown is None or not shown.images:
        raise InvalidValue("There is no picture to upscale yet.", "Generate one first.")
    first, texts = int(shown.info.get("index_of_first_image", 0)), shown.info.get("infotexts") or ()
    if not 0 <= index < len(shown.images) or (len(shown.images) > 1 and (index < first or index >= len(texts))):
        raise InvalidValue("This is a sheet of pictures, or a picture that a script added; it has no seed of its own.", "Choose one of the single pictures.")
    image = shown.images[index]
    try:
        picture = image.picture or (Image.open(image.path) if image.path else None)
        picture = None if picture is None else picture.convert("RGB")
    except OSError:
        picture = None
    if picture is None:
        raise InvalidValue("The chosen picture is gone from the disk.", "Generate it again.")
    text = parse_infotext(image.infotext)
    fixed = {"enable_hr": True, "n_iter": 1, "batch_size": 1, "width": picture.width, "height": picture.height,
             "seed": _whole(text.get("Seed"), image.seed), "subseed": _whole(text.get("Variation seed"), -1)}  # fmt: skip
    return picture, fixed


def _whole(text: str | None, otherwise: int) -> int:
    try:
        return int(text) if text is not None else otherwise
    except ValueError:
        return otherwise
