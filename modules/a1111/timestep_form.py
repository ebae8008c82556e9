"""A call of the model as A1111's timestep samplers have it: latents in the model's own range, timesteps for sigmas, noise for clean latents."""
from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from modules.engine.guidance import RowWeights, first_parts
from modules.engine.hooks import DenoiserCall
from modules.engine.noise_levels import NoiseLevels


@dataclass(frozen=True)
class TimestepForm:
    """Of one call. own: (R, C, h, w), the rows as the sampler has them, of standard deviation sqrt(sigma^2 + 1), whatever listeners make of them."""

    own: Tensor
    sigma: float
    levels: NoiseLevels

    @property
    def timestep(self) -> float:
        """UniPC asks between two of them."""
        found = self.levels.timestep(self.sigma)
        return float(round(found)) if abs(found - round(found)) < 1e-2 else found

    @property
    def input(self) -> Tensor:
        """What the model sees; a tensor that may be changed."""
        return self.own / _root(self.sigma)

    def sigmas_at(self, timesteps: Tensor) -> Tensor:
        """(R,)"""
        return self.levels.sigma_at(timesteps.detach().cpu().clamp(0, len(self.levels) * self.levels.stride - 1)).to(self.own)

    def latents_of(self, model_input: Tensor, told: Tensor | None) -> Tensor:
        """``input`` again as the engine takes it. told: (R,), the sigmas that the model is told."""
        return model_input * (_root(self.sigma) if told is None else (told**2 + 1).sqrt().view(-1, 1, 1, 1))

    def noise_of_rows(self, call: DenoiserCall, rows: Tensor) -> Tensor:
        """The noise that the model found in ``call``, from its x0."""
        told = self.sigma if call.told_sigma is None else call.told_sigma.view(-1, 1, 1, 1)
        return (call.x - rows) / told

    def clean_rows(self, noise: Tensor) -> Tensor:
        """x0 of all rows: the sampler steps from its own latents."""
        return self.own - noise * self.sigma

    def of_pictures(self, weights: RowWeights) -> Tensor:
        """One row for each picture."""
        count = len(weights)
        return self.own[-count:] if len(self.own) > sum(map(len, weights)) else first_parts(self.own, weights)

    def noise(self, denoised: Tensor, weights: RowWeights) -> Tensor:
        """(B, C, h, w) of x0 after guidance."""
        return (self.of_pictures(weights) - denoised) / self.sigma

    def clean(self, noise: Tensor, weights: RowWeights) -> Tensor:
        return self.of_pictures(weights) - noise * self.sigma


def form_of(call: DenoiserCall) -> TimestepForm | None:
    """None where the sampler goes by sigmas: A1111's form is the engine's then."""
    return None if call.levels is None else TimestepForm(call.x, float(call.sigma[0]), call.levels)


def _root(sigma: float) -> float:
    return math.sqrt(sigma**2 + 1)
