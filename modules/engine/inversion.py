"""What is asked of a search for the noise in a picture; ``inverted_noise`` carries it out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass
class FoundNoise:
    """What was found last, and from what: the same picture and words again need no second search. It outlives the job."""

    key: Any = None
    latents: Tensor | None = None
    noise: Tensor | None = None

    def of(self, key: Any, latents: Tensor) -> Tensor | None:
        known = self.latents
        same = self.key == key and known is not None and known.shape == latents.shape and torch.equal(known, latents.cpu())
        return self.noise if same else None

    def keep(self, key: Any, latents: Tensor, noise: Tensor) -> None:
        self.key, self.latents, self.noise = key, latents.cpu(), noise


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """How to find the noise, and what to make of it.

    prompt, negative_prompt: what the picture shows. guidance_scale: 1 is the prompt alone; above 2 it seldom comes back.
    randomness: 0 the found noise, 1 fresh noise in its place. by_sigma: each step looks at the model at the sigma it comes from, not at
    the one it goes to, and the noise keeps its strength; otherwise it is brought to a standard deviation of 1.
    """

    prompt: str
    negative_prompt: str = ""
    guidance_scale: float = 1.0
    steps: int = 50
    randomness: float = 0.0
    by_sigma: bool = False
    found: FoundNoise = field(default_factory=FoundNoise, compare=False)
