"""Flow models: noise levels from 1 down to 0, and the samplers that add noise of their own on the scale that they know.

A noisy latent is ``(1 - sigma) * clean + sigma * noise``. Samplers that only follow the prediction take that as it is, for
d x / d sigma = (x - x0) / sigma holds here too. The others work on x / (1 - sigma) with sigma / (1 - sigma) in the place of sigma,
which is the ``clean + sigma * noise`` they were made for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from modules.engine.sampler_contract import Denoise, OnStep, SamplerFunction, SamplerSpec, StepInfo, StepNoise, Tuning

_STEPS = 1000
_NEARLY_ALL_NOISE = 0.9999      # 1 would be without end on the other scale


@dataclass(frozen=True, kw_only=True)
class FlowLevels:
    """shift: how far the steps are moved towards noise. unbounded: sigma / (1 - sigma) instead of sigma."""

    shift: float = 1.0
    unbounded: bool = False
    stride: int = 1

    @property
    def sigmas(self) -> Tensor:
        return self.sigma_at(torch.arange(_STEPS))

    @property
    def sigma_min(self) -> float:
        return float(self.sigmas[0])

    @property
    def sigma_max(self) -> float:
        return float(self.sigmas[-1])

    def __len__(self) -> int:
        return _STEPS

    def timestep(self, sigma: float) -> float:
        """0 .. 999 and fractions between."""
        level = bounded(sigma) if self.unbounded else sigma
        share = level / (self.shift - (self.shift - 1) * level)
        return min(max(share * _STEPS - 1, 0.0), _STEPS - 1.0)

    def sigma_at(self, timesteps: Tensor) -> Tensor:
        share = (timesteps.double() + 1) / _STEPS
        level = self.shift * share / (1 + (self.shift - 1) * share)
        return (unbounded(level) if self.unbounded else level).float()


def unbounded(sigma: Tensor) -> Tensor:
    """From the flow's scale to the samplers' other one."""
    level = sigma.clamp(max=_NEARLY_ALL_NOISE)
    return level / (1 - level)


def bounded(sigma: float) -> float:
    """And back."""
    return sigma / (1 + sigma)


def only_follows(sampler: SamplerSpec, tuning: Tuning) -> bool:
    """Whether the sampler adds no noise and steps along the prediction alone."""
    return not (sampler.kind == "timestep" or sampler.is_random or sampler.adds_noise or sampler.needs_uncond or tuning.s_churn)


@dataclass(frozen=True)
class _OnOtherScale:
    """The model as such a sampler sees it."""

    denoise: Denoise

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        return self.denoise(x / (1 + sigma), bounded(sigma))

    def with_uncond(self, x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        return self.denoise.with_uncond(x / (1 + sigma), bounded(sigma))


def on_other_scale(function: SamplerFunction, *, by_timestep: bool) -> SamplerFunction:
    """A sampler that adds noise, for flow models. by_timestep: latent and sigmas are on its scale already."""

    def sample(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
        def step_noise(sigma: float, sigma_next: float) -> Tensor:
            return noise(sigma, sigma_next) if by_timestep else noise(bounded(sigma), bounded(sigma_next))

        def told(info: StepInfo) -> None:
            on_step(replace(info, sigma=bounded(info.sigma)))

        inner = _OnOtherScale(denoise)
        if by_timestep:
            return function(inner, x, sigmas, noise=step_noise, on_step=told, tuning=tuning)
        levels = unbounded(sigmas.double()).float()
        begun = x * (1 + float(levels[0]))
        tuning = replace(tuning, earlier=lambda sigma, share: float(unbounded(torch.tensor(tuning.earlier(bounded(sigma), share)))))
        found = function(inner, begun, levels, noise=step_noise, on_step=told, tuning=tuning)
        return found / (1 + float(levels[-1]))

    return sample
