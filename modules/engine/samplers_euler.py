"""Euler, Euler a, Heun and LMS: the samplers of first and second order in sigma itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from modules.engine.sampler_contract import Denoise, OnStep, StepInfo, StepNoise, Tuning


def slope(x: Tensor, sigma: float, denoised: Tensor) -> Tensor:
    """dx / dsigma of the probability flow; equals the predicted noise."""
    return (x - denoised) / sigma


def ancestral_split(sigma: float, sigma_next: float, eta: float) -> tuple[float, float]:
    """(sigma to step down to, sigma of the noise to add) so that the two make sigma_next."""
    if not eta:
        return sigma_next, 0.0
    up = min(sigma_next, eta * math.sqrt(sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2))
    return math.sqrt(sigma_next**2 - up**2), up


def churned(x: Tensor, sigma: float, steps: int, noise: StepNoise, tuning: Tuning) -> tuple[Tensor, float]:
    """Raise x to a higher sigma by fresh noise, where the tuning asks for it. Source: Karras et al. 2022, algorithm 2."""
    if not tuning.s_churn > 0:
        return x, sigma
    raised = sigma * (1 + min(tuning.s_churn / steps, math.sqrt(2) - 1))
    fresh = noise(sigma, raised)                    # drawn outside of the range too, so that the stream does not depend on it
    if not tuning.s_tmin <= sigma <= tuning.s_tmax:
        return x, sigma
    return x + fresh * (tuning.s_noise * math.sqrt(raised**2 - sigma**2)), raised


def euler(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Euler steps. Source: Karras et al. 2022, algorithm 2 without the second order."""
    levels: Sequence[float] = sigmas.tolist()
    for index, (sigma, sigma_next) in enumerate(pairwise(levels)):
        x, raised = churned(x, sigma, len(levels) - 1, noise, tuning)
        denoised = denoise(x, raised)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised))
        x = x + slope(x, raised, denoised) * (sigma_next - raised)
    return x


def euler_ancestral(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Euler steps that go below the next sigma and add noise up to it."""
    levels: Sequence[float] = sigmas.tolist()
    for index, (sigma, sigma_next) in enumerate(pairwise(levels)):
        denoised = denoise(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised))
        down, up = ancestral_split(sigma, sigma_next, tuning.eta)
        x = x + slope(x, sigma, denoised) * (down - sigma)
        if sigma_next > 0:
            x = x + noise(sigma, sigma_next) * (tuning.s_noise * up)
    return x
