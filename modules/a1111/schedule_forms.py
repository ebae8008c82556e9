"""Schedules between A1111's form, function(n=, sigma_min=, sigma_max=, inner_model=, rho=, device=), and the engine's."""
from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from modules.a1111.inner_model import LevelsAlone
from modules.a1111.model_view import sd_model
from modules.engine.noise_levels import NoiseLevels
from modules.engine.schedules import ScheduleInput, ScheduleSpec
from modules.schema.errors import InvalidValue

log = logging.getLogger(__name__)


def schedule_for_extensions(spec: ScheduleSpec) -> Callable[..., Tensor]:
    """One of ours, as extensions call it. Those that need a model read ``inner_model.sigmas``."""

    def function(n: int, sigma_min: Any, sigma_max: Any, inner_model: Any = None, device: Any = None, *, rho: float = 0.0, **_: Any) -> Tensor:
        if inner_model is not None and not hasattr(inner_model, "sigmas"):      # the fourth of those that need none: rho in A1111
            inner_model, rho = None, inner_model if isinstance(inner_model, int | float) else rho
        sigmas = torch.tensor([float(sigma_min), float(sigma_max)]) if inner_model is None else inner_model.sigmas.detach().float().cpu()
        asked = ScheduleInput(
            steps=int(n), levels=NoiseLevels(sigmas=sigmas, log_sigmas=sigmas.log()), sigma_min=float(sigma_min), sigma_max=float(sigma_max), rho=float(rho),
            is_sdxl=spec.name == "align_your_steps" and bool(getattr(sd_model(), "is_sdxl", False)),
        )  # fmt: skip
        return spec.function(asked).to(device)

    return function


def schedule_of_extension(scheduler: Any) -> ScheduleSpec:
    """An entry of ``sd_schedulers.schedulers``, as the engine calls it."""
    rho = getattr(scheduler, "default_rho", -1)
    needs_model = bool(getattr(scheduler, "need_inner_model", False))

    def function(asked: ScheduleInput) -> Tensor:
        given: dict[str, Any] = {"n": asked.steps, "sigma_min": asked.sigma_min, "sigma_max": asked.sigma_max, "device": torch.device("cpu")}
        given |= {"rho": asked.rho} if asked.rho else {}
        given |= {"inner_model": LevelsAlone(sd_model(), asked.levels)} if needs_model else {}
        try:
            return torch.as_tensor(scheduler.function(**given)).detach().float().cpu().flatten()
        except Exception as error:
            log.exception("the schedule %s failed", scheduler.label)
            raise InvalidValue(f"The schedule {scheduler.label}, which an extension brought, failed: {error}", "Choose another schedule type.", field="scheduler") from error

    return ScheduleSpec(
        name=str(scheduler.name), label=str(scheduler.label), function=function, aliases=tuple(map(str, scheduler.aliases or ())),
        default_rho=None if rho in (None, -1) else float(rho), needs_levels=needs_model, ours=True,
    )  # fmt: skip
