"""A picture with a title above and words below, as the cards that embeddings are handed around in."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

_DARK = (0, 0, 0, 160)          # laid over the picture where words stand


def captioned(picture: Image.Image, title: str, below: Sequence[str]) -> Image.Image:
    """RGB, of the same size. below: words at the left, in the middle and at the right."""
    made = picture.convert("RGBA")
    size = max(made.height // 20, 6)
    band = size * 2
    veil = Image.new("RGBA", made.size)
    draw = ImageDraw.Draw(veil)
    for top in (0, made.height - band):
        draw.rectangle((0, top, made.width, top + band), fill=_DARK)
    _write(draw, (made.width / 2, band / 2), title, "mm", made.width, size)
    room = made.width / max(len(below), 1)
    for place, (words, anchor) in enumerate(zip(below, ("lm", "mm", "rm"))):
        _write(draw, (size / 2 + place * (made.width - size) / 2, made.height - band / 2), words, anchor, room, size)
    return Image.alpha_composite(made, veil).convert("RGB")


def _write(draw: ImageDraw.ImageDraw, at: tuple[float, float], words: str, anchor: str, room: float, size: int) -> None:
    """As large as ``size``, or as small as it must be for ``room``."""
    font = next((each for each in map(ImageFont.load_default, range(size, 1, -1)) if each.getlength(words) <= room), ImageFont.load_default(2))
    draw.text(at, words, font=font, fill="white", anchor=anchor)
