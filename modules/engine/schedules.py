"""Schedules: how the steps of a pass are spread over the noise levels, from the highest sigma down.

Each is a function (ScheduleInput) -> float32 sigmas on the CPU. Most end in 0; one step lies between two neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from modules.engine.beta_distribution import beta_quantile
from modules.engine.noise_levels import Levels


@dataclass(frozen=True, kw_only=True)
class ScheduleInput:
    """What a schedule is made from. rho: 0 means the schedule's own. is_flow: sigmas are shares of noise, 0 .. 1."""

    steps: int
    levels: Levels
    sigma_min: float
    sigma_max: float
    rho: float = 0.0
    is_sdxl: bool = False
    is_flow: bool = False
    beta_alpha: float = 0.6
    beta_beta: float = 0.6


ScheduleFunction = Callable[[ScheduleInput], Tensor]


@dataclass(frozen=True, kw_only=True)
class ScheduleSpec:
    """One entry of the schedule list. default_rho is None where rho has no meaning; ``ours``: A1111 does not have it."""

    name: str
    label: str
    function: ScheduleFunction
    aliases: tuple[str, ...] = ()
    default_rho: float | None = None
    needs_levels: bool = False
    ours: bool = False


def _with_zero(sigmas: Tensor | Sequence[float]) -> Tensor:
    head = torch.as_tensor(sigmas, dtype=torch.float32)
    return torch.cat([head, head.new_zeros(1)])


def uniform(request: ScheduleInput) -> Tensor:
    """Evenly spread over the timesteps, both ends included; the model's own range whatever was asked."""
    timesteps = torch.linspace((len(request.levels) - 1) * request.levels.stride + request.levels.stride - 1, request.levels.stride - 1, request.steps)
    return _with_zero(request.levels.sigma_at(timesteps))


def karras(request: ScheduleInput) -> Tensor:
    """Karras et al.'s."""
    return karras_sigmas(request.steps, request.sigma_min, request.sigma_max, request.rho or 7.0)


def karras_sigmas(steps: int, sigma_min: float, sigma_max: float, rho: float) -> Tensor:
    """(steps + 1,). Source: Karras et al. 2022 (arXiv:2206.00364), equation 5."""
    ramp = torch.linspace(0, 1, steps)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return _with_zero((high + ramp * (low - high)) ** rho)


def exponential(request: ScheduleInput) -> Tensor:
    """Evenly spread in log sigma."""
    return _with_zero(torch.linspace(math.log(request.sigma_max), math.log(request.sigma_min), request.steps).exp())


def polyexponential(request: ScheduleInput) -> Tensor:
    """A power of log sigma; with rho 1 it is Exponential."""
    return polyexponential_sigmas(request.steps, request.sigma_min, request.sigma_max, request.rho or 1.0)


def polyexponential_sigmas(steps: int, sigma_min: float, sigma_max: float, rho: float) -> Tensor:
    """(steps + 1,). Log sigma falls as a power ``rho`` of the way."""
    ramp = torch.linspace(1, 0, steps) ** rho
    return _with_zero(torch.exp(ramp * (math.log(sigma_max) - math.log(sigma_min)) + math.log(sigma_min)))


def _timestep_range(request: ScheduleInput) -> tuple[float, float]:
    return request.levels.timestep(request.sigma_max), request.levels.timestep(request.sigma_min)


def sgm_uniform(request: ScheduleInput) -> Tensor:
    """As Stability's generative-models repository: evenly in timesteps, the last one left out."""
    start, end = _timestep_range(request)
    return _with_zero(request.levels.sigma_at(torch.linspace(start, end, request.steps + 1)[:-1]))


def normal(request: ScheduleInput) -> Tensor:
    """Evenly in timesteps between the two sigmas."""
    start, end = _timestep_range(request)
    return _with_zero(request.levels.sigma_at(torch.linspace(start, end, request.steps)))


def kl_optimal(request: ScheduleInput) -> Tensor:
    """Evenly in arctan sigma; it ends at sigma_min, not at 0.

    Source: Sabour et al. 2024, "Align Your Steps" (arXiv:2404.14507), the closed form for Gaussian data.
    """
    way = torch.arange(request.steps + 1) / request.steps
    return torch.tan(way * math.atan(request.sigma_min) + (1 - way) * math.atan(request.sigma_max))


def simple(request: ScheduleInput) -> Tensor:
    """Every (N / steps)-th trained sigma, from the top."""
    stride = len(request.levels) / request.steps
    return _with_zero([float(request.levels.sigmas[-(1 + int(index * stride))]) for index in range(request.steps)])


def ddim(request: ScheduleInput) -> Tensor:
    """The timesteps of the DDIM paper: 1, 1 + N // steps, ...; the step count is only met if it divides N."""
    stride = max(len(request.levels) // request.steps, 1)
    return _with_zero(request.levels.sigmas[1::stride].flip(0))


def beta(request: ScheduleInput) -> Tensor:
    """Dense at both ends: quantiles of a Beta distribution, stretched over the range of sigma.

    Source: Lee et al. 2024, "Beta Sampling is All You Need" (arXiv:2407.12173).
    """
    quantiles = [beta_quantile(1 - index, request.beta_alpha, request.beta_beta) for index in torch.linspace(0, 1, request.steps, dtype=torch.float64).tolist()]
    return _with_zero([request.sigma_min + quantile * (request.sigma_max - request.sigma_min) for quantile in quantiles])


# Sigmas found by optimisation for ten steps (Sabour et al. 2024).
_ALIGNED_SD1 = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029)
_ALIGNED_SDXL = (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029)


def align_your_steps(request: ScheduleInput) -> Tensor:
    """The published table of eleven sigmas, joined log-linearly for another number of steps."""
    table = _ALIGNED_SDXL if request.is_sdxl else _ALIGNED_SD1
    sigmas = _log_linear(table, request.steps) if request.steps != len(table) else table
    return _with_zero([sigma / (1 + sigma) for sigma in sigmas] if request.is_flow else sigmas)


def _log_linear(table: Sequence[float], count: int) -> list[float]:
    """``count`` values along ``table``, by straight lines in the logarithm."""
    logs = [math.log(value) for value in table]
    if count == 1:
        return [table[-1]]              # as in A1111, whose line then is its end alone
    places = [index * (len(table) - 1) / (count - 1) for index in range(count)]
    lows = [min(int(place), len(table) - 2) for place in places]
    return [math.exp(logs[low] + (place - low) * (logs[low + 1] - logs[low])) for place, low in zip(places, lows)]


SCHEDULES: tuple[ScheduleSpec, ...] = (
    ScheduleSpec(name="automatic", label="Automatic", function=uniform),
    ScheduleSpec(name="uniform", label="Uniform", function=uniform, needs_levels=True),
    ScheduleSpec(name="karras", label="Karras", function=karras, default_rho=7.0),
    ScheduleSpec(name="exponential", label="Exponential", function=exponential),
    ScheduleSpec(name="polyexponential", label="Polyexponential", function=polyexponential, default_rho=1.0),
    ScheduleSpec(name="sgm_uniform", label="SGM Uniform", function=sgm_uniform, aliases=("SGMUniform",), needs_levels=True),
    ScheduleSpec(name="kl_optimal", label="KL Optimal", function=kl_optimal),
    ScheduleSpec(name="align_your_steps", label="Align Your Steps", function=align_your_steps),
    ScheduleSpec(name="simple", label="Simple", function=simple, needs_levels=True),
    ScheduleSpec(name="normal", label="Normal", function=normal, needs_levels=True),
    ScheduleSpec(name="ddim", label="DDIM", function=ddim, needs_levels=True),
    ScheduleSpec(name="beta", label="Beta", function=beta, needs_levels=True),
)
