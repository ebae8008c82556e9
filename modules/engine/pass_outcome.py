"""What a sampling pass comes to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch import Tensor

from modules.engine.schedules import ScheduleSpec


@dataclass(frozen=True, kw_only=True)
class PassOutcome:
    """latents: (B, C, h, w). complete: False when it was interrupted. facts: infotext key -> value, as they arose.

    pixels: (3, H, W) in 0 .. 1 of each picture, where somebody decoded them on the way. whole: how many of them the VAE made; None: all.
    """

    latents: Tensor
    complete: bool
    schedule: ScheduleSpec
    calls: int = 0
    facts: dict[str, object] = field(default_factory=dict)
    pixels: tuple[Tensor, ...] | None = None
    whole: int | None = None

    def with_latents(self, latents: Tensor) -> PassOutcome:
        """Others: what was decoded shows them no more."""
        return self if latents is self.latents else replace(self, latents=latents, pixels=None, whole=None)
