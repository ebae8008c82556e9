"""The denoiser of a pass, with what the sampler has to know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class PassModel:
    """The model of a pass as the sampler needs it."""

    unet: Any
    alphas_cumprod: Tensor
    predicts_v: bool
    compute_dtype: torch.dtype
    is_sdxl: bool = False
    split_guidance: bool = False
