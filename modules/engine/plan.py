"""A request -> what each image of each batch will be made from: seeds fixed, sizes in whole latent cells."""

from __future__ import annotations

import random

from modules.engine.hooks import BatchPlan, ImagePlan
from modules.engine.resolved import RANDOM_SEED, ResolvedRequest
from modules.schema.errors import InvalidValue

LATENT_CELL = 8                                     # pixels
_SEED_END = 4294967294                              # A1111 draws from 0 up to this


def make_plans(request: ResolvedRequest) -> tuple[BatchPlan, ...]:
    """Image i has seed + i; with a variation the seed stays and the variation seed counts up, as in A1111."""
    seed, variation = fixed_seed(request.seed), fixed_seed(request.variation_seed)
    images = [
        ImagePlan(
            index=index,
            seed=seed + (0 if request.variation_strength else index),
            variation_seed=variation + index,
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            hires_prompt=request.hires.prompt or request.prompt,
            hires_negative_prompt=request.hires.negative_prompt or request.negative_prompt,
        )
        for index in range(request.batch_size * request.batch_count)
    ]
    size = request.batch_size
    return tuple(BatchPlan(index=number, images=tuple(images[number * size : (number + 1) * size])) for number in range(request.batch_count))


def fixed_seed(seed: int) -> int:
    """``seed``, or a random one for -1."""
    return random.randrange(_SEED_END) if seed == RANDOM_SEED else seed


def latent_size(width: int, height: int) -> tuple[int, int]:
    """Pixels -> latent cells (h, w), rounded down. Raises InvalidValue below one cell."""
    for name, pixels in (("width", width), ("height", height)):
        if pixels < LATENT_CELL:
            raise InvalidValue(f"The {name} is {pixels} pixels; the smallest picture has {LATENT_CELL}.", f"Ask for a larger {name}.", field=name)
    return height // LATENT_CELL, width // LATENT_CELL
