"""3x3 convolutions for processors, in float32 with channels last: by Winograd's tiles, or as one matrix product where the picture is small.

Source: Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks" (arXiv:1509.09308), F(4x4, 3x3): a quarter of the multiplications.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_OUT, _IN = 4, 6                                    # cells of a tile's side: of the result, and of what it is made from
# Where the tiles' polynomials are evaluated, and infinity. These keep rounding errors near those of the plain sum; 0, 1, -1, 2, -2 quadruple them.
_POINTS = (0.0, 2 / 3, -2 / 3, 1.5, -1.5)
_TILES_AT_ONCE = 128
_TILE_VALUES = 1 << 21                              # of all tiles at once, 8 MB: so much stays in the processor's cache
_FEWEST_TILES = 32                                  # with fewer, transforming the kernel costs more than it saves
_FEWEST_CHANNELS = 16                               # a latent has four
_KERNEL_VALUES = 1 << 24                            # of the transformed kernel at once: 64 MB


def convolved(x: Tensor, kernel: Tensor, bias: Tensor | None, scratch: Scratch) -> Tensor:
    """``x`` (B, C, h, w) under a 3x3 kernel with one cell of zeros around it -> (B, O, h, w), channels last.

    kernel: (3, 3, C, O), contiguous.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    height, width = x.shape[-2:]
    if x.shape[1] < _FEWEST_CHANNELS or len(x) * -(-height // _OUT) * -(-width // _OUT) < _FEWEST_TILES:
        return _by_columns(x, kernel, bias)
    return _by_tiles(x, kernel, bias, scratch)


class Scratch(threading.local):
    """Memory for what lies between the steps, used again and again: fresh memory costs more than the arithmetic on it."""

    def __init__(self) -> None:
        self._values: dict[str, Tensor] = {}

    def __deepcopy__(self, memo: object) -> Scratch:
        return self

    def __reduce__(self) -> tuple[type[Scratch], tuple[()]]:
        return Scratch, ()                          # who writes a whole model to disk does not want this memory

    def take(self, name: str, *shape: int) -> Tensor:
        """A tensor of ``shape`` that holds anything, until the next one of that ``name``."""
        count = math.prod(shape)
        found = self._values.get(name)
        if found is None or found.numel() < count:
            found = self._values[name] = torch.empty(count)
        return found[:count].view(shape)


def _by_columns(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """What lies under the kernel, for each cell a row: one matrix product with the kernel as it is stored."""
    batch, channels, height, width = x.shape
    padded = nn.functional.pad(x, (1, 1, 1, 1)).contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
    down, across = padded.stride()[1:3]
    seen = padded.as_strided((batch, height, width, 3, 3, channels), (padded.stride(0), down, across, down, across, 1))
    rows, matrix = seen.reshape(-1, 9 * channels), kernel.view(9 * channels, -1)
    found = rows @ matrix if bias is None else torch.addmm(bias, rows, matrix)
    return found.view(batch, height, width, -1).permute(0, 3, 1, 2)


def _by_tiles(x: Tensor, kernel: Tensor, bias: Tensor | None, scratch: Scratch) -> Tensor:
    channels, outputs = kernel.shape[2:]
    out = torch.empty(len(x), outputs, *x.shape[-2:], memory_format=torch.channels_last)
    high, wide = (-(-side // _OUT) for side in x.shape[-2:])
    at_once = max(_FEWEST_TILES, min(_TILES_AT_ONCE, _TILE_VALUES // (_IN * _IN * max(channels, outputs))))
    across = min(wide, at_once)
    down = max(1, min(high, at_once // across))
    multiplied = _Products(kernel, scratch)
    for source, target in zip(x.permute(0, 2, 3, 1), out.permute(0, 2, 3, 1)):
        for top in range(0, high, down):
            for left in range(0, wide, across):
                rows, columns = min(down, high - top), min(across, wide - left)
                tiles = _cut_out(source, _OUT * top - 1, _OUT * left - 1, (rows, columns), scratch)
                spread = torch.mm(_matrices().before, tiles, out=scratch.take("spread", *tiles.shape))
                products = multiplied(spread.view(_IN * _IN, rows * columns, channels)).view(_IN * _IN, -1)
                found = torch.mm(_matrices().after, products, out=scratch.take("found", _OUT * _OUT, products.shape[1]))
                _put_back(target, found.view(_OUT, _OUT, rows, columns, outputs), bias, _OUT * top, _OUT * left)
    return out


class _Products:
    """(36, T, C) -> (36, T, O): at each of the points all tiles times the transformed kernel, which is made once, or in parts where it is large."""

    def __init__(self, kernel: Tensor, scratch: Scratch) -> None:
        self._channels, self._outputs = kernel.shape[2:]
        self._kernel = kernel.view(9, -1)
        self._scratch = scratch
        self._at_once = max(1, min(self._channels, _KERNEL_VALUES // (_IN * _IN * self._outputs)))
        self._whole = self._transformed(0, self._channels) if self._at_once == self._channels else None

    def __call__(self, spread: Tensor) -> Tensor:
        found = self._scratch.take("products", *spread.shape[:2], self._outputs)
        if self._whole is not None:
            return torch.bmm(spread, self._whole, out=found)
        torch.bmm(spread[:, :, : self._at_once], self._transformed(0, self._at_once), out=found)
        for first in range(self._at_once, self._channels, self._at_once):
            last = min(first + self._at_once, self._channels)
            found.baddbmm_(spread[:, :, first:last], self._transformed(first, last))
        return found

    def _transformed(self, first: int, last: int) -> Tensor:
        """(36, last - first, O): the kernel of these input channels."""
        part = self._kernel[:, first * self._outputs : last * self._outputs]
        memory = self._scratch.take("kernel", _IN * _IN, part.shape[1])
        return torch.mm(_matrices().kernel, part, out=memory).view(_IN * _IN, last - first, self._outputs)


def _cut_out(source: Tensor, top: int, left: int, count: tuple[int, int], scratch: Scratch) -> Tensor:
    """(36, tiles * C): cell by cell of overlapping tiles; outside of the picture there are zeros. source: (h, w, C). count: rows, columns of tiles."""
    (height, width, channels), (rows, columns) = source.shape, count
    bottom, right = top + _OUT * rows + 2, left + _OUT * columns + 2
    if top >= 0 and left >= 0 and bottom <= height and right <= width:
        seen = source[top:bottom, left:right]
    else:
        seen = scratch.take("seen", bottom - top, right - left, channels).zero_()
        inner = source[max(top, 0) : bottom, max(left, 0) : right]
        y, x = max(-top, 0), max(-left, 0)
        seen[y : y + inner.shape[0], x : x + inner.shape[1]] = inner
    down, across = seen.stride()[:2]
    overlapping = seen.as_strided((_IN, _IN, rows, columns, channels), (down, across, _OUT * down, _OUT * across, 1), seen.storage_offset())
    return scratch.take("tiles", *overlapping.shape).copy_(overlapping).view(_IN * _IN, -1)


def _put_back(target: Tensor, found: Tensor, bias: Tensor | None, top: int, left: int) -> None:
    """Tiles (4, 4, rows, columns, O) to their place in ``target`` (h, w, O); what stands over its edge is cut off."""
    _, _, rows, columns, outputs = found.shape
    place, tiles = target[top : top + _OUT * rows, left : left + _OUT * columns], found.permute(2, 0, 3, 1, 4)
    if place.shape[:2] != (_OUT * rows, _OUT * columns):
        whole = tiles.reshape(_OUT * rows, _OUT * columns, outputs)[: place.shape[0], : place.shape[1]]
        place.copy_(whole if bias is None else whole + bias)
        return
    down, across = place.stride()[:2]
    places = place.as_strided((rows, _OUT, columns, _OUT, outputs), (_OUT * down, down, _OUT * across, across, 1), place.storage_offset())
    if bias is None:
        places.copy_(tiles)
    else:
        torch.add(tiles, bias, out=places)


class _Matrices:
    """What turns cells into points and back, for both directions of the picture at once: (36, 36), (36, 9), (16, 36)."""

    def __init__(self, before: NDArray[np.float64], kernel: NDArray[np.float64], after: NDArray[np.float64]) -> None:
        self.before, self.kernel, self.after = (torch.from_numpy(np.kron(each, each)).float() for each in (before, kernel, after))


@cache
def _matrices() -> _Matrices:
    return _Matrices(*toom_cook(_POINTS, _OUT, 3))


def toom_cook(points: Sequence[float], out: int, taps: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(before, kernel, after) of the one-dimensional filter: ``after @ ((before @ cells) * (kernel @ taps))`` are its ``out`` results.

    points: out + taps - 2 of them; infinity comes on top.
    """
    size = out + taps - 1
    before, kernel, after = np.zeros((size, size)), np.zeros((size, taps)), np.zeros((out, size))
    for row, point in enumerate(points):
        others = [each for each in points if each != point]
        scale = 2.0 ** np.round(np.log2(np.abs(np.poly(others)).sum()))         # a power of two changes no digits
        before[row, : size - 1] = np.poly(others)[::-1] / scale
        kernel[row] = point ** np.arange(taps) / np.prod([point - each for each in others]) * scale
        after[:, row] = point ** np.arange(out)
    before[-1], kernel[-1, -1], after[-1, -1] = np.poly(points)[::-1], 1.0, 1.0
    return before, kernel, after
