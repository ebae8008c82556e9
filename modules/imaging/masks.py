"""Masks for inpainting: made, blurred, cut to what they cover, and the painted part put back. White is painted anew."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from modules.imaging.resize import CROP_AND_RESIZE, RESIZE_AND_FILL, fitted

Box = tuple[int, int, int, int]                     # left, top, right, bottom, in pixels

_CELL = 8                                           # pixels that a latent stands for
_BLUR_REACH = 2.5                                   # standard deviations that the kernel covers on each side
# radii and repeats of the blurred copies that are laid over each other to fill a hole, widest first
_FILL_LAYERS = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))


def as_mask(picture: Image.Image, *, rounded: bool) -> Image.Image:
    """A mask (mode L): the transparency of a drawing, or the brightness of a picture that has none.

    rounded: a drawing's soft edges become hard ones.
    """
    if picture.mode != "RGBA" or picture.getextrema()[-1] == (255, 255):
        return picture.convert("L")
    alpha = picture.getchannel("A")
    return alpha.point([255 if level > 128 else 0 for level in range(256)]) if rounded else alpha


def blurred(mask: Image.Image, blur_x: float, blur_y: float) -> Image.Image:
    """``mask`` (mode L) softened; the blurs are standard deviations in pixels, 0 or less leaves that direction as it is."""
    levels = np.asarray(mask)
    for axis, sigma in ((1, blur_x), (0, blur_y)):
        if sigma > 0:
            levels = _gaussian(levels, sigma, axis)
    return Image.fromarray(levels)


def _gaussian(levels: NDArray[np.uint8], sigma: float, axis: int) -> NDArray[np.uint8]:
    """Along one axis, mirrored at the edges, in 8-bit fixed point as A1111's image library computes it."""
    kernel = _kernel(sigma)
    reach, length = len(kernel) // 2, levels.shape[axis]
    period = max(2 * (length - 1), 1)
    places = np.abs(np.arange(-reach, length + reach)) % period
    mirrored = np.take(levels, np.minimum(places, period - places) if length > 1 else places * 0, axis=axis).astype(np.int64)
    total = np.zeros(levels.shape, dtype=np.int64)
    for offset, weight in enumerate(kernel):
        total += int(weight) * np.take(mirrored, np.arange(offset, offset + length), axis=axis)
    return ((total + 128) >> 8).astype(np.uint8)


def _kernel(sigma: float) -> NDArray[np.int64]:
    """Weights that add up to 256; what rounding takes from one weight is carried on to the next."""
    reach = int(_BLUR_REACH * sigma + 0.5)
    sides = np.exp(-0.5 * (np.arange(-reach, 0) / sigma) ** 2)
    sides *= 256 / (2 * sides.sum() + 1)
    carried, weights = 0.0, []
    for weight in sides:
        weights.append(round(weight + carried))
        carried += weight - weights[-1]
    return np.array([*weights, 256 - 2 * sum(weights), *reversed(weights)])


def doubled(mask: Image.Image) -> Image.Image:
    """``mask`` twice as bright: half covered and more is wholly covered. What overlays are cut with."""
    return Image.fromarray(np.clip(np.asarray(mask).astype(np.float32) * 2, 0, 255).astype(np.uint8))


def covered_box(mask: Image.Image, padding: int) -> Box | None:
    """The smallest box around everything that is not black, widened by ``padding`` pixels; None when all is black."""
    box = mask.getbbox()
    if box is None:
        return None
    left, top, right, bottom = box
    return max(left - padding, 0), max(top - padding, 0), min(right + padding, mask.width), min(bottom + padding, mask.height)


def in_proportion(box: Box, size: tuple[int, int], bounds: tuple[int, int]) -> Box:
    """``box`` grown to the proportions of ``size`` (width, height), shifted to stay inside ``bounds``, cut where it cannot."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    if width / height > size[0] / size[1]:
        top, bottom = _grown(top, bottom, width / (size[0] / size[1]), bounds[1])
    else:
        left, right = _grown(left, right, height * (size[0] / size[1]), bounds[0])
    return left, top, right, bottom


def _grown(start: int, end: int, wanted: float, bound: int) -> tuple[int, int]:
    missing = int(wanted - (end - start))
    start -= missing // 2
    end += missing - missing // 2
    if end >= bound:
        start, end = start - (end - bound), bound
    if start < 0:
        start, end = 0, end - start
    return start, min(end, bound)


def filled(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """RGB ``picture`` with the masked part filled from its surroundings, ever closer ones towards the edge.

    mask: of another size, it is stretched.
    """
    hole = _cut_out(picture, mask if mask.size == picture.size else mask.resize(picture.size))
    sheet = Image.new("RGBA", picture.size)
    for radius, repeats in _FILL_LAYERS:
        layer = hole.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(repeats):
            sheet.alpha_composite(layer)
    return sheet.convert("RGB")


def overlay(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """RGBA ``picture`` that is transparent where ``mask`` is white: what is laid over the finished picture."""
    return _cut_out(picture, mask).convert("RGBA")


def _cut_out(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """``picture`` in mode RGBa (colours times alpha), the masked part gone."""
    cut = Image.new("RGBa", picture.size)
    cut.paste(picture.convert("RGBA").convert("RGBa"), mask=ImageOps.invert(mask.convert("L")))
    return cut


def put_back(picture: Image.Image, box: Box, size: tuple[int, int]) -> Image.Image:
    """``picture`` fitted into ``box`` of an otherwise transparent RGBA sheet of ``size``."""
    left, top, right, bottom = box
    sheet = Image.new("RGBA", size)
    sheet.paste(fitted(picture, right - left, bottom - top, CROP_AND_RESIZE), (left, top))
    return sheet


def only_masked(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """RGBA ``picture``, transparent where ``mask`` is black; a mask of another size is fitted to it."""
    fitting = fitted(mask, picture.width, picture.height, RESIZE_AND_FILL).convert("L")
    return Image.composite(picture.convert("RGBA").convert("RGBa"), Image.new("RGBa", picture.size), fitting).convert("RGBA")


def under_overlay(picture: Image.Image, over: Image.Image, box: Box | None) -> Image.Image:
    """RGB: ``picture``, put back into ``box`` of the whole if there is one, and ``over`` laid on it: what of it sticks out by less than a cell is cut off."""
    sheet = picture.convert("RGBA") if box is None else put_back(picture, box, over.size)
    is_cut = all(0 <= whole - drawn < _CELL for whole, drawn in zip(over.size, sheet.size))      # 533 asked for, 528 drawn: the rest stays pixel for pixel
    sheet.alpha_composite(over if is_cut else over.resize(sheet.size, Image.Resampling.LANCZOS))
    return sheet.convert("RGB")
