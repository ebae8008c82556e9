"""3x3 convolutions of large pictures, band by band: a band is normed, activated and convolved while it is in the processor's cache.

The results are those of whole pictures; what lies between them is never in memory as a whole. Maps are (h, w, C), float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from modules.compute.convolution import Piece, Scratch, Tiles
from modules.compute.products import team

_BAND_VALUES = 1 << 21                              # 8 MB: of a band with all its channels
_LOOK_VALUES = 1 << 18                              # of the rows that are averaged at once
_TILE = 4                                           # rows of a convolution's tile


class Source(Protocol):
    """What is convolved: a map that is made band by band."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(h, w, C)."""
        ...

    def write(self, first: int, last: int, into: Tensor) -> None:
        """Its rows from ``first`` to before ``last``; into: (last - first, w, C)."""
        ...


@dataclass(frozen=True)
class Activated:
    """SiLU of ``map`` times ``scale`` plus ``shift``, both (C,)."""

    map: Tensor
    scale: Tensor
    shift: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        height, width, channels = self.map.shape
        return height, width, channels

    def write(self, first: int, last: int, into: Tensor) -> None:
        silu(torch.addcmul(self.shift, self.map[first:last], self.scale, out=into), inplace=True)


@dataclass(frozen=True)
class Doubled:
    """``map`` with each cell four times."""

    map: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        height, width, channels = self.map.shape
        return 2 * height, 2 * width, channels

    def write(self, first: int, last: int, into: Tensor) -> None:
        pairs = into.unflatten(1, (-1, 2))
        for skipped in (0, 1):
            rows = pairs[skipped::2]
            begin = (first + skipped) // 2
            rows.copy_(self.map[begin : begin + len(rows), :, None])


def normed(map: Tensor, norm: nn.GroupNorm, scratch: Scratch) -> Activated:
    """``map`` under ``norm`` and SiLU; the averages are taken here, the rest when it is asked for."""
    mean, variance = _statistics(map.reshape(-1, map.shape[-1]), norm.num_groups, scratch)
    scale = (variance + norm.eps).rsqrt().repeat_interleave(map.shape[-1] // norm.num_groups)
    scale = scale * norm.weight.double()
    shift = norm.bias.double() - mean.repeat_interleave(map.shape[-1] // norm.num_groups) * scale
    return Activated(map, scale.float(), shift.float())


def _statistics(cells: Tensor, groups: int, scratch: Scratch) -> tuple[Tensor, Tensor]:
    """Mean and variance of each group, float64. cells: (N, C). Source: Chan, Golub & LeVeque 1983, for what is averaged part by part."""
    count, channels = cells.shape
    at_once = max(1, _LOOK_VALUES // channels)
    means, squares, sizes = [], [], []
    for rows in cells.split(at_once):
        mean = rows.mean(0)
        apart = torch.sub(rows, mean, out=scratch.take("apart", *rows.shape))
        means.append(mean)
        squares.append(apart.square_().sum(0))
        sizes.append(len(rows))
    weights = torch.tensor(sizes, dtype=torch.float64)[:, None, None]
    mean_of_each = torch.stack(means).double().unflatten(1, (groups, -1))           # (parts, groups, channels of a group)
    values = count * (channels // groups)
    mean = (mean_of_each * weights).sum((0, 2)) / values
    between = ((mean_of_each - mean[:, None]).square() * weights).sum((0, 2))
    within = torch.stack(squares).double().unflatten(1, (groups, -1)).sum((0, 2))
    return mean, (within + between) / values


def convolve(layer: nn.Conv2d, source: Source, target: Tensor, scratch: Scratch, *, beside: Tensor | None = None) -> None:
    """Fill ``target`` (h, w, O) with ``source`` under a 3x3 convolution with zeros around.

    beside: added to the result; it may be the target itself.
    """
    height, width, channels = source.shape
    hands = team(height * width * layer.weight.numel())
    tiles = Tiles(layer.weight.permute(2, 3, 1, 0).contiguous(), scratch, hands)
    tiles.prepare()
    across = -(-width // _TILE) * _TILE + 2
    fitting, share = _BAND_VALUES // (across * channels) // _TILE * _TILE, -(-height // hands.count // _TILE) * _TILE
    rows = min(max(_TILE, fitting), share)
    tops = iter(range(0, height, rows))                 # who is ready takes the next one

    def work(own: Scratch) -> None:
        for top in tops:
            band = target[top : top + rows]
            seen = _padded(source, top, len(band), across, own)
            tiles.fill_alone([Piece(source=seen, target=band, at=(1, 1), bias=layer.bias, beside=None if beside is None else beside[top : top + rows])], own)

    hands.do([partial(work, scratch.of_hand(number)) for number in range(hands.count)])


def convolve_plainly(layer: nn.Conv2d, source: Source, scratch: Scratch) -> Tensor:
    """(1, O, h, w): through a 3x3 convolution of few outputs, in PyTorch's own way."""
    height, width, channels = source.shape
    out = torch.empty(1, layer.out_channels, height, width)
    rows = max(_TILE, _BAND_VALUES // (width * channels))
    for top in range(0, height, rows):
        count = min(rows, height - top)
        seen = _padded(source, top, count, width + 2, scratch)[: count + 2]
        out[:, :, top : top + count] = nn.functional.conv2d(seen.permute(2, 0, 1)[None], layer.weight, layer.bias)
    return out


def halve(layer: nn.Conv2d, map: Tensor, scratch: Scratch) -> Tensor:
    """(1, O, h / 2, w / 2), channels last: ``map`` through a 3x3 convolution of every second cell, with zeros below and to the right of it."""
    height, width, channels = map.shape
    out = torch.empty((1, layer.out_channels, height // 2, width // 2), memory_format=torch.channels_last)
    rows = max(1, _BAND_VALUES // (2 * width * channels))
    for top in range(0, height // 2, rows):
        count = min(rows, height // 2 - top)
        seen = scratch.take("band", 2 * count + 1, width + 1, channels)
        there = min(2 * count + 1, height - 2 * top)
        seen[:there, :width] = map[2 * top : 2 * top + there]
        seen[there:].zero_()
        seen[:, width:].zero_()
        out[:, :, top : top + count] = nn.functional.conv2d(seen.permute(2, 0, 1)[None], layer.weight, layer.bias, stride=2)
    return out


def _padded(source: Source, top: int, count: int, across: int, scratch: Scratch) -> Tensor:
    """``count`` rows from ``top`` on with what lies around them, zeros outside of the map; as many as whole tiles need."""
    height, width, channels = source.shape
    seen = scratch.take("band", -(-count // _TILE) * _TILE + 2, across, channels)
    first, last = max(top - 1, 0), min(top + count + 1, height)
    begin = first - top + 1
    end = begin + last - first
    seen[:begin].zero_()
    seen[end:].zero_()
    seen[begin:end, 0].zero_()
    seen[begin:end, width + 1 :].zero_()
    source.write(first, last, seen[begin:end, 1 : width + 1])
    return seen
