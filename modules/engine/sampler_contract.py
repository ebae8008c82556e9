"""What a sampler is: a small function from a denoiser, noise and sigmas to a clean latent.

    sample(denoise, x, sigmas, *, noise, on_step, tuning) -> x
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
    """One finished evaluation that counts as a step: its number from 0, the sigma and the prediction."""

    index: int
    sigma: float
    denoised: Tensor


OnStep = Callable[[StepInfo], None]


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The knobs of the samplers; each reads those it knows.

    eta: share of fresh noise, 0 deterministic .. 1. s_churn, s_tmin, s_tmax, s_noise: Karras et al. 2022, algorithm 2.
    """

    eta: float = 1.0
    s_churn: float = 0.0
    s_tmin: float = 0.0
    s_tmax: float = float("inf")
    s_noise: float = 1.0
    unipc_variant: str = "bh1"
    unipc_skip_type: str = "time_uniform"
    unipc_order: int = 3
    unipc_lower_order_final: bool = True


class SamplerFunction(Protocol):
    def __call__(self, denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor: ...


@dataclass(frozen=True, kw_only=True)
class SamplerSpec:
    """One entry of the sampler list.

    default_schedule: what "Automatic" means for it; "" is the plain timestep schedule.
    order: model calls per step, which also stretches prompt editing as in A1111.
    uses_noise: draws fresh noise. brownian: from the Brownian path. kind "timestep": works on the training timesteps.
    eta_option: which of A1111's two eta settings it reads ("" for none). churns: reads s_churn and its kin.
    ours: A1111 1.10.1 does not have it.
    """

    name: str
    function: SamplerFunction
    aliases: tuple[str, ...] = ()
    default_schedule: str = ""
    order: int = 1
    uses_noise: bool = False
    brownian: bool = False
    discards_penultimate: bool = False
    kind: Literal["sigma", "timestep"] = "sigma"
    eta_option: Literal["", "ancestral", "ddim"] = ""
    churns: bool = False
    uses_s_noise: bool = False
    lcm_levels: bool = False
    needs_uncond: bool = False
    ours: bool = False
