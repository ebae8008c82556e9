"""CFG++ variants: the guided prediction says where to go, the unconditional one how the noise on the way looks.

Source: Chung et al. 2024 (arXiv:2406.08070). They want a guidance scale of about 1, not 7.
"""

from __future__ import annotations

import math

from torch import Tensor

from modules.engine.sampler_contract import Denoise, OnStep, StepInfo, StepNoise, Tuning, steps_of
from modules.engine.samplers_dpmpp import towards
from modules.engine.samplers_euler import ancestral_split, slope


def euler_cfgpp(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Euler along the unconditional slope."""
    for index, sigma, sigma_next in steps_of(sigmas):
        denoised, uncond = denoise.with_uncond(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x))
        x = denoised + slope(x, sigma, uncond) * sigma_next
    return x


def dpmpp_2m_cfgpp(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Second order from the last two predictions."""
    previous: Tensor | None = None
    h_before = 0.0
    for index, sigma, sigma_next in steps_of(sigmas):
        denoised, uncond = denoise.with_uncond(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x))
        if sigma_next == 0:
            return denoised
        h = math.log(sigma / sigma_next)
        x = denoised + (x - uncond) * math.exp(-h) + (0 if previous is None else (denoised - previous) * (-math.expm1(-h) * h / (2 * h_before)))
        previous, h_before = uncond, h
    return x


def dpmpp_2s_ancestral_cfgpp(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """A look at half the way in log sigma, with fresh noise after each step."""
    for index, sigma, sigma_next in steps_of(sigmas):
        denoised, uncond = denoise.with_uncond(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x))
        down, up = ancestral_split(sigma, sigma_next, tuning.eta)
        if down == 0:
            x = denoised
        else:
            middle = math.sqrt(sigma * down)
            shifted = x + (denoised - uncond)
            target = denoise(towards(shifted, denoised, sigma, middle), middle)
            x = towards(shifted, target, sigma, down)
        if sigma_next > 0:
            x = x + noise(sigma, sigma_next) * (tuning.s_noise * up)
    return x
