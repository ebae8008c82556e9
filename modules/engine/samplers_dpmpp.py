"""DPM-Solver++ of orders two and three, deterministic and stochastic: exact in log sigma but for the prediction's change.

Source: Lu et al. 2022, "DPM-Solver++" (arXiv:2211.01095). All steps are written in h = log(sigma / sigma_next).
"""

from __future__ import annotations

import math

from torch import Tensor

from modules.engine.sampler_contract import Denoise, OnStep, StepInfo, StepNoise, Tuning, steps_of
from modules.engine.samplers_euler import ancestral_split


def towards(x: Tensor, target: Tensor, sigma: float, sigma_next: float) -> Tensor:
    """The exact step from sigma to sigma_next if the prediction stayed ``target`` all the way."""
    return x * (sigma_next / sigma) + target * (1 - sigma_next / sigma)


def dpmpp_2m(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Second order from the last two predictions: one model call per step."""
    previous: Tensor | None = None
    h_before = 0.0
    for index, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x))
        if sigma_next == 0:
            return denoised
        h = math.log(sigma / sigma_next)
        target = denoised
        if previous is not None and h_before > 0:
            target = denoised + (denoised - previous) * (h / (2 * h_before))
        x = towards(x, target, sigma, sigma_next)
        previous, h_before = denoised, h
    return x


def dpmpp_2s_ancestral(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Second order by a look at half the way in log sigma, with fresh noise after each step."""
    for index, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x))
        down, up = ancestral_split(sigma, sigma_next, tuning.eta)
        if down == 0:
            x = denoised
        else:
            middle = math.sqrt(sigma * down)
            x = towards(x, denoise(towards(x, denoised, sigma, middle), middle), sigma, down)
        if sigma_next > 0:
            x = x + noise(sigma, sigma_next) * (tuning.s_noise * up)
    return x


def dpmpp_sde(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """The stochastic single-step solver: noise from the Brownian path on the way to the middle and to the end."""
    for index, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x))
        if sigma_next == 0:
            x = denoised
            continue
        begin, middle, end = _through_the_middle(sigmas[index], sigmas[index + 1])
        down, up = ancestral_split(sigma, middle, tuning.eta)
        there = towards(x, denoised, sigma, down) + noise(begin, middle) * (tuning.s_noise * up)
        target = denoise(there, middle)
        down, up = ancestral_split(sigma, sigma_next, tuning.eta)
        x = towards(x, target, sigma, down) + noise(begin, end) * (tuning.s_noise * up)
    return x


def _through_the_middle(sigma: Tensor, sigma_next: Tensor) -> tuple[float, float, float]:
    """Both sigmas and their geometric mean, by way of their logarithms in float32.

    The Brownian path is so rough that the last digit of a sigma shows in the picture; these are A1111's digits.
    """
    start, end = sigma.log().neg(), sigma_next.log().neg()
    middle = start + (end - start) * 0.5
    return float(start.neg().exp()), float(middle.neg().exp()), float(end.neg().exp())


def dpmpp_2m_sde(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """The stochastic two-step solver; the prediction's change is added by the midpoint rule."""
    return _two_step_sde(denoise, x, sigmas, noise=noise, on_step=on_step, tuning=tuning, by_heun=False)


def dpmpp_2m_sde_heun(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """The stochastic two-step solver; the prediction's change is added by Heun's rule."""
    return _two_step_sde(denoise, x, sigmas, noise=noise, on_step=on_step, tuning=tuning, by_heun=True)


def _two_step_sde(
    denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning, by_heun: bool
) -> Tensor:
    previous: Tensor | None = None
    h_before = 0.0
    for index, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x))
        if sigma_next == 0:
            return denoised
        h = math.log(sigma / sigma_next)
        whole = h * (1 + tuning.eta)
        change = denoised * -math.expm1(-whole)
        if previous is not None and h_before > 0:
            share = 1 - -math.expm1(-whole) / whole if by_heun else 0.5 * -math.expm1(-whole)
            change = change + (denoised - previous) * (share * h / h_before)
        x = x * math.exp(-whole) + change
        x = _with_sde_noise(x, sigma, sigma_next, h, noise, tuning)
        previous, h_before = denoised, h
    return x


def _with_sde_noise(x: Tensor, sigma: float, sigma_next: float, h: float, noise: StepNoise, tuning: Tuning) -> Tensor:
    if not tuning.eta:
        return x
    return x + noise(sigma, sigma_next) * (sigma_next * math.sqrt(-math.expm1(-2 * tuning.eta * h)) * tuning.s_noise)


def dpmpp_3m_sde(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """The stochastic three-step solver: first and second differences of the last three predictions."""
    past: list[tuple[Tensor, float]] = []           # (prediction, h of the step after it), newest first
    for index, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x))
        if sigma_next == 0:
            return denoised
        h = math.log(sigma / sigma_next)
        whole = h * (1 + tuning.eta)
        x = x * math.exp(-whole) + denoised * -math.expm1(-whole)
        if past:
            x = x + _multistep_change(denoised, past, h, whole)
        x = _with_sde_noise(x, sigma, sigma_next, h, noise, tuning)
        past = [(denoised, h), *past[:1]]
    return x


def _multistep_change(denoised: Tensor, past: list[tuple[Tensor, float]], h: float, whole: float) -> Tensor:
    """What the first (and, with two predictions behind us, the second) derivative adds over the step."""
    phi_2 = math.expm1(-whole) / whole + 1
    (before, h_1) = past[0]
    first = (denoised - before) * (h / h_1)
    if len(past) == 1:
        return first * phi_2
    (earlier, h_2) = past[1]
    ratio_1, ratio_2 = h_1 / h, h_2 / h
    earlier_first = (before - earlier) / ratio_2
    second = (first - earlier_first) / (ratio_1 + ratio_2)
    phi_3 = phi_2 / whole - 0.5
    return (first + second * ratio_1) * phi_2 - second * phi_3
