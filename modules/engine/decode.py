"""Latents -> pictures, one at a time, so that the memory for decoding does not grow with the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from modules.compute.precision import check_finite, finite_or_upcast

VAE_REMEDY = "Choose another VAE, or start with --no-half-vae."


def decode_latent(latent: Tensor, vae: Any, *, scale: float, shift: float = 0.0, types: Sequence[str] = ("float32",)) -> Tensor:
    """One latent (C, h, w) -> pixels (3, H, W), float32 in 0 .. 1, on the latent's device.

    A VAE in half precision that overflows goes on in the next of ``types``. Raises NotFinite.
    """
    check_finite(latent, what="The model's output for this picture", remedy="Start with --no-half, or use --upcast-sampling.")
    return finite_or_upcast(vae, lambda dtype: _decoded(latent, vae, dtype, scale, shift), what="The VAE's output", remedy=VAE_REMEDY, types=types)


def _decoded(latent: Tensor, vae: Any, dtype: torch.dtype, scale: float, shift: float) -> Tensor:
    (pixels,) = vae.decode((latent[None] / scale + shift).to(dtype), return_dict=False)
    return pixels[0].float().add_(1.0).mul_(0.5).clamp_(0.0, 1.0)


def as_picture(pixels: Tensor) -> Image.Image:
    """(3, H, W) in 0 .. 1 -> RGB picture; values are cut to whole levels, not rounded, as in A1111."""
    levels = (pixels * 255.0).permute(1, 2, 0).to("cpu", torch.uint8)
    return Image.fromarray(np.ascontiguousarray(levels.numpy()), "RGB")
