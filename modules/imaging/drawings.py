"""What was painted over a picture in the browser -> pictures and masks. A drawing is RGBA, transparent where nothing was painted."""

from __future__ import annotations

from PIL import Image, ImageChops, ImageEnhance, ImageFilter


def painted_over(picture: Image.Image, drawing: Image.Image | None) -> Image.Image:
    """The picture as it was seen while painting. Equal sizes."""
    if drawing is None:
        return picture
    seen = Image.alpha_composite(picture.convert("RGBA"), drawing)
    return seen if picture.mode == "RGBA" else seen.convert("RGB")


def painted_mask(picture: Image.Image, drawing: Image.Image | None) -> Image.Image:
    """Mode RGBA, the mask in its transparency: what was painted, and what is transparent in the picture itself."""
    mask = Image.new("L", picture.size, 0) if drawing is None else drawing.getchannel("A")
    if "A" in picture.getbands() or "transparency" in picture.info:
        holes = picture.convert("RGBA").getchannel("A").point([255 if level < 255 else 0 for level in range(256)])
        mask = ImageChops.lighter(mask, holes)
    return Image.merge("RGBA", (mask, mask, mask, mask))


def colour_sketch(picture: Image.Image, drawing: Image.Image | None, *, transparency: float, blur: float) -> tuple[Image.Image, Image.Image]:
    """(what to start from, mask) of a coloured sketch that is drawn anew where it was painted, as A1111 makes them.

    transparency: 0 the paint covers .. 100 it vanishes, in the picture and in the mask. blur: radius in pixels of the paint's edge.
    """
    below = picture.convert("RGB")
    seen = painted_over(below, drawing)
    painted = Image.new("L", picture.size, 0) if drawing is None else drawing.getchannel("A").point([0, *[255] * 255])
    mask = ImageEnhance.Brightness(painted).enhance(1 - transparency / 100)
    soft = ImageFilter.GaussianBlur(blur)
    return Image.composite(seen.filter(soft), below, mask.filter(soft)), mask
