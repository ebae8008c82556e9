"""Finished pictures enlarged by themselves, outside of any generation: by a factor or to a size, with one upscaler or two."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from modules.engine.upscale import BUILT_IN, KnownUpscalers, PictureUpscaler, enlarger
from modules.imaging.resize import as_transparent, croppable
from modules.schema.errors import InvalidValue


@dataclass(frozen=True, kw_only=True)
class Enlargement:
    """upscaler, second: names; "None" leaves the picture as it is. second_share: 0 .. 1 of the second one in the result.

    factor: used unless ``size`` (width, height in pixels) is given. crop: cut what sticks out of ``size``, the middle stays.
    longest_side: the factor is lowered where the result would be longer; 0 is no limit.
    """

    upscaler: str = "None"
    factor: float = 4.0
    size: tuple[int, int] | None = None
    crop: bool = True
    longest_side: int = 0
    second: str = "None"
    second_share: float = 0.0


def enlarged_picture(picture: Image.Image, wanted: Enlargement, upscalers: KnownUpscalers = BUILT_IN) -> Image.Image:
    """``picture`` enlarged: RGBA where it has transparency, else RGB. Raises UnknownName and InvalidValue."""
    first, second = upscalers.find_for_pictures(wanted.upscaler), upscalers.find_for_pictures(wanted.second)
    picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    if first.name == "None":
        return picture
    result = _enlarged(picture, first, wanted)
    if second.name != "None" and wanted.second_share > 0:
        result = Image.blend(result, _enlarged(picture, second, wanted), min(wanted.second_share, 1.0))
    return result


def enlarged_size(picture: Image.Image, wanted: Enlargement) -> tuple[int, int]:
    """Width and height that ``picture`` will have. Raises InvalidValue when it would have no pixels."""
    if wanted.size is not None and wanted.crop:
        return wanted.size
    factor = _factor(picture, wanted)
    return max(8, int(picture.width * factor) // 8 * 8), max(8, int(picture.height * factor) // 8 * 8)


def _factor(picture: Image.Image, wanted: Enlargement) -> float:
    if wanted.size is not None:
        factor = max(wanted.size[0] / picture.width, wanted.size[1] / picture.height)
    else:
        factor = wanted.factor
        if wanted.longest_side > 0:
            factor = min(factor, wanted.longest_side / max(picture.size))
    if factor * min(picture.size) < 1:
        raise InvalidValue(f"A {picture.width}x{picture.height} picture times {factor:g} has no pixels.", "Ask for more.", field="upscaling_resize")
    return factor


def _enlarged(picture: Image.Image, upscaler: PictureUpscaler, wanted: Enlargement) -> Image.Image:
    if wanted.size is not None and wanted.crop:
        picture = croppable(picture, *wanted.size)
    factor = _factor(picture, wanted)
    grow = enlarger(upscaler)
    result = as_transparent(picture if grow is None else grow(picture, factor), picture)
    if wanted.size is None or not wanted.crop:
        return result
    sheet = Image.new(result.mode, wanted.size)
    sheet.paste(result, (wanted.size[0] // 2 - result.width // 2, wanted.size[1] // 2 - result.height // 2))
    return sheet
