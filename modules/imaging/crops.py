"""Parts of pictures for training sets: pieces of one that is too long, a part around what matters, the best size of many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

_STEP = 64  # pixels: sizes that are tried for an auto-sized crop
_CELLS = 48  # longest side of the map on which interest is reckoned
Box = tuple[float, float, float, float]


def pieces(picture: Image.Image, size: tuple[int, int], *, threshold: float, overlap: float) -> list[Image.Image]:
    """``picture`` alone, or where it is much longer than ``size`` (width, height): overlapping pieces of that size, in order.

    threshold: the share of the picture that one piece would show, below which it is cut up. overlap: 0 .. 0.9 of a piece.
    """
    upright = picture.height > picture.width
    across, along = size if upright else size[::-1]
    across_now, along_now = picture.size if upright else picture.size[::-1]
    shown = (across_now * along) / (along_now * across)
    if shown >= 1 or shown > threshold:
        return [picture]
    length = along_now * across // across_now
    resized = picture.resize((across, length) if upright else (length, across), Image.Resampling.LANCZOS)
    count = max(2, math.ceil((length - along * overlap) / (along * (1 - overlap))))
    starts = [int(index * (length - along) / (count - 1)) for index in range(count)]
    boxes = [(0, start, across, start + along) if upright else (start, 0, start + along, across) for start in starts]
    return [resized.crop(box) for box in boxes]


@dataclass(frozen=True, kw_only=True)
class SizeSearch:
    """Sizes that an auto-sized crop may have: sides and areas in pixels, ends included. error: 0 is the picture's own proportions, 1 any."""

    sides: tuple[int, int]
    areas: tuple[int, int]
    error: float
    prefers_area: bool = True

    def best(self, width: int, height: int) -> tuple[int, int] | None:
        """The best size for a picture of that size; None when none fits."""
        found: list[tuple[tuple[float, float], tuple[int, int]]] = []
        choices = range(self.sides[0], self.sides[1] + 1, _STEP)
        for size in ((w, h) for w in choices for h in choices):
            ratio = (width / height) / (size[0] / size[1])
            error, area = 1 - min(ratio, 1 / ratio), size[0] * size[1]
            if self.areas[0] <= area <= self.areas[1] and error <= self.error:
                found.append(((area, -error) if self.prefers_area else (-error, area), size))
        return max(found)[1] if found else None


def middle_crop(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of ``picture`` in the proportions of ``size``, resized to it."""
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS)


@dataclass(frozen=True, kw_only=True)
class Interests:
    """What a focal point is drawn to, each with its weight. faces: boxes (left, top, right, bottom) in pixels."""

    face: float = 0.9
    entropy: float = 0.15
    edges: float = 0.5
    faces: Sequence[Box] = ()


def focal_point(picture: Image.Image, interests: Interests) -> tuple[float, float]:
    """(x, y) in pixels: the weighted middle of faces, of the busiest place and of the edges; the picture's middle where there is nothing."""
    points: list[tuple[float, float, float]] = []
    if interests.faces and interests.face > 0:
        points += [((left + right) / 2, (top + bottom) / 2, interests.face / len(interests.faces)) for left, top, right, bottom in interests.faces]
    grey = _grey_map(picture)
    scale = picture.width / grey.shape[1], picture.height / grey.shape[0]
    for interest, weight in ((_entropy(grey), interests.entropy), (_edges(grey), interests.edges)):
        total = float(interest.sum())
        if weight > 0 and total > 0:
            ys, xs = np.mgrid[0 : grey.shape[0], 0 : grey.shape[1]]
            points.append((float((xs + 0.5).ravel() @ interest.ravel()) / total * scale[0], float((ys + 0.5).ravel() @ interest.ravel()) / total * scale[1], weight))
    weights = sum(weight for _, _, weight in points)
    if not weights:
        return picture.width / 2, picture.height / 2
    return sum(x * weight for x, _, weight in points) / weights, sum(y * weight for _, y, weight in points) / weights


def focal_crop(picture: Image.Image, size: tuple[int, int], point: tuple[float, float]) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """The largest part of ``picture`` in the proportions of ``size`` with ``point`` as near its middle as can be, resized; and where it was."""
    factor = min(picture.width / size[0], picture.height / size[1])
    width, height = min(picture.width, round(size[0] * factor)), min(picture.height, round(size[1] * factor))
    left = round(min(max(point[0] - width / 2, 0), picture.width - width))
    top = round(min(max(point[1] - height / 2, 0), picture.height - height))
    box = (left, top, left + width, top + height)
    return picture.crop(box).resize(size, Image.Resampling.LANCZOS), box


def focus_shown(picture: Image.Image, box: tuple[int, int, int, int], point: tuple[float, float], faces: Sequence[Box]) -> Image.Image:
    """A copy of ``picture`` with the cut, the faces and the focal point drawn in."""
    shown = picture.convert("RGB").copy()
    draw, thick = ImageDraw.Draw(shown), max(1, max(picture.size) // 200)
    draw.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), outline="#20c020", width=thick)
    for face in faces:
        draw.rectangle(face, outline="#ff2020", width=thick)
    draw.ellipse([point[0] - 3 * thick, point[1] - 3 * thick, point[0] + 3 * thick, point[1] + 3 * thick], fill="#2060ff")
    return shown


def _grey_map(picture: Image.Image) -> NDArray[np.float64]:
    factor = _CELLS * 4 / max(picture.size)
    size = max(8, round(picture.width * factor)), max(8, round(picture.height * factor))
    return np.asarray(picture.convert("L").resize(size, Image.Resampling.BOX), np.float64)


def _edges(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """Strength of edges; weak ones count little."""
    down, across = np.gradient(grey)
    return np.asarray(down**2 + across**2, np.float64)


def _entropy(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many different greys there are around: bits per cell of 16 x 16, spread over the cell; only the busiest tenth counts."""
    found = np.zeros_like(grey)
    cell = 16
    for top in range(0, grey.shape[0], cell):
        for left in range(0, grey.shape[1], cell):
            part = grey[top : top + cell, left : left + cell]
            share = np.bincount((part.ravel() / 16).astype(int), minlength=16) / part.size
            share = share[share > 0]
            found[top : top + cell, left : left + cell] = -(share * np.log2(share)).sum()
    return np.where(found >= np.quantile(found, 0.9), found, 0.0)
