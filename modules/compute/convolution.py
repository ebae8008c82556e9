"""3x3 convolutions for processors, in float32 with channels last: by Winograd's tiles, or as one matrix product where the picture is small.

Source: Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks" (arXiv:1509.09308), F(4x4, 3x3): a quarter of the multiplications.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
_TILE_VALUES_OF_PARTS = 1 << 23                     # where the kernel is transformed again for each lot of tiles
_FEWEST_TILES = 32                                  # with fewer, transforming the kernel costs more than it saves
_FEWEST_CHANNELS = 16                               # a latent has four
_KERNEL_VALUES = 1 << 24                            # of the transformed kernel: 64 MB; a larger one is transformed in parts
_PART_VALUES = 1 << 22                              # of such a part


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
    """Memory for what lies between the steps, used again and again: fresh memory costs more than the arithmetic on it. Each thread has its own."""

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
            with torch.inference_mode(False):       # else the first use in that mode would forbid all later ones outside of it
                found = self._values[name] = torch.empty(count)
        return found[:count].view(shape)

    def clear(self) -> None:
        """Give it back, where other work follows that needs memory of its own."""
        self._values.clear()


@cache
def shared_scratch() -> Scratch:
    """That of all loaded models: they take turns."""
    return Scratch()


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
    out = torch.empty(len(x), kernel.shape[3], *x.shape[-2:], memory_format=torch.channels_last)
    pairs = zip(x.permute(0, 2, 3, 1), out.permute(0, 2, 3, 1))
    Tiles(kernel, scratch).fill([Piece(source=source, target=target, bias=bias) for source, target in pairs])
    return out


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A map to convolve, or some rows of one. source: (h', w', C); around it there are zeros. target: (h, w, O), what is filled.

    at: row and column of the source that lie on the target's first. bias: (O,). beside: (h, w, O), added to the result; it may be the target itself.
    """

    source: Tensor
    target: Tensor
    at: tuple[int, int] = (0, 0)
    bias: Tensor | None = None
    beside: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class _Block:
    """``rows`` x ``columns`` tiles of a piece, the first of them over the target's cell (``top``, ``left``)."""

    piece: Piece
    top: int
    left: int
    rows: int
    columns: int


class Tiles:
    """A 3x3 kernel (3, 3, C, O), ready for tile after tile. It is transformed once, or in parts where it is large; ``scratch`` is in use meanwhile."""

    def __init__(self, kernel: Tensor, scratch: Scratch) -> None:
        self._channels, self._outputs = kernel.shape[2:]
        self._kernel = kernel.view(9, -1)
        self._scratch = scratch
        fits = _IN * _IN * self._channels * self._outputs <= _KERNEL_VALUES
        self._whole = self._transformed(0, self._channels) if fits else None
        self._at_once = max(1, min(self._channels, _PART_VALUES // (_IN * _IN * self._outputs)))
        values = _TILE_VALUES if self._whole is not None else _TILE_VALUES_OF_PARTS
        self._tiles = max(_FEWEST_TILES, min(_TILES_AT_ONCE, values // (_IN * _IN * max(self._channels, self._outputs))))

    def fill(self, pieces: Sequence[Piece]) -> None:
        """Fill the targets of all ``pieces``; small ones go together, so that the products are large."""
        waiting: list[_Block] = []
        count = 0
        for block in (block for piece in pieces for block in self._blocks(piece)):
            tiles = block.rows * block.columns
            if count + tiles > self._tiles and waiting:
                self._fill(waiting, count)
                waiting, count = [], 0
            waiting.append(block)
            count += tiles
        if waiting:
            self._fill(waiting, count)

    def _blocks(self, piece: Piece) -> Iterator[_Block]:
        high, wide = (-(-side // _OUT) for side in piece.target.shape[:2])
        across = min(wide, self._tiles)
        down = max(1, min(high, self._tiles // across))
        for top in range(0, high, down):
            for left in range(0, wide, across):
                yield _Block(piece=piece, top=_OUT * top, left=_OUT * left, rows=min(down, high - top), columns=min(across, wide - left))

    def _fill(self, blocks: Sequence[_Block], count: int) -> None:
        scratch = self._scratch                     # each result lies where the one before the last was
        tiles = scratch.take("tiles", _IN, _IN, count, self._channels)
        for first, block in _counted(blocks):
            _cut_out(block, tiles[:, :, first : first + block.rows * block.columns], scratch)
        spread = torch.mm(_matrices().before, tiles.view(_IN * _IN, -1), out=scratch.take("spread", _IN * _IN, count * self._channels))
        products = self._products(spread.view(_IN * _IN, count, self._channels)).view(_IN * _IN, -1)
        found = torch.mm(_matrices().after, products, out=scratch.take("spread", _OUT * _OUT, products.shape[1]))
        found = found.view(_OUT, _OUT, count, self._outputs)
        for first, block in _counted(blocks):
            _put_back(block, found[:, :, first : first + block.rows * block.columns])

    def _products(self, spread: Tensor) -> Tensor:
        """(36, T, C) -> (36, T, O): at each of the points all tiles times the transformed kernel."""
        found = self._scratch.take("tiles", *spread.shape[:2], self._outputs)
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


def _counted(blocks: Sequence[_Block]) -> Iterator[tuple[int, _Block]]:
    """Each with the number of tiles before it."""
    first = 0
    for block in blocks:
        yield first, block
        first += block.rows * block.columns


def _cut_out(block: _Block, tiles: Tensor, scratch: Scratch) -> None:
    """Fill ``tiles`` (6, 6, rows * columns, C), cell by cell of overlapping tiles; outside of the source there are zeros."""
    source, (above, before) = block.piece.source, block.piece.at
    height, width, channels = source.shape
    top, left = above + block.top - 1, before + block.left - 1
    bottom, right = top + _OUT * block.rows + 2, left + _OUT * block.columns + 2
    if top >= 0 and left >= 0 and bottom <= height and right <= width:
        seen = source[top:bottom, left:right]
    else:
        seen = scratch.take("seen", bottom - top, right - left, channels).zero_()
        inner = source[max(top, 0) : bottom, max(left, 0) : right]
        y, x = max(-top, 0), max(-left, 0)
        seen[y : y + inner.shape[0], x : x + inner.shape[1]] = inner
    down, across = seen.stride()[:2]
    overlapping = seen.as_strided((_IN, _IN, block.rows, block.columns, channels), (down, across, _OUT * down, _OUT * across, 1), seen.storage_offset())
    tiles.unflatten(2, (block.rows, block.columns)).copy_(overlapping)


def _put_back(block: _Block, found: Tensor) -> None:
    """Tiles (4, 4, rows * columns, O) to their place, with what lies beside; what stands over the target's edge is cut off."""
    piece, rows, columns = block.piece, block.rows, block.columns
    more = piece.bias
    if piece.bias is not None and piece.beside is not None:
        found += piece.bias
    down, across = slice(block.top, block.top + _OUT * rows), slice(block.left, block.left + _OUT * columns)
    place, tiles = piece.target[down, across], found.unflatten(2, (rows, columns)).permute(2, 0, 3, 1, 4)
    if piece.beside is not None:
        more = piece.beside[down, across]
    if place.shape[:2] != (_OUT * rows, _OUT * columns):
        tiles = tiles.reshape(_OUT * rows, _OUT * columns, -1)[: place.shape[0], : place.shape[1]]
    else:
        place = _in_tiles(place, rows, columns)
        more = more if piece.beside is None or more is None else _in_tiles(more, rows, columns)
    if more is None:
        place.copy_(tiles)
    else:
        torch.add(tiles, more, out=place)


def _in_tiles(place: Tensor, rows: int, columns: int) -> Tensor:
    """(4 rows, 4 columns, O) seen as (rows, 4, columns, 4, O)."""
    down, across = place.stride()[:2]
    return place.as_strided((rows, _OUT, columns, _OUT, place.shape[2]), (_OUT * down, down, _OUT * across, across, 1), place.storage_offset())


class _Matrices:
    """What turns cells into points and back, for both directions of the picture at once: (36, 36), (36, 9), (16, 36)."""

    def __init__(self, before: NDArray[np.float64], kernel: NDArray[np.float64], after: NDArray[np.float64]) -> None:
        self.before, self.kernel, self.after = (torch.from_numpy(np.kron(each, each)).float() for each in (before, kernel, after))


@cache
def _matrices() -> _Matrices:
    with torch.inference_mode(False):               # they outlive whoever asks first
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
