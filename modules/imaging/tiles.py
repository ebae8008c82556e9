"""A large picture cut into overlapping tiles, and put together again with soft seams."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from modules.imaging.masks import Box


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """Where tiles lie, row by row. overlap: pixels that neighbours share at least."""

    size: tuple[int, int]
    tile: tuple[int, int]
    overlap: int
    rows: tuple[tuple[Box, ...], ...]

    @property
    def boxes(self) -> list[Box]:
        return [box for row in self.rows for box in row]


def fitting_overlap(overlap: int, tile: tuple[int, int]) -> int:
    """``overlap``, or half a side of ``tile`` where no tile would be left of it: pixel by pixel there would be tens of thousands of tiles."""
    side = min(tile)
    return max(overlap, 0) if overlap < side else side // 2


def tiling(size: tuple[int, int], tile: tuple[int, int], overlap: int) -> Tiling:
    """Tiles of ``tile`` (width, height) over a picture of ``size``, spread evenly. A picture smaller than a tile is one tile, cut short."""
    tile = min(tile[0], size[0]), min(tile[1], size[1])
    across, down = (_starts(length, part, min(overlap, part - 1)) for length, part in zip(size, tile))
    rows = tuple(tuple((x, y, x + tile[0], y + tile[1]) for x in across) for y in down)
    return Tiling(size=size, tile=tile, overlap=overlap, rows=rows)


def _starts(length: int, part: int, overlap: int) -> list[int]:
    count = max(math.ceil((length - overlap) / (part - overlap)), 1)
    step = (length - part) / (count - 1) if count > 1 else 0
    return [min(int(n * step), length - part) for n in range(count)]


def joined(layout: Tiling, tiles: Sequence[Image.Image]) -> Image.Image:
    """``tiles``, in the order of ``layout.boxes``, as one picture: each fades in over what lies to its left and above.

    As in A1111 over no more than ``layout.overlap``, though tiles that are spread evenly share more: the same seeds give the same picture.
    """
    across = len(layout.rows[0])
    sheet = Image.new("RGB", layout.size)
    for number, row in enumerate(layout.rows):
        strip = Image.new("RGB", (layout.size[0], layout.tile[1]))
        for place, (box, tile) in enumerate(zip(row, tiles[number * across :])):
            _paste(strip, tile.convert("RGB"), box[0], min(row[place - 1][2] - box[0], layout.overlap) if place else 0, along_width=True)
        _paste(sheet, strip, row[0][1], min(layout.rows[number - 1][0][3] - row[0][1], layout.overlap) if number else 0, along_width=False)
    return sheet


def _paste(onto: Image.Image, piece: Image.Image, start: int, shared: int, *, along_width: bool) -> None:
    """Put ``piece`` at ``start`` along one side; over its first ``shared`` pixels it fades in."""
    width, height = piece.size
    alpha = np.full((height, width), 255, np.uint8)
    if shared > 0:
        ramp = np.arange(shared) * 255 // shared
        if along_width:
            alpha[:, :shared] = ramp[None]
        else:
            alpha[:shared] = ramp[:, None]
    onto.paste(piece, (start, 0) if along_width else (0, start), Image.fromarray(alpha))
