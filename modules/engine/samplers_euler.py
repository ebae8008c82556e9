"""Euler, Euler a, Heun and LMS: straight steps in sigma, and how the past or a second look bends them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from modules.engine.sampler_contract import Denoise, OnStep, StepInfo, StepNoise, Tuning, steps_of

_LMS_ORDER = 4


def slope(x: Tensor, sigma: float, denoised: Tensor) -> Tensor:
    """dx / dsigma of the probability flow; equals the predicted noise."""
    return (x - denoised) / sigma


def ancestral_split(sigma: float, sigma_next: float, eta: float) -> tuple[float, float]:
    """(sigma to step down to, sigma of the noise to add) so that the two make sigma_next."""
    if not eta:
        return sigma_next, 0.0
    up = min(sigma_next, eta * math.sqrt(max(sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2, 0.0)))
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
    """Source: Karras et al. 2022 (arXiv:2206.00364), algorithm 2 without the second order."""
    for index, sigma, sigma_next in steps_of(sigmas):
        x, raised = churned(x, sigma, len(sigmas) - 1, noise, tuning)
        denoised = denoise(x, raised)
        direction = slope(x, raised, denoised)      # before listeners change x, as in k-diffusion
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x, sigma_hat=raised))
        x = x + direction * (sigma_next - raised)
    return x


def euler_ancestral(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Euler steps that go below the next sigma and add noise up to it."""
    for index, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x))
        down, up = ancestral_split(sigma, sigma_next, tuning.eta)
        x = x + slope(x, sigma, denoised) * (down - sigma)
        if up > 0:
            x = x + noise(sigma, sigma_next) * (tuning.s_noise * up)
    return x


def heun(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Euler's step, then the mean of the slopes at both its ends. Source: Karras et al. 2022, algorithm 2."""
    for index, sigma, sigma_next in steps_of(sigmas):
        x, raised = churned(x, sigma, len(sigmas) - 1, noise, tuning)
        denoised = denoise(x, raised)
        direction = slope(x, raised, denoised)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x, sigma_hat=raised))
        x = heun_step(denoise, x, raised, sigma_next, direction)
    return x


def heun_step(denoise: Denoise, x: Tensor, sigma: float, sigma_next: float, first: Tensor) -> Tensor:
    """From sigma to sigma_next by Heun's rule, ``first`` being the slope at x; by Euler's where sigma_next is 0 and the second is not defined."""
    there = x + first * (sigma_next - sigma)
    if sigma_next == 0:
        return there
    second = slope(there, sigma_next, denoise(there, sigma_next))
    return x + (first + second) * (0.5 * (sigma_next - sigma))


def lms(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Linear multistep: the polynomial through the last four slopes, integrated over the step."""
    slopes: list[Tensor] = []                       # newest first
    levels: list[float] = sigmas.tolist()
    for index, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        slopes = [slope(x, sigma, denoised), *slopes[: _LMS_ORDER - 1]]
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x))
        weights = lagrange_integrals([levels[index - back] for back in range(len(slopes))], sigma, sigma_next)
        for weight, each in zip(weights, slopes):
            x = x + each * weight
    return x


def lagrange_integrals(places: Sequence[float], start: float, end: float) -> list[float]:
    """For values known at ``places``: the weight of each in the integral of their polynomial from ``start`` to ``end``."""
    weights = []
    for number, place in enumerate(places):
        others = [each for other, each in enumerate(places) if other != number]
        antiderivative = np.polyint(np.atleast_1d(np.poly(others)) / math.prod(place - each for each in others))
        weights.append(float(np.polyval(antiderivative, end) - np.polyval(antiderivative, start)))
    return weights
