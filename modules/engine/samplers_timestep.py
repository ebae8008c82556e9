"""DDIM, DDIM CFG++, PLMS and UniPC, written in sigma like all others.

They were published for latents scaled to unit variance and step over the training timesteps; the pass builds that grid
of sigmas, ending above 0, and scales the latents at both ends.
"""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from modules.engine.sampler_contract import Denoise, OnStep, StepInfo, StepNoise, Tuning, steps_of
from modules.engine.samplers_euler import ancestral_split, euler_ancestral, slope

ddim = euler_ancestral
"""In sigma, DDIM with eta is Euler's ancestral step. Source: Song et al. 2020 (arXiv:2010.02502), equation 12."""


def ddim_cfgpp(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """The guided prediction, noised again along the unconditional one. Source: Chung et al. 2024, "CFG++" (arXiv:2406.08070)."""
    for index, sigma, sigma_next in steps_of(sigmas):
        denoised, uncond = denoise.with_uncond(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x))
        down, up = ancestral_split(sigma, sigma_next, tuning.eta)
        x = denoised + slope(x, sigma, uncond) * down
        if up > 0:
            x = x + noise(sigma, sigma_next) * (tuning.s_noise * up)
    return x


_ADAMS_BASHFORTH = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))


def plms(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Adams-Bashforth on the last four noise predictions; the first step looks twice. Source: Liu et al. 2022 (arXiv:2202.09778)."""
    past: list[Tensor] = []                         # newest first
    for index, sigma, sigma_next in steps_of(sigmas):
        eps = slope(x, sigma, denoise(x, sigma))
        if not past:
            there = x + eps * (sigma_next - sigma)
            used = (eps + slope(there, sigma_next, denoise(there, sigma_next))) * 0.5
        else:
            weights = _ADAMS_BASHFORTH[min(len(past), 3)]
            used = sum((each * weight for each, weight in zip(past, weights[1:])), eps * weights[0])
        on_step(StepInfo(index=index, sigma=sigma, denoised=x - used * sigma, x=x))
        x = x + used * (sigma_next - sigma)
        past = [eps, *past[:2]]
    return x


def unipc(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Predict with the last few predictions, look, and correct with the new one: one model call per step.

    Source: Zhao et al. 2023, "UniPC" (arXiv:2302.04867), the form that predicts x0.
    """
    levels: list[float] = sigmas.tolist()
    steps, order = len(levels) - 1, min(tuning.unipc_order, len(levels) - 1)
    known = [(levels[0], denoise(x, levels[0]))]    # (sigma, prediction), newest first
    for number in range(1, steps + 1):
        sigma, sigma_next = levels[number - 1], levels[number]
        used = min(order, number)
        if tuning.unipc_lower_order_final and number >= order:
            used = min(used, steps + 1 - number)
        solver = _UnifiedStep(known[:used], sigma_next, tuning.unipc_variant)
        start = x
        x = solver.predicted(start)
        newest = known[0][1]
        if number < steps:
            found = denoise(x, sigma_next)
            x = solver.corrected(start, found)
            known = [(sigma_next, found), *known[: order - 1]]
        on_step(StepInfo(index=number - 1, sigma=sigma, denoised=newest))
    return x


class _UnifiedStep:
    """One step of UniPC: the weights of the differences between predictions, for the predictor and the corrector."""

    def __init__(self, known: list[tuple[float, Tensor]], sigma_next: float, variant: str) -> None:
        (sigma, self._newest), *older = known
        self._sigma, self._sigma_next = sigma, sigma_next
        h = math.log(sigma / sigma_next)
        places = [math.log(sigma / level) / h for level, _ in older]
        self._differences = [(prediction - self._newest) / place for (_, prediction), place in zip(older, places)]
        weights = _vary_weights if variant == "vary_coeff" else _bh_weights
        self._predictor = weights(places, h, variant, with_end=False)
        self._corrector = weights([*places, 1.0], h, variant, with_end=True)

    def predicted(self, x: Tensor) -> Tensor:
        return self._moved(x, zip(self._differences, self._predictor))

    def corrected(self, x: Tensor, found: Tensor) -> Tensor:
        return self._moved(x, zip([*self._differences, found - self._newest], self._corrector))

    def _moved(self, x: Tensor, terms: zip[tuple[Tensor, float]]) -> Tensor:
        ratio = self._sigma_next / self._sigma
        result = x * ratio + self._newest * (1 - ratio)
        for difference, weight in terms:
            result = result + difference * weight
        return result


def _bh_weights(places: list[float], h: float, variant: str, *, with_end: bool) -> list[float]:
    """The weights of the paper's B(h) variants: bh1 takes B(h) = h, bh2 takes B(h) = e^h - 1 (here with -h)."""
    if not places:
        return []
    hh = -h
    scale = hh if variant == "bh1" else math.expm1(hh)
    if len(places) == 1:
        return [-scale * 0.5]                       # the paper's simplification for one difference
    matrix = np.array([[place**power for place in places] for power in range(len(places))])
    return [-scale * each for each in np.linalg.solve(matrix, np.array(_bh_right_side(hh, scale, len(places))))]


def _bh_right_side(hh: float, scale: float, count: int) -> list[float]:
    values, factorial = [], 1.0
    phi = math.expm1(hh) / hh - 1
    for number in range(1, count + 1):
        values.append(phi * factorial / scale)
        factorial *= number + 1
        phi = phi / hh - 1 / factorial
    return values


def _vary_weights(places: list[float], h: float, variant: str, *, with_end: bool) -> list[float]:
    """The weights of the variant whose coefficients vary with h."""
    if not places:
        return []
    hh, count = -h, len(places)
    columns, column = [], np.ones(count)
    for number in range(1, count + 1):
        columns.append(column)
        column = column * np.array(places) / (number + 1)
    inverse = np.linalg.inv(np.stack(columns, axis=1))
    phi, factorial, phis = math.expm1(hh), 1.0, []
    for number in range(1, count + 2):
        phis.append(phi)
        phi = phi / hh - 1 / factorial
        factorial *= number + 1
    rows = range(count - with_end)
    weights = [-float(sum(phis[row + 1] * inverse[row][place] for row in rows)) for place in range(count)]
    if with_end:                                    # the published code, and so A1111, weighs the new difference by the row before
        weights[-1] = -float(phis[count] * inverse[max(count - 2, 0)][-1])
    return weights
