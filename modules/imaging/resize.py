"""A picture brought to another size: stretched, cropped, or with its edges drawn out to fill what is missing."""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import Image

# A1111's resize modes, by number; LATENT keeps the picture's own size in img2img, and fills where it is used on pixels
JUST_RESIZE, CROP_AND_RESIZE, RESIZE_AND_FILL, LATENT_UPSCALE = range(4)

Enlarge = Callable[[Image.Image, float], Image.Image]

MOST_ON_THE_WAY = 100_000_000       # pixels of what is made only to be cropped or shrunk again: 3 bytes each, several times over


def fitted(picture: Image.Image, width: int, height: int, mode: int, enlarge: Enlarge | None = None) -> Image.Image:
    """``picture`` as width x height pixels. mode: one of the four above; all but the first give an RGB picture.

    enlarge: (picture, factor) -> larger picture, used before the last resampling wherever the picture grows; masks never need it.
    """
    if mode == CROP_AND_RESIZE:
        picture = croppable(picture, width, height)
    if mode == JUST_RESIZE:
        return _stretched(picture, width, height, enlarge)
    wider = width * picture.height > height * picture.width      # the goal is wider than the picture
    along_width = wider if mode == CROP_AND_RESIZE else not wider
    new_width = width if along_width else max(picture.width * height // picture.height, 1)
    new_height = max(picture.height * width // picture.width, 1) if along_width else height
    resized = _stretched(picture, new_width, new_height, enlarge)
    sheet = Image.new("RGB", (width, height))
    left, top = width // 2 - new_width // 2, height // 2 - new_height // 2
    sheet.paste(resized, (left, top))
    if mode != CROP_AND_RESIZE:
        _draw_out_edges(sheet, resized, left, top)
    return sheet


def croppable(picture: Image.Image, width: int, height: int) -> Image.Image:
    """``picture``, or only its middle where the whole, scaled until it covers width x height, would not fit into memory: a strip of 30,000 x 1 pixels."""
    factor = max(width / picture.width, height / picture.height)
    if picture.width * picture.height * factor**2 <= MOST_ON_THE_WAY:
        return picture
    seen = min(picture.width, math.ceil(width / factor) + 2), min(picture.height, math.ceil(height / factor) + 2)      # and the rim that resampling reads
    left, top = (picture.width - seen[0]) // 2, (picture.height - seen[1]) // 2
    return picture.crop((left, top, left + seen[0], top + seen[1]))


def _stretched(picture: Image.Image, width: int, height: int, enlarge: Enlarge | None) -> Image.Image:
    factor = max(width / picture.width, height / picture.height)
    fits = picture.width * picture.height * factor**2 <= max(MOST_ON_THE_WAY, 2 * width * height)
    if enlarge is not None and picture.mode != "L" and factor > 1 and fits:
        picture = enlarge(picture, factor)
        if picture.size == (width, height):
            return picture
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _draw_out_edges(sheet: Image.Image, middle: Image.Image, left: int, top: int) -> None:
    """Fill the bars beside ``middle`` with its outermost rows or columns."""
    width, height = sheet.size
    if top > 0:
        for edge, place in ((0, 0), (middle.height, top + middle.height)):
            sheet.paste(middle.resize((width, top), box=(0, edge, width, edge)), (0, place))
    elif left > 0:
        for edge, place in ((0, 0), (middle.width, left + middle.width)):
            sheet.paste(middle.resize((left, height), box=(edge, 0, edge, height)), (place, 0))


def on_background(picture: Image.Image, colour: str) -> Image.Image:
    """An RGB picture; what was transparent shows ``colour`` ("#rrggbb")."""
    if picture.mode != "RGBA":
        return picture.convert("RGB")
    sheet = Image.new("RGBA", picture.size, colour)
    sheet.paste(picture, mask=picture)
    return sheet.convert("RGB")


def as_transparent(result: Image.Image, source: Image.Image) -> Image.Image:
    """``result``, made of ``source``, with its transparency: networks know three colours only. As it is where it has some, or ``source`` none."""
    if source.mode != "RGBA" or result.mode == "RGBA":
        return result
    alpha = source.getchannel("A")
    result = result.convert("RGB")
    result.putalpha(alpha if alpha.size == result.size else alpha.resize(result.size, Image.Resampling.LANCZOS))
    return result
