"""The denoiser of a pass, with what the sampler has to know of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from modules.engine.flow import FlowLevels
from modules.families.family import Denoiser, FlowShift


@dataclass(frozen=True, kw_only=True)
class FlowModel:
    """What a flow model has besides: how it is called, how far its steps are moved, what CFG Scale is to it."""

    kind: Denoiser
    shift: FlowShift
    guidance: str = "classifier-free"
    keeps_length: bool = False
    takes_further: bool = False             # pictures beside img2img's

    def levels(self, cells: Sequence[int], steps: int) -> FlowLevels:
        """For a latent of (h, w) ``cells``."""
        return FlowLevels(shift=self.shift.at((cells[-2] + 1) // 2 * ((cells[-1] + 1) // 2), steps))


@dataclass(frozen=True, kw_only=True)
class PassModel:
    """The model of a pass as the sampler needs it. flow: of a flow model, None for the others.

    call: what to call in place of ``unet`` (see compute/replay), None: itself.
    """

    unet: Any
    alphas_cumprod: Tensor
    predicts_v: bool
    compute_dtype: torch.dtype
    is_sdxl: bool = False
    split_guidance: bool = False
    flow: FlowModel | None = None
    call: Callable[..., Any] | None = None
