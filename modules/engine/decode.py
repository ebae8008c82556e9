"""Latents -> pictures, one at a time, so that the memory for decoding does not grow with the batch."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from modules.schema.errors import WebuiError

log = logging.getLogger(__name__)


class NotANumber(WebuiError):
    """A picture came out as NaN: some step overflowed in half precision."""

    status = 500


def decode_latent(latent: Tensor, vae: Any, *, scale: float, shift: float = 0.0) -> Tensor:
    """One latent (C, h, w) -> pixels (3, H, W), float32 in 0 .. 1, on the latent's device.

    A VAE in half precision that overflows is tried once more in float32. Raises NotANumber when the latent itself is spoilt.
    """
    if not torch.isfinite(latent).all():
        raise NotANumber("The model's output is not a number (NaN) in this picture.", "Start with --no-half, or use --upcast-sampling.")
    weight = next(vae.parameters())
    pixels = _decoded(latent, vae, weight.dtype, scale, shift)
    if weight.dtype != torch.float32 and not torch.isfinite(pixels).all():
        log.warning("the VAE overflowed in %s; decoding this picture in float32 (--no-half-vae does so at once)", weight.dtype)
        vae.to(torch.float32)
        try:
            pixels = _decoded(latent, vae, torch.float32, scale, shift)
        finally:
            vae.to(weight.dtype)
    if not torch.isfinite(pixels).all():
        raise NotANumber("The VAE's output is not a number (NaN).", "Choose another VAE, or start with --no-half-vae.")
    return pixels


def _decoded(latent: Tensor, vae: Any, dtype: torch.dtype, scale: float, shift: float) -> Tensor:
    (pixels,) = vae.decode((latent[None] / scale + shift).to(dtype), return_dict=False)
    return pixels[0].float().add_(1.0).mul_(0.5).clamp_(0.0, 1.0)


def as_picture(pixels: Tensor) -> Image.Image:
    """(3, H, W) in 0 .. 1 -> RGB picture; values are cut to whole levels, not rounded, as in A1111."""
    levels = (pixels * 255.0).permute(1, 2, 0).to("cpu", torch.uint8)
    return Image.fromarray(np.ascontiguousarray(levels.numpy()), "RGB")
