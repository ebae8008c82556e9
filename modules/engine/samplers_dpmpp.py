"""DPM-Solver++ of orders two and three, deterministic and stochastic, in log sigma.

Source: Lu et al. 2022, "DPM-Solver++" (arXiv:2211.01095).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from modules.engine.sampler_contract import Denoise, OnStep, StepInfo, StepNoise, Tuning


def dpmpp_2m(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Second order from the last two predictions: one model call per step."""
    levels: Sequence[float] = sigmas.tolist()
    previous: Tensor | None = None
    previous_width = 0.0
    for index, (sigma, sigma_next) in enumerate(pairwise(levels)):
        denoised = denoise(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised))
        if sigma_next == 0:
            x = denoised
            break
        width = math.log(sigma / sigma_next)
        target = denoised
        if previous is not None:
            lead = width / (2 * previous_width)
            target = denoised * (1 + lead) - previous * lead
        x = x * (sigma_next / sigma) - target * math.expm1(-width)
        previous, previous_width = denoised, width
    return x
