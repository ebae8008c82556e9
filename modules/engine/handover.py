"""The refiner's moment: when another model takes over inside a pass, and what it brings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor

from modules.engine.noise_levels import Levels

if TYPE_CHECKING:
    from modules.engine.denoiser import ConditioningLike
    from modules.engine.pass_model import PassModel

_LAST_TIMESTEP, _TIMESTEPS = 999, 1000
_ROUNDING = 1e-3                                    # a whole timestep comes back from its sigma a little off


@dataclass(frozen=True, kw_only=True)
class Successor:
    """The model that takes over, with what it is conditioned on. facts: infotext key -> value."""

    model: PassModel
    conditioning: ConditioningLike
    empty_prompt: Tensor | None = None
    image_cond: Tensor | None = None
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Handover:
    """When, and to whom. switch_at: the share of the way that the first model goes, 0 .. 1.

    by_steps: the way is counted in denoiser calls, otherwise in timesteps. take: loads the successor; called once.
    """

    switch_at: float
    by_steps: bool
    take: Callable[[], Successor]

    def is_due(self, step: int, total_steps: int, sigma: float, levels: Levels, *, by_timestep: bool) -> bool:
        """Before the denoiser's call number ``step`` at ``sigma``. by_timestep: of a sampler that counts in timesteps itself.

        A1111 takes the nearest trained noise level's number for the timestep, also where a model knows only 50 of them (LCM).
        """
        if self.by_steps:
            return step / max(total_steps, 1) >= self.switch_at
        level = int(levels.timestep(sigma) + _ROUNDING) if by_timestep else int((levels.sigmas - sigma).abs().argmin())
        return (_LAST_TIMESTEP - level) / _TIMESTEPS >= self.switch_at
