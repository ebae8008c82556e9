"""Latents -> pictures, one at a time, so that the memory for decoding does not grow with the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from modules.compute.precision import check_finite, finite_or_upcast
from modules.engine.vae_memory import NO_RESCUE, VaeRescue, tiles_for, with_less_memory

VAE_REMEDY = "Choose another VAE, or start with --no-half-vae."


def decode_latent(
    latent: Tensor, vae: Any, *, scale: float, shift: float = 0.0, types: Sequence[str] = ("float32",), rescue: VaeRescue = NO_RESCUE,
    clamped: bool = True,
) -> Tensor:  # fmt: skip
    """One latent (C, h, w) -> pixels (3, H, W), float32, on the latent's device; in 0 .. 1 where ``clamped``, else as far beyond as the VAE went.

    A VAE in half precision that overflows goes on in the next of ``types``. Where memory runs out it is tried once more, then in tiles.
    Raises NotFinite, and what says that memory ran out.
    """
    check_finite(latent, what="The model's output for this picture", remedy="Start with --no-half, or use --upcast-sampling.")

    def with_pixels(decode: Callable[[Tensor], Tensor]) -> Tensor:
        return finite_or_upcast(vae, lambda dtype: _decoded(latent, dtype, scale, shift, decode, clamped), what="The VAE's output", remedy=VAE_REMEDY, types=types)

    def whole(z: Tensor) -> Tensor:
        return vae.decode(z, return_dict=False)[0]

    def in_tiles() -> Tensor:
        with tiles_for(vae, *latent.shape[-2:]):
            return with_pixels(whole)

    return with_less_memory(lambda: with_pixels(whole), in_tiles, done="decoded", rescue=rescue)


def _decoded(latent: Tensor, dtype: torch.dtype, scale: float, shift: float, decode: Callable[[Tensor], Tensor], clamped: bool) -> Tensor:
    pixels = decode((latent[None] / scale + shift).to(dtype))[0].float().add_(1.0).mul_(0.5)
    return pixels.clamp_(0.0, 1.0) if clamped else pixels


def as_picture(pixels: Tensor) -> Image.Image:
    """(3, H, W) in 0 .. 1 -> RGB picture; values are cut to whole levels, not rounded, as in A1111."""
    levels = (pixels * 255.0).permute(1, 2, 0).to("cpu", torch.uint8)
    return Image.fromarray(np.ascontiguousarray(levels.numpy()), "RGB")
