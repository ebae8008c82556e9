"""3x3 convolutions for processors, in float32 with channels last: by Winograd's tiles, or as one matrix product where the picture is small.

Source: Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks" (arXiv:1509.09308), F(4x4, 3x3): a quarter of the multiplications.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from modules.compute.hands import shares
from modules.compute.products import Team, rows_product, team

_OUT, _IN = 4, 6                                    # cells of a tile's side: of the result, and of what it is made from
# Where the tiles' polynomials are evaluated, and infinity. These keep rounding errors near those of the plain sum; 0, 1, -1, 2, -2 quadruple them.
_POINTS = (0.0, 2 / 3, -2 / 3, 1.5, -1.5)
_TILES_AT_ONCE = 128
_TILE_VALUES = 1 << 21                              # of all tiles at once, 8 MB: so much stays in the processor's cache
_TILE_VALUES_OF_PARTS = 1 << 23                     # where the kernel is transformed again for each lot of tiles
_FEWEST_TILES = 32                                  # with fewer, transforming the kernel costs more than it saves
_FEWEST_TILES_OF_HAND = 48                          # with fewer, its products are too narrow
_FEWEST_CHANNELS = 16                               # a latent has four
_KERNEL_VALUES = 1 << 23                            # of the transformed kernel: 32 MB; a larger one is transformed in parts
_PART_VALUES = 1 << 22                              # of such a part
_PART_VALUES_OF_HAND = 1 << 20                      # where several hands have one at a time
_FREE_VALUES = 48                                   # 192 bytes, three lines of a cache: no row begins where a near one does


def convolved(x: Tensor, kernel: Tensor, bias: Tensor | None, scratch: Scratch) -> Tensor:
    """``x`` (B, C, h, w) under a 3x3 kernel with one cell of zeros around it -> (B, O, h, w), channels last.

    kernel: (3, 3, C, O), contiguous.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    height, width = x.shape[-2:]
    if x.shape[1] < _FEWEST_CHANNELS or len(x) * -(-height // _OUT) * -(-width // _OUT) < _FEWEST_TILES:
        return _by_columns(x, kernel, bias)
    return _by_tiles(x, kernel, bias, scratch)


class Scratch:
    """Memory for what lies between the steps, used again and again: fresh memory costs more than the arithmetic on it. One thread's at a time."""

    def __init__(self) -> None:
        self._values: dict[str, Tensor] = {}
        self._of_hands: dict[int, Scratch] = {}

    def of_hand(self, number: int) -> Scratch:
        """What the hand of that number works in; it goes with this one."""
        return self._of_hands.setdefault(number, Scratch())

    def take(self, name: str, *shape: int) -> Tensor:
        """A tensor of ``shape`` that holds anything, until the next one of that ``name``."""
        count = math.prod(shape)
        found = self._values.get(name)
        if found is None or found.numel() < count:
            found = None
            self._values.pop(name, None)            # before there is another one
            with torch.inference_mode(False):       # else the first use in that mode would forbid all later ones outside of it
                found = self._values[name] = torch.empty(count)
        return found[:count].view(shape)

    def take_rows(self, name: str, rows: int, *shape: int) -> Tensor:
        """(rows, *shape). Where rows lie a multiple of 4 KB apart, all their beginnings compete for the same few places of the cache: some values are left free between them."""
        width = math.prod(shape)
        return self.take(name, rows, width + _FREE_VALUES)[:, :width].unflatten(1, shape)

    def clear(self) -> None:
        """Give it back, where other work follows that needs memory of its own."""
        self._values.clear()
        self._of_hands.clear()


def thread_scratch() -> Scratch:
    """That of all loaded models in this thread: they take turns."""
    mine = _thread_memory()
    if not hasattr(mine, "scratch"):
        mine.scratch = Scratch()
    return mine.scratch


@cache
def _thread_memory() -> threading.local:
    return threading.local()


def _by_columns(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """What lies under the kernel, for each cell a row: one matrix product with the kernel as it is stored."""
    batch, channels, height, width = x.shape
    padded = nn.functional.pad(x, (1, 1, 1, 1)).contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
    down, across = padded.stride()[1:3]
    seen = padded.as_strided((batch, height, width, 3, 3, channels), (padded.stride(0), down, across, down, across, 1))
    rows, matrix = seen.reshape(-1, 9 * channels), kernel.view(9 * channels, -1)
    found = rows_product(rows, matrix, bias)
    return found.view(batch, height, width, -1).permute(0, 3, 1, 2)


def _by_tiles(x: Tensor, kernel: Tensor, bias: Tensor | None, scratch: Scratch) -> Tensor:
    out = torch.empty(len(x), kernel.shape[3], *x.shape[-2:], memory_format=torch.channels_last)
    pairs = zip(x.permute(0, 2, 3, 1), out.permute(0, 2, 3, 1))
    Tiles(kernel, scratch, team(x[:, 0].numel() * kernel.numel())).fill([Piece(source=source, target=target, bias=bias) for source, target in pairs])
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

    @property
    def tiles(self) -> int:
        return self.rows * self.columns


class Tiles:
    """A 3x3 kernel (3, 3, C, O), to convolve tile after tile; ``scratch`` is in use meanwhile.

    Where there are many tiles, the kernel is transformed once, and each hand computes its own tiles. Where there are few, or the kernel is too large
    for that, each hand spreads its own channels, and then transforms and multiplies the kernel of its own outputs, part by part.
    """

    def __init__(self, kernel: Tensor, scratch: Scratch, team: Team) -> None:
        self._channels, self._outputs = kernel.shape[2:]
        self._kernel = kernel.view(9, self._channels, self._outputs)
        self._scratch = scratch
        self._team = team
        self._fits = _IN * _IN * self._channels * self._outputs <= _KERNEL_VALUES
        self._whole: Tensor | None = None
        values = _TILE_VALUES if self._fits else _TILE_VALUES_OF_PARTS
        self._tiles = max(_FEWEST_TILES, min(_TILES_AT_ONCE, values // (_IN * _IN * max(self._channels, self._outputs))))

    def fill(self, pieces: Sequence[Piece]) -> None:
        """Fill the targets of all ``pieces``; small ones go together, so that the products are large."""
        tiles = sum(_tiles(piece) for piece in pieces)
        share = -(-tiles // self._team.count)
        if not self._fits or share < _FEWEST_TILES_OF_HAND:
            for lot in self._lots(pieces, self._tiles):
                self._fill_together(lot)
            return
        lots = self._lots(pieces, min(self._tiles, share))
        self.prepare()
        waiting = iter(lots)                        # who is ready takes the next one
        self._team.do([partial(self._fill_alone, waiting, self._scratch.of_hand(number)) for number in range(self._team.count)])

    def fill_alone(self, pieces: Sequence[Piece], scratch: Scratch) -> None:
        """As ``fill``, within one hand, which owns ``scratch``; the kernel was prepared."""
        self._fill_alone(self._lots(pieces, self._tiles), scratch)

    def prepare(self) -> None:
        """Transform the whole kernel."""
        if self._whole is None:
            whole = self._scratch.take_rows("whole", _IN * _IN, self._channels, self._outputs)

            def transform(first: int, last: int) -> None:
                self._team.product(_matrices().kernel, self._kernel[:, first:last].flatten(1), whole[:, first:last].flatten(1))

            self._team.do([partial(transform, first, last) for first, last in shares(self._channels, self._team.count)])
            self._whole = whole

    def _shares(self, count: int) -> Iterator[tuple[tuple[int, int], Scratch]]:
        """What each hand does of ``count`` things, and its memory."""
        for number, share in enumerate(shares(count, self._team.count)):
            yield share, self._scratch.of_hand(number)

    def _lots(self, pieces: Sequence[Piece], at_once: int) -> list[list[_Block]]:
        """What is computed together, up to ``at_once`` tiles."""
        lots: list[list[_Block]] = []
        count = at_once
        for block in (block for piece in pieces for block in _blocks(piece, at_once)):
            if count + block.tiles > at_once:
                lots.append([])
                count = 0
            lots[-1].append(block)
            count += block.tiles
        return lots

    def _fill_alone(self, lots: Iterable[Sequence[_Block]], scratch: Scratch) -> None:
        assert self._whole is not None
        for blocks in lots:
            spread = self._spread(blocks, (0, self._channels), scratch)
            products = self._team.product(spread, self._whole, scratch.take("tiles", *spread.shape[:2], self._outputs))
            self._gather(blocks, products, (0, self._outputs), scratch.take_rows("spread", _OUT * _OUT, *products.shape[1:]))

    def _fill_together(self, blocks: Sequence[_Block]) -> None:
        spreads: dict[tuple[int, int], Tensor] = {}

        def spread(channels: tuple[int, int], scratch: Scratch) -> None:
            spreads[channels] = self._spread(blocks, channels, scratch)

        def multiply(outputs: tuple[int, int], scratch: Scratch) -> None:
            products = self._products(spreads, outputs, scratch)
            self._gather(blocks, products, outputs, scratch.take_rows("kernel", _OUT * _OUT, *products.shape[1:]))

        self._team.do([partial(spread, channels, scratch) for channels, scratch in self._shares(self._channels)])
        self._team.do([partial(multiply, outputs, scratch) for outputs, scratch in self._shares(self._outputs)])

    def _products(self, spreads: Mapping[tuple[int, int], Tensor], outputs: tuple[int, int], scratch: Scratch) -> Tensor:
        """(36, T, O): at each of the points all tiles times the transformed kernel of these ``outputs``. spreads: (36, T, C) by channels."""
        width = outputs[1] - outputs[0]
        values = _PART_VALUES if self._team.count == 1 else _PART_VALUES_OF_HAND
        at_once = max(1, values // (_IN * _IN * width))
        found: Tensor | None = None
        for (start, end), spread in sorted(spreads.items()):
            for first in range(start, end, at_once):
                last = min(first + at_once, end)
                points, kernel = spread[:, :, first - start : last - start], self._transformed((first, last), outputs, scratch)
                if found is None:
                    found = self._team.product(points, kernel, scratch.take("tiles", _IN * _IN, spread.shape[1], width))
                else:
                    self._team.add_product(points, kernel, found, scratch.take("added", *found.shape))
        assert found is not None
        return found

    def _transformed(self, channels: tuple[int, int], outputs: tuple[int, int], scratch: Scratch) -> Tensor:
        """(36, C, O): the kernel of these channels and outputs."""
        part = self._kernel[:, slice(*channels), slice(*outputs)]
        if part.shape[2] < self._outputs:           # then it lies in pieces
            part = scratch.take("part", *part.shape).copy_(part)
        memory = scratch.take_rows("kernel", _IN * _IN, *part.shape[1:])
        self._team.product(_matrices().kernel, part.flatten(1), memory.flatten(1))
        return memory

    def _spread(self, blocks: Sequence[_Block], channels: tuple[int, int], scratch: Scratch) -> Tensor:
        """(36, T, C): at each of the points the values of all tiles, of these ``channels`` only."""
        count, width = sum(block.tiles for block in blocks), channels[1] - channels[0]
        tiles = scratch.take_rows("tiles", _IN * _IN, count, width)
        for first, block in _counted(blocks):
            _cut_out(block, channels, tiles[:, first : first + block.tiles], scratch)
        spread = scratch.take_rows("spread", _IN * _IN, count, width)
        self._team.product(_matrices().before, tiles.flatten(1), spread.flatten(1))
        return spread

    def _gather(self, blocks: Sequence[_Block], products: Tensor, outputs: tuple[int, int], found: Tensor) -> None:
        """Put ``products`` (36, T, O) of these ``outputs`` to their places in the targets. found: memory for (16, T, O)."""
        self._team.product(_matrices().after, products.flatten(1), found.flatten(1))
        for first, block in _counted(blocks):
            _put_back(block, outputs, found[:, first : first + block.tiles])


def _tiles(piece: Piece) -> int:
    return math.prod(-(-side // _OUT) for side in piece.target.shape[:2])


def _blocks(piece: Piece, at_once: int) -> Iterator[_Block]:
    high, wide = (-(-side // _OUT) for side in piece.target.shape[:2])
    across = min(wide, at_once)
    down = max(1, min(high, at_once // across))
    for top in range(0, high, down):
        for left in range(0, wide, across):
            yield _Block(piece=piece, top=_OUT * top, left=_OUT * left, rows=min(down, high - top), columns=min(across, wide - left))


def _counted(blocks: Sequence[_Block]) -> Iterator[tuple[int, _Block]]:
    """Each with the number of tiles before it."""
    first = 0
    for block in blocks:
        yield first, block
        first += block.tiles


def _cut_out(block: _Block, channels: tuple[int, int], tiles: Tensor, scratch: Scratch) -> None:
    """Fill ``tiles`` (36, rows * columns, C), cell by cell of overlapping tiles; outside of the source there are zeros."""
    source, (above, before) = block.piece.source[:, :, slice(*channels)], block.piece.at
    height, width, count = source.shape
    top, left = above + block.top - 1, before + block.left - 1
    bottom, right = top + _OUT * block.rows + 2, left + _OUT * block.columns + 2
    if top >= 0 and left >= 0 and bottom <= height and right <= width:
        seen = source[top:bottom, left:right]
    else:
        seen = scratch.take("seen", bottom - top, right - left, count).zero_()
        inner = source[max(top, 0) : bottom, max(left, 0) : right]
        y, x = max(-top, 0), max(-left, 0)
        seen[y : y + inner.shape[0], x : x + inner.shape[1]] = inner
    down, across = seen.stride()[:2]
    overlapping = seen.as_strided((_IN, _IN, block.rows, block.columns, count), (down, across, _OUT * down, _OUT * across, 1), seen.storage_offset())
    tiles.unflatten(1, (block.rows, block.columns)).unflatten(0, (_IN, _IN)).copy_(overlapping)


def _put_back(block: _Block, outputs: tuple[int, int], found: Tensor) -> None:
    """Tiles (16, rows * columns, O) to their place, with what lies beside; what stands over the target's edge is cut off."""
    piece, rows, columns, mine = block.piece, block.rows, block.columns, slice(*outputs)
    more = bias = None if piece.bias is None else piece.bias[mine]
    if bias is not None and piece.beside is not None:
        found += bias
    down, across = slice(block.top, block.top + _OUT * rows), slice(block.left, block.left + _OUT * columns)
    place, tiles = piece.target[down, across, mine], found.unflatten(1, (rows, columns)).unflatten(0, (_OUT, _OUT)).permute(2, 0, 3, 1, 4)
    if piece.beside is not None:
        more = piece.beside[down, across, mine]
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
