"""What SDXL is told about the picture besides its prompt: sizes, crop and, for the refiner, how beautiful it shall be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from modules.engine.resolved import SamplingOptions
from modules.families.family import SizeValue

_WIDTH = 256            # values per number
_LONGEST_PERIOD = 10_000


def size_values(names: Sequence[SizeValue], size: tuple[int, int], options: SamplingOptions, *, negative: bool) -> tuple[float, ...]:
    """The numbers by name. size: (width, height) in pixels as asked for; what the model makes may be rounded down."""
    known: Mapping[SizeValue, float] = {
        "width": size[0],
        "height": size[1],
        "crop_top": options.sdxl_crop_top,
        "crop_left": options.sdxl_crop_left,
        "aesthetic_score": options.refiner_low_aesthetic_score if negative else options.refiner_high_aesthetic_score,
    }
    return tuple(float(known[name]) for name in names)


def embedded(values: Sequence[float]) -> Tensor:
    """(n * 256,) float32: the cosines, then the sines of each number, at frequencies from 1 down to 1/10000.

    Source: Podell et al. 2023, SDXL (arXiv:2307.01952), after Vaswani et al. 2017.
    """
    half = _WIDTH // 2
    frequencies = torch.exp(-math.log(_LONGEST_PERIOD) * torch.arange(half, dtype=torch.float32) / half)
    angles = torch.tensor(values, dtype=torch.float32)[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1).reshape(-1)
