"""A picture brought to another size: stretched, cropped, or with its edges drawn out to fill what is missing."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

# A1111's resize modes, by number; LATENT keeps the picture's own size in img2img, and fills where it is used on pixels
JUST_RESIZE, CROP_AND_RESIZE, RESIZE_AND_FILL, LATENT_UPSCALE = range(4)

Enlarge = Callable[[Image.Image, float], Image.Image]


def fitted(picture: Image.Image, width: int, height: int, mode: int, enlarge: Enlarge | None = None) -> Image.Image:
    """``picture`` as width x height pixels. mode: one of the four above; all but the first give an RGB picture.

    enlarge: (picture, factor) -> larger picture, used before the last resampling wherever the picture grows; masks never need it.
    """
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


def _stretched(picture: Image.Image, width: int, height: int, enlarge: Enlarge | None) -> Image.Image:
    factor = max(width / picture.width, height / picture.height)
    if enlarge is not None and picture.mode != "L" and factor > 1:
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
