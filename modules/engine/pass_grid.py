"""Which sigmas a pass runs over, and the latent that it starts from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from modules.engine.noise_levels import Levels
from modules.engine.resolved import SamplingOptions
from modules.engine.sampler_contract import SamplerSpec
from modules.engine.schedules import ScheduleInput, ScheduleSpec

_OLD_KARRAS_RANGE = (0.1, 10.0)
_TIMESTEPS = 1000


@dataclass(frozen=True, kw_only=True)
class GridRequest:
    """What the grid depends on. strength: how far back an existing latent is taken, None for a pass from pure noise.

    fixed_steps: run ``steps`` steps whatever the strength (hires pass, A1111's img2img_fix_steps).
    given: steps -> sigmas (steps + 1,) in the place of the schedule's; None for its own.
    """

    sampler: SamplerSpec
    schedule: ScheduleSpec
    steps: int
    levels: Levels
    options: SamplingOptions
    is_sdxl: bool = False
    is_flow: bool = False
    strength: float | None = None
    fixed_steps: bool = False
    given: Callable[[int], Tensor | None] = lambda steps: None


@dataclass(frozen=True, kw_only=True)
class PassGrid:
    """sigmas: what the sampler gets, falling, on the CPU. whole: the schedule they are the end of.

    noised_to: the sigma that the start latent is noised to. counted_steps: A1111's number of steps, by which prompts are edited.
    """

    sigmas: Tensor
    whole: Tensor
    noised_to: float
    counted_steps: int
    facts: dict[str, object]


def make_grid(request: GridRequest) -> PassGrid:
    """The grid of one pass. ``facts`` collects what differs from the defaults, under A1111's infotext keys."""
    facts: dict[str, object] = {}
    steps, run = (request.steps, request.steps) if request.strength is None else strength_steps(request.steps, request.strength, request.fixed_steps)
    if request.sampler.kind == "timestep":
        return _timestep_grid(request, steps, run, facts)
    if steps == 0:
        nothing = torch.zeros(1)
        return PassGrid(sigmas=nothing, whole=nothing, noised_to=0.0, counted_steps=0, facts=facts)
    whole = schedule_sigmas(request, steps, facts)
    sigmas = whole[steps - run :]
    if request.sampler.grid == "range" and request.strength is None:
        middle = torch.linspace(request.levels.sigma_max, request.levels.sigma_min, max(steps, 2))[:steps]
        sigmas = torch.cat([middle, torch.zeros(1)])    # these two choose their own steps between the model's ends
        sigmas[-2] = request.levels.sigma_min
        sigmas[0] = request.levels.sigma_max
    return PassGrid(sigmas=sigmas, whole=whole, noised_to=float(whole[steps - run]), counted_steps=run, facts=facts)


def strength_steps(steps: int, strength: float, fixed: bool) -> tuple[int, int]:
    """(steps of the whole schedule, steps of its end that are run) for a pass that goes on from a latent.

    A1111's rule: one step is run even at strength 0; with ``fixed`` the schedule is lengthened so that ``steps`` are run.
    """
    bounded = min(strength, 0.999)
    if fixed:
        return (int(steps / bounded), steps) if strength > 0 else (0, 0)
    return steps, int(bounded * steps) + 1


def schedule_sigmas(request: GridRequest, steps: int, facts: dict[str, object]) -> Tensor:
    """The sigmas of the schedule for ``steps``, with the schedule options applied."""
    options, levels, schedule = request.options, request.levels, request.schedule
    discards = _discards(request, facts)
    low, high = _OLD_KARRAS_RANGE if options.use_old_karras_sigmas and not request.is_flow else (levels.sigma_min, levels.sigma_max)
    has_range = schedule.name != "automatic"     # the sampler's own levels, whatever range was asked for
    if has_range and options.sigma_min and options.sigma_min != levels.sigma_min and not (request.is_flow and options.sigma_min > levels.sigma_max):
        low = facts["Schedule min sigma"] = options.sigma_min
    if has_range and options.sigma_max and options.sigma_max != levels.sigma_max and not (request.is_flow and options.sigma_max > levels.sigma_max):
        high = facts["Schedule max sigma"] = options.sigma_max
    rho = options.rho if schedule.default_rho is not None and options.rho != schedule.default_rho else 0.0
    if rho:
        facts["Schedule rho"] = rho
    if schedule.name == "beta":
        facts["Beta schedule alpha"], facts["Beta schedule beta"] = options.beta_alpha, options.beta_beta
    given = request.given(steps + discards)
    sigmas = given if given is not None else schedule.function(
        ScheduleInput(
            steps=steps + discards, levels=levels, sigma_min=low, sigma_max=high, rho=rho, is_sdxl=request.is_sdxl, is_flow=request.is_flow,
            beta_alpha=options.beta_alpha, beta_beta=options.beta_beta,
        )
    )
    return torch.cat([sigmas[:-2], sigmas[-1:]]) if discards else sigmas


def _discards(request: GridRequest, facts: dict[str, object]) -> bool:
    if request.options.discard_penultimate_sigma and not request.sampler.discards_penultimate:
        facts["Discard penultimate sigma"] = True
    return request.sampler.discards_penultimate or request.options.discard_penultimate_sigma


def _timestep_grid(request: GridRequest, steps: int, run: int, facts: dict[str, object]) -> PassGrid:
    """A1111's timestep samplers go over 1, 1 + stride, ... and end at the first of them, not at 0."""
    stride = max(_TIMESTEPS // max(steps + _discards(request, facts), 1), 1)
    timesteps = (torch.arange(0, _TIMESTEPS, stride) + 1).clamp(max=_TIMESTEPS - 1)
    levels = request.levels
    noised_to = float(levels.sigma_at(timesteps[-1:]))
    if request.strength is not None:
        kept = max(run - 1, 0)                      # the latent is noised to one timestep more than the sampler starts from
        noised_to = float(levels.sigma_at(timesteps[kept : kept + 1])) if steps else 0.0
        timesteps = timesteps[:kept]
    whole = levels.sigma_at(timesteps.flip(0))
    sigmas = whole
    if request.sampler.grid == "unipc" and len(timesteps):
        start = 1.0 if request.strength is None else (float(timesteps[-1]) + 1) / _TIMESTEPS
        sigmas = _unipc_sigmas(levels, len(timesteps), start, request.options.unipc_skip_type)
    return PassGrid(sigmas=sigmas, whole=whole, noised_to=noised_to, counted_steps=run, facts=facts)


def _unipc_sigmas(levels: Levels, steps: int, start: float, skip_type: str) -> Tensor:
    """UniPC's own times from ``start`` down to 1/1000, spaced evenly, quadratically or in log signal-to-noise ratio."""
    sigmas = levels.sigmas.double().numpy()
    if skip_type == "logSNR":
        logs = np.log(sigmas)
        first = np.interp(start * _TIMESTEPS - 1, np.arange(_TIMESTEPS), logs)
        return torch.from_numpy(np.exp(np.linspace(first, logs[0], steps + 1))).float()
    power = 2 if skip_type == "time_quadratic" else 1
    times = np.linspace(start ** (1 / power), (1 / _TIMESTEPS) ** (1 / power), steps + 1) ** power
    log_alphas = np.interp(times * _TIMESTEPS - 1, np.arange(_TIMESTEPS), -0.5 * np.log1p(sigmas**2))
    return torch.from_numpy(np.sqrt(np.expm1(-2 * log_alphas))).float()


ExtraNoise = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(noise, start, noised start) -> what is added on top of the latter."""


def start_latent(grid: PassGrid, request: GridRequest, noise: Tensor, start: Tensor | None, extra_noise: ExtraNoise | None = None) -> Tensor:
    """The noisy latent in the samplers' form: clean latent + sigma x noise. extra_noise: asked for the noise that the setting adds on top."""
    options, sigma = request.options, grid.noised_to
    extra = options.extra_noise if start is not None and options.extra_noise > 0 else 0.0
    if extra:
        grid.facts["Extra noise"] = extra
    if request.sampler.kind == "timestep":
        grown = math.sqrt(1 + float(grid.sigmas[0]) ** 2) if len(grid.sigmas) else 1.0
        if start is None:
            return noise * grown
        shrunk = 1 / math.sqrt(1 + sigma**2)        # scaled as the model was trained, to the level it is noised to
        if extra and extra_noise is not None:
            noised = start * shrunk + noise * (sigma * shrunk)
            other = extra_noise(noise, start, noised)
            if other is not noise:
                return (noised + other * (extra * shrunk)) * grown
        return (start * shrunk + noise * (sigma * shrunk + extra * shrunk)) * grown
    if start is not None:
        start = start * (1.0 - sigma) if request.is_flow else start
        if extra and extra_noise is not None:
            noised = start + noise * sigma
            other = extra_noise(noise, start, noised)
            if other is not noise:
                return noised + other * extra
        return start + noise * (sigma + extra)
    if options.sgm_noise_multiplier and not request.is_flow:
        grid.facts["SGM noise multiplier"] = True
        return noise * math.sqrt(1.0 + sigma**2)
    return noise * sigma


def finished_latent(grid: PassGrid, sampler: SamplerSpec, x: Tensor) -> Tensor:
    """What the sampler returned, as the VAE takes it: timestep samplers end above 0 and on the trained scale."""
    if sampler.kind == "sigma" or not len(grid.sigmas):
        return x
    return x / math.sqrt(1 + float(grid.sigmas[-1]) ** 2)
