"""A model whose every sample is known in closed form: data drawn from N(MEAN, SPREAD^2), pixel by pixel."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from modules.engine.sampler_contract import SamplerSpec, StepInfo, Tuning

MEAN, SPREAD = 0.3, 0.5
SIGMA_MIN, SIGMA_MAX = 0.03, 14.6


class IdealDenoiser:
    """E[x0 | x] for that data; counts its calls. Float64 where x is."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        self.calls += 1
        return (x * SPREAD**2 + MEAN * sigma**2) / (SPREAD**2 + sigma**2)

    def with_uncond(self, x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        denoised = self(x, sigma)
        return denoised, denoised


def ode_end(x: Tensor, sigma: float, sigma_end: float) -> Tensor:
    """Where the probability flow takes x from sigma to sigma_end."""
    return MEAN + (x - MEAN) * math.hypot(SPREAD, sigma_end) / math.hypot(SPREAD, sigma)


def log_spaced(steps: int, *, low: float = SIGMA_MIN, high: float = SIGMA_MAX, with_zero: bool = False) -> Tensor:
    """``steps`` steps, evenly in log sigma, from high to low (and then one more to 0)."""
    sigmas = torch.linspace(math.log(high), math.log(low), steps + 1, dtype=torch.float64).exp()
    return torch.cat([sigmas, torch.zeros(1, dtype=torch.float64)]) if with_zero else sigmas


def start(count: int = 16, sigma: float = SIGMA_MAX, seed: int = 0) -> Tensor:
    """Noisy data (1, 4, n, n) of that sigma, float64."""
    noise = torch.randn(1, 4, count, count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return MEAN + noise * math.hypot(SPREAD, sigma)


class CountedNoise:
    """Plain noise; remembers how often it was asked."""

    def __init__(self, x: Tensor) -> None:
        self._x, self._generator, self.draws = x, torch.Generator().manual_seed(7), 0

    def __call__(self, sigma: float, sigma_next: float) -> Tensor:
        self.draws += 1
        return torch.randn(self._x.shape, generator=self._generator, dtype=self._x.dtype)


def run(spec: SamplerSpec, x: Tensor, sigmas: Tensor, *, eta: float = 0.0, steps: list[StepInfo] | None = None, **tuning: float) -> Tensor:
    """``spec`` over the ideal denoiser."""
    seen = [] if steps is None else steps
    knobs = Tuning(eta=eta, **tuning)  # type: ignore[arg-type]
    return spec.function(IdealDenoiser(), x, sigmas, noise=CountedNoise(x), on_step=seen.append, tuning=knobs)
