"""Finished pictures enlarged by themselves, outside of any generation: by a factor or to a size, with one upscaler or two."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from modules.engine.upscale import PICTURE_UPSCALERS, PictureUpscaler, enlarger
from modules.schema.errors import InvalidValue, UnknownName


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


def enlarged_picture(picture: Image.Image, wanted: Enlargement) -> Image.Image:
    """``picture`` as an RGB picture, enlarged. Raises UnknownName and InvalidValue."""
    first, second = picture_upscaler(wanted.upscaler), picture_upscaler(wanted.second)
    picture = picture.convert("RGB")
    if wanted.upscaler == "None":
        return picture
    result = _enlarged(picture, first, wanted)
    if wanted.second != "None" and wanted.second_share > 0:
        result = Image.blend(result, _enlarged(picture, second, wanted), min(wanted.second_share, 1.0))
    return result


def picture_upscaler(name: str) -> PictureUpscaler:
    """The upscaler for pictures of that name. Raises UnknownName."""
    found = next((each for each in PICTURE_UPSCALERS if each.name == name), None)
    if found is None:
        raise UnknownName("upscaler", name, [each.name for each in PICTURE_UPSCALERS])
    return found


def _enlarged(picture: Image.Image, upscaler: PictureUpscaler, wanted: Enlargement) -> Image.Image:
    factor = wanted.factor if wanted.size is None else max(wanted.size[0] / picture.width, wanted.size[1] / picture.height)
    if wanted.size is None and wanted.longest_side > 0:
        factor = min(factor, wanted.longest_side / max(picture.size))
    if factor * min(picture.size) < 1:
        raise InvalidValue(f"A {picture.width}x{picture.height} picture times {factor:g} has no pixels.", "Ask for more.", field="upscaling_resize")
    grow = enlarger(upscaler)
    result = picture if grow is None else grow(picture, factor)
    if wanted.size is None or not wanted.crop:
        return result
    sheet = Image.new("RGB", wanted.size)
    sheet.paste(result, (wanted.size[0] // 2 - result.width // 2, wanted.size[1] // 2 - result.height // 2))
    return sheet
