"""Samplers of Forge and ComfyUI that A1111 does not have: multistep solvers of several kinds."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from modules.engine.sampler_contract import Denoise, OnStep, StepInfo, StepNoise, Tuning, steps_of
from modules.engine.samplers_dpmpp import towards
from modules.engine.samplers_euler import ancestral_split, churned, slope

_ADAMS_BASHFORTH = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))


def ipndm(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Adams-Bashforth of up to fourth order on the slopes. Source: Zhang & Chen 2022 (arXiv:2204.13902), iPNDM."""
    past: list[Tensor] = []                         # newest first
    for index, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x))
        if sigma_next == 0:
            return denoised
        past = [slope(x, sigma, denoised), *past[:3]]
        for each, weight in zip(past, _ADAMS_BASHFORTH[len(past) - 1]):
            x = x + each * (weight * (sigma_next - sigma))
    return x


def heunpp2(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Heun with looks one and two steps ahead, weighted by how noisy they are. Source: LucasGel, "Heun++" (as in ComfyUI)."""
    levels: list[float] = sigmas.tolist()
    for index, sigma, sigma_next in steps_of(sigmas):
        x, raised = churned(x, sigma, len(levels) - 1, noise, tuning)
        denoised = denoise(x, raised)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x, sigma_hat=raised))
        first = slope(x, raised, denoised)
        there = x + first * (sigma_next - raised)
        if sigma_next == levels[-1]:
            x = there
            continue
        second = slope(there, sigma_next, denoise(there, sigma_next))
        beyond = levels[index + 2]
        if beyond == levels[-1]:
            share = sigma_next / (2 * levels[0])
            used = first * (1 - share) + second * share
        else:
            farther = there + second * (beyond - sigma_next)
            third = slope(farther, beyond, denoise(farther, beyond))
            share, share_beyond = sigma_next / (3 * levels[0]), beyond / (3 * levels[0])
            used = first * (1 - share - share_beyond) + second * share + third * share_beyond
        x = x + used * (sigma_next - raised)
    return x


_VP_END = 1e-3                                      # DEIS measures time on the linear schedule between these sigmas
_VP_SIGMAS = (0.002, 80.0)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


def deis(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Third order: the slopes are joined by a polynomial in diffusion time. Source: Zhang & Chen 2022 (arXiv:2204.13902), tAB-DEIS."""
    low, high = (math.log(sigma**2 + 1) for sigma in _VP_SIGMAS)
    beta_span = 2 * (low / _VP_END - high) / (_VP_END - 1)
    beta_first = high - 0.5 * beta_span
    times = [(math.sqrt(beta_first**2 + 2 * beta_span * math.log1p(sigma**2)) - beta_first) / beta_span for sigma in sigmas.tolist()]
    past: list[Tensor] = []                         # newest first
    for index, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x))
        past = [slope(x, sigma, denoised), *past[:2]]
        if sigma_next == 0 or len(past) == 1:
            x = x + past[0] * (sigma_next - sigma)
            continue
        known = [times[index - back] for back in range(len(past))]
        for each, weight in zip(past, _deis_weights(known, times[index + 1], beta_first, beta_span)):
            x = x + each * weight
    return x


def _deis_weights(known: list[float], end: float, beta_first: float, beta_span: float) -> list[float]:
    """For each known time: the integral over the step of its Lagrange polynomial times d sigma / d time."""
    start = known[0]
    places = 0.5 * (end - start) * _NODES + 0.5 * (end + start)
    exponent = 0.5 * beta_span * places**2 + beta_first * places
    growth = 0.5 * (beta_first + beta_span * places) * np.exp(exponent) / np.sqrt(np.expm1(exponent))
    weights = []
    for time in known:
        others = [each for each in known if each != time]
        basis = np.prod([(places - each) / (time - each) for each in others], axis=0)
        weights.append(float(0.5 * (end - start) * np.sum(_WEIGHTS * basis * growth)))
    return weights


def res_multistep(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """The refined exponential solver of second order, from the last two predictions. Source: Zhang et al. 2023 (arXiv:2308.02157)."""
    return _refined(denoise, x, sigmas, noise=noise, on_step=on_step, tuning=tuning, eta=0.0)


def res_multistep_ancestral(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """The same with fresh noise after each step."""
    return _refined(denoise, x, sigmas, noise=noise, on_step=on_step, tuning=tuning, eta=tuning.eta)


def _refined(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning, eta: float) -> Tensor:
    previous: tuple[Tensor, float, float] | None = None     # (prediction, its sigma, the sigma it stepped down to)
    for index, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x))
        if sigma_next == 0:
            return denoised
        down, up = ancestral_split(sigma, sigma_next, eta)
        if previous is None:
            x = towards(x, denoised, sigma, down)
        else:
            h = math.log(sigma / down)
            place = math.log(previous[2] / previous[1]) / h
            phi_1 = -math.expm1(-h) / h
            phi_2 = (1 - phi_1) / h
            x = x * math.exp(-h) + (denoised * (phi_1 - phi_2 / place) + previous[0] * (phi_2 / place)) * h
        if up > 0:
            x = x + noise(sigma, sigma_next) * (tuning.s_noise * up)
        previous = (denoised, sigma, down)
    return x


def gradient_estimation(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Euler with the slope's change counted twice. Source: Permenter & Yuan 2023 (arXiv:2306.04848), gamma 2."""
    before: Tensor | None = None
    for index, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x))
        if sigma_next == 0:
            return denoised
        current = slope(x, sigma, denoised)
        used = current if before is None else current * 2 - before
        x = x + used * (sigma_next - sigma)
        before = current
    return x


_ER_POINTS = np.arange(200) / 200


def _er_scale(sigma: float | np.ndarray) -> float | np.ndarray:
    """How noise is spread over the levels: the paper's ER-SDE 5."""
    return sigma * (np.exp(np.power(sigma, 0.3)) + 10.0)


def er_sde(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Extended reverse-time SDE, third order. Source: Cui et al. 2023 (arXiv:2309.06169), VE ER-SDE-Solver-3."""
    levels: list[float] = sigmas.tolist()
    previous: Tensor | None = None
    previous_first: Tensor | None = None
    for index, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x))
        if sigma_next == 0:
            return denoised
        ratio = float(_er_scale(sigma_next) / _er_scale(sigma))
        x = x * ratio + denoised * (1 - ratio)
        if previous is not None:
            change, scale = sigma_next - sigma, float(_er_scale(sigma_next))
            places = sigma_next - change * _ER_POINTS
            inverse = 1 / _er_scale(places) * (-change / len(_ER_POINTS))
            first = (denoised - previous) / (sigma - levels[index - 1])
            x = x + first * (change + float(np.sum(inverse)) * scale)
            if previous_first is not None:
                second = (first - previous_first) / ((sigma - levels[index - 2]) / 2)
                x = x + second * (change**2 / 2 + float(np.sum((places - sigma) * inverse)) * scale)
            previous_first = first
        up = math.sqrt(max(sigma_next**2 - (sigma * ratio) ** 2, 0.0))
        x = x + noise(sigma, sigma_next) * (tuning.s_noise * up)
        previous = denoised
    return x
