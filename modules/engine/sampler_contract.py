"""What a sampler is: a small function from a denoiser, noise and sigmas to a clean latent.

    sample(denoise, x, sigmas, *, noise, on_step, tuning) -> x
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol

from torch import Tensor


class Denoise(Protocol):
    """The model as a function (x, sigma) -> x0, guidance included. x: (B, C, h, w), of variance sigma^2 plus the data's."""

    def __call__(self, x: Tensor, sigma: float) -> Tensor: ...

    def with_uncond(self, x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        """(guided x0, x0 without the prompt): for the samplers that step along the latter (CFG++)."""
        ...


class StepNoise(Protocol):
    """Unit-variance noise (B, C, h, w) for the step from one sigma to the next; plain sources ignore the sigmas."""

    def __call__(self, sigma: float, sigma_next: float) -> Tensor: ...


@dataclass(frozen=True, kw_only=True)
class StepInfo:
    """One finished evaluation that counts as a step: its number from 0, the sigma and the prediction.

    x: the latent that the sampler goes on from, (B, C, h, w): what a listener changes in it, in place, counts; likewise in
    ``denoised``, as far as the sampler still reads it. None where there is none to go on from.
    sigma_hat: the sigma after fresh noise was added at the step's beginning (churn); None where none was.
    number: what A1111's callbacks count in place of ``index`` (DPM fast counts its evaluations for the progress); None where they agree.
    """

    index: int
    sigma: float
    denoised: Tensor
    x: Tensor | None = None
    sigma_hat: float | None = None
    number: int | None = None

    @property
    def counted(self) -> int:
        return self.index if self.number is None else self.number


OnStep = Callable[[StepInfo], None]


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The knobs of the samplers; each reads those it knows.

    eta: share of fresh noise, 0 deterministic .. 1. s_churn, s_tmin, s_tmax, s_noise: Karras et al. 2022, algorithm 2.
    lowest: last positive sigma of a sampler that chooses its own steps, where that is not the last of its sigmas but one; 0: it is.
    earlier: (sigma, share) -> the sigma at that share of its timestep; without a model, a straight line.
    """

    eta: float = 1.0
    s_churn: float = 0.0
    s_tmin: float = 0.0
    s_tmax: float = float("inf")
    s_noise: float = 1.0
    unipc_variant: str = "bh1"
    unipc_order: int = 3
    unipc_lower_order_final: bool = True
    lowest: float = 0.0
    earlier: Callable[[float, float], float] = lambda sigma, share: sigma * share


class SamplerFunction(Protocol):
    def __call__(self, denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor: ...


Grid = Literal["schedule", "timesteps", "unipc", "range"]


@dataclass(frozen=True, kw_only=True)
class SamplerSpec:
    """One entry of the sampler list.

    default_schedule: what "Automatic" means for it; "" is the plain timestep schedule.
    order: model calls per step as A1111 reckons, which also stretches prompt editing.
    grid: where its sigmas come from. "schedule": the schedule list. "timesteps", "unipc": the training timesteps, the
        latents scaled as the model was trained (A1111's timestep samplers). "range": only the first and last sigma count.
    brownian: its noise comes from the Brownian path. discards_penultimate: works better without the last sigma but one.
    eta_option: which of A1111's two eta settings it reads ("" for none). churns: it reads s_churn, s_tmin, s_tmax.
    guidance_factor: multiplies the guidance scale (DDIM CFG++ maps 0 .. 12.5 to 0 .. 1).
    adds_noise: it draws noise of its own whatever its settings.
    solver_type, uses_ensd: written in A1111's sampler list, and looked at there by others.
    ours: A1111 1.10.1 does not have it.
    """

    name: str
    function: SamplerFunction
    aliases: tuple[str, ...] = ()
    default_schedule: str = ""
    order: int = 1
    grid: Grid = "schedule"
    brownian: bool = False
    discards_penultimate: bool = False
    eta_option: Literal["", "ancestral", "ddim"] = ""
    churns: bool = False
    uses_s_noise: bool = False
    needs_uncond: bool = False
    guidance_factor: float = 1.0
    lcm_levels: bool = False
    adds_noise: bool = False
    solver_type: str = ""
    uses_ensd: bool = False
    ours: bool = False

    @property
    def kind(self) -> Literal["sigma", "timestep"]:
        return "timestep" if self.grid in ("timesteps", "unipc") else "sigma"

    @property
    def is_random(self) -> bool:
        """Draws fresh noise at its default tuning: more steps give another picture, not only a finer one."""
        return self.brownian or self.eta_option == "ancestral" or self.lcm_levels


def steps_of(sigmas: Tensor) -> list[tuple[int, float, float]]:
    """(index, sigma, next sigma) of each step, as plain numbers: no step waits for the device."""
    return [(index, sigma, following) for index, (sigma, following) in enumerate(pairwise(sigmas.tolist()))]
