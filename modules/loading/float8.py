"""A denoiser whose large weights are kept in 8 bits: half the memory of float16. Each layer's are widened while it computes."""

from __future__ import annotations

from typing import Any

import torch

STORED = torch.float8_e4m3fn
_KEPT_WIDE = ("norm", "pos_embed", "patch_embed", "conv_in", "conv_out", "time_embed", "proj_out$")  # small, and picky


def keep_in_float8(denoiser: Any, compute_dtype: torch.dtype) -> None:
    """From now on ``denoiser``, a model of diffusers', keeps the weights of its linear and convolution layers as float8."""
    from diffusers.hooks.layerwise_casting import apply_layerwise_casting

    own = getattr(denoiser, "_skip_layerwise_casting_patterns", None) or ()
    apply_layerwise_casting(denoiser, storage_dtype=STORED, compute_dtype=compute_dtype, skip_modules_pattern=(*_KEPT_WIDE, *own))
