"""LCM, TCD and Restart: samplers that go back up in noise."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from modules.engine.sampler_contract import Denoise, OnStep, StepInfo, StepNoise, Tuning, steps_of
from modules.engine.samplers_euler import heun_step, slope

_RESTART_FROM, _RESTART_TO = 0.1, 2.0               # sigmas between which a restart goes back up
_KARRAS_RHO = 7.0


def lcm(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Jump to the prediction, noise it again to the next sigma. Source: Luo et al. 2023 (arXiv:2310.04378)."""
    for index, sigma, sigma_next in steps_of(sigmas):
        x = denoise(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=x, x=x))
        if sigma_next > 0:
            x = x + noise(sigma, sigma_next) * sigma_next
    return x


def restart(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Heun steps; with 20 steps or more, some of them are spent on going back from sigma 0.1 to 2 once or twice.

    Source: Xu et al. 2023, "Restart Sampling" (arXiv:2306.14878).
    """
    last: float | None = None
    for index, (sigma, sigma_next) in enumerate(_restart_steps(sigmas)):
        if last is not None and last < sigma:
            x = x + noise(last, sigma) * (tuning.s_noise * math.sqrt(sigma**2 - last**2))
        denoised = denoise(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x))
        x = heun_step(denoise, x, sigma, sigma_next, slope(x, sigma, denoised))
        last = sigma_next
    return x


def _restart_steps(sigmas: Tensor) -> list[tuple[float, float]]:
    """(sigma, next sigma) in order, the ways back included."""
    steps = len(sigmas) - 1
    if steps < 20:
        return list(pairwise(sigmas.tolist()))
    length, times = (steps // 4, 2) if steps >= 36 else (9, 1)
    levels = _karras(steps - length * times, float(sigmas[-2]), float(sigmas[0]))
    low = int(torch.argmin((levels - _RESTART_FROM).abs()))
    high = int(torch.argmin((levels - _RESTART_TO).abs()))
    way_back = _karras(length + 1, float(levels[low]), float(levels[high]))[:-1].tolist()
    plain = list(pairwise(levels.tolist()))
    return plain[:low] + list(pairwise(way_back)) * (times if high < low else 0) + plain[low:]


def _karras(count: int, low: float, high: float) -> Tensor:
    ramp = torch.linspace(0, 1, count)
    ends = low ** (1 / _KARRAS_RHO), high ** (1 / _KARRAS_RHO)
    return torch.cat([(ends[1] + ramp * (ends[0] - ends[1])) ** _KARRAS_RHO, torch.zeros(1)])


def tcd(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Step to an earlier timestep than asked, noise from there up to the asked one. For trajectory-consistency models.

    The paper's gamma, the share of the next timestep that is skipped and put back as noise, is eta x 0.3.
    Source: Zheng et al. 2024, "Trajectory Consistency Distillation" (arXiv:2402.19159), algorithm 4.
    """
    for index, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x))
        if sigma_next == 0:
            return denoised
        down = min(sigma_next, tuning.earlier(sigma_next, 1 - 0.3 * tuning.eta))
        x = denoised + slope(x, sigma, denoised) * down
        if down < sigma_next:
            x = x + noise(sigma, sigma_next) * (tuning.s_noise * math.sqrt(sigma_next**2 - down**2))
    return x
