"""DPM-Solver: DPM2 and DPM2 a in sigma, and the two samplers that choose their own steps, DPM fast and DPM adaptive.

Source: Lu et al. 2022, "DPM-Solver" (arXiv:2206.00927). In this file t = -log sigma, which rises.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from modules.engine.sampler_contract import Denoise, OnStep, StepInfo, StepNoise, Tuning, steps_of
from modules.engine.samplers_euler import ancestral_split, churned, slope


def dpm_2(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """The slope is taken at the geometric middle of each step. Source: Karras et al. 2022, algorithm 2 with DPM-Solver-2."""
    for index, sigma, sigma_next in steps_of(sigmas):
        x, raised = churned(x, sigma, len(sigmas) - 1, noise, tuning)
        denoised = denoise(x, raised)
        first = slope(x, raised, denoised)          # before listeners change x, as in k-diffusion
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x, sigma_hat=raised))
        x = _midpoint_step(denoise, x, raised, sigma_next, first)
    return x


def dpm_2_ancestral(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """DPM2 steps that go below the next sigma and add noise up to it."""
    for index, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        on_step(StepInfo(index=index, sigma=sigma, denoised=denoised, x=x))
        down, up = ancestral_split(sigma, sigma_next, tuning.eta)
        x = _midpoint_step(denoise, x, sigma, down, slope(x, sigma, denoised))
        if down > 0:
            x = x + noise(sigma, sigma_next) * (tuning.s_noise * up)
    return x


def _midpoint_step(denoise: Denoise, x: Tensor, sigma: float, sigma_next: float, first: Tensor) -> Tensor:
    if sigma_next == 0:
        return x + first * (sigma_next - sigma)
    middle = math.sqrt(sigma * sigma_next)
    there = x + first * (middle - sigma)
    return x + slope(there, middle, denoise(there, middle)) * (sigma_next - sigma)


@dataclass(kw_only=True)
class _Solver:
    """Steps of order 1 to 3 from t; noise predictions at one t are kept, so that two orders share them."""

    denoise: Denoise
    x: Tensor
    t: float
    known: dict[str, Tensor] = field(default_factory=dict)

    def eps(self, name: str, x: Tensor, t: float) -> Tensor:
        if name not in self.known:
            sigma = math.exp(-t)
            self.known[name] = slope(x, sigma, self.denoise(x, sigma))
        return self.known[name]

    @property
    def denoised(self) -> Tensor:
        return self.x - self.eps("start", self.x, self.t) * math.exp(-self.t)

    def step(self, order: int, end: float, first_part: float = 1 / 3) -> Tensor:
        """x at t = ``end``. first_part: where the first inner look of orders 2 and 3 is taken, as a share of the step."""
        h, sigma_end = end - self.t, math.exp(-end)
        eps = self.eps("start", self.x, self.t)
        result = self.x - eps * (sigma_end * math.expm1(h))
        if order == 1:
            return result
        t_1 = self.t + first_part * h
        x_1 = self.x - eps * (math.exp(-t_1) * math.expm1(first_part * h))
        change_1 = self.eps("first", x_1, t_1) - eps
        if order == 2:
            return result - change_1 * (sigma_end / (2 * first_part) * math.expm1(h))
        last_part = 2 / 3
        t_2, inner = self.t + last_part * h, last_part * h
        x_2 = self.x - eps * (math.exp(-t_2) * math.expm1(inner))
        x_2 = x_2 - change_1 * (math.exp(-t_2) * (last_part / first_part) * (math.expm1(inner) / inner - 1))
        change_2 = self.eps("second", x_2, t_2) - eps
        return result - change_2 * (sigma_end / last_part * (math.expm1(h) / h - 1))


def _ancestral_end(t: float, t_next: float, t_end: float, eta: float) -> tuple[float, float]:
    """(t to step to, sigma of the noise to add there): never beyond ``t_end``."""
    if not eta:
        return t_next, 0.0
    down, _ = ancestral_split(math.exp(-t), math.exp(-t_next), eta)
    lower = min(t_end, -math.log(down)) if down > 0 else t_end
    return lower, math.sqrt(max(math.exp(-2 * t_next) - math.exp(-2 * lower), 0.0))


def dpm_fast(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Steps of order 3, evenly in log sigma, that together cost as many model calls as ``sigmas`` has steps.

    Goes from the first to the last positive sigma; what lies between is its own choice.
    """
    calls = len(sigmas) - 1
    start, end = -math.log(float(sigmas[0])), -math.log(tuning.lowest or float(sigmas[-2]))
    orders = [3] * (calls // 3 - 1) + [2, 1] if calls % 3 == 0 else [3] * (calls // 3) + [calls % 3]
    times = torch.linspace(start, end, len(orders) + 1, dtype=torch.float64).tolist()
    done = 0
    for number, (order, t, t_next) in enumerate(zip(orders, times, times[1:])):
        lower, up = _ancestral_end(t, t_next, end, tuning.eta)
        solver = _Solver(denoise=denoise, x=x, t=t)
        done += order
        on_step(StepInfo(index=done - 1, number=number, sigma=math.exp(-t), denoised=solver.denoised, x=x))
        x = solver.step(order, lower, 1 / 2 if order == 2 else 1 / 3)
        if tuning.eta:
            x = x + noise(math.exp(-t), math.exp(-t_next)) * (tuning.s_noise * up)
    return x


@dataclass(kw_only=True)
class _StepSize:
    """A controller for h: grows it while the error is small, shrinks it and refuses the step otherwise."""

    h: float
    order: float
    accept_above: float = 0.81

    def accepts(self, error: float) -> bool:
        factor = 1 + math.atan((1 / (error + 1e-8)) ** (1 / self.order) - 1)
        self.h *= factor
        return factor >= self.accept_above


def dpm_adaptive(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
    """Orders 2 and 3 side by side; their difference sets the step size, so the step count asked for has no effect.

    The error is that of the whole batch: images of one batch are stepped together, as in A1111.
    """
    relative, absolute = 0.05, 0.0078
    t, end = -math.log(float(sigmas[0])), -math.log(tuning.lowest or float(sigmas[-2]))
    size = _StepSize(h=0.05, order=1.5 if tuning.eta else 3.0)
    before, taken = x, 0
    while t < end - 1e-5:
        t_next = min(end, t + size.h)
        lower, up = _ancestral_end(t, t_next, end, tuning.eta)
        solver = _Solver(denoise=denoise, x=x, t=t)
        denoised = solver.denoised
        low, high = solver.step(2, lower), solver.step(3, lower)
        allowed = torch.clamp(torch.maximum(low.abs(), before.abs()) * relative, min=absolute)
        error = float(torch.linalg.vector_norm((low - high) / allowed)) / math.sqrt(x.numel())
        if not math.isfinite(error):
            return high                             # spoilt: the decoder says so
        if size.accepts(error):
            before, x = low, high
            if tuning.eta:
                x = x + noise(math.exp(-t), math.exp(-t_next)) * (tuning.s_noise * up)
            t, taken = t_next, taken + 1
            on_step(StepInfo(index=taken - 1, sigma=math.exp(-t), denoised=denoised, x=x))
    return x
