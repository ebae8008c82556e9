"""Pictures -> latents, one at a time, so that the memory for encoding does not grow with the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from modules.compute.noise import Stream
from modules.compute.precision import finite_or_upcast
from modules.engine.decode import VAE_REMEDY
from modules.engine.vae_memory import CELL, NO_RESCUE, VaeRescue, tiles_for, with_less_memory
from modules.families.family import LatentFormat


def as_pixels(pictures: Sequence[Image.Image]) -> Tensor:
    """RGB pictures of one size -> (B, 3, H, W), float32 in 0 .. 1."""
    return torch.from_numpy(np.stack([np.asarray(picture, dtype=np.float32) / 255.0 for picture in pictures])).permute(0, 3, 1, 2)


def encode_pixels(pixels: Tensor, vae: Any, latent: LatentFormat, *, seed: int, rescue: VaeRescue = NO_RESCUE) -> Tensor:
    """(B, 3, H, W) in 0 .. 1 -> latents (B, C, h, w), float32 on the VAE's device.

    A VAE names a range per value; where in it the latent lies is drawn from ``seed``, as in A1111. The range is tiny.
    A VAE in half precision that overflows goes on in float32. Where memory runs out it is tried once more, then in tiles.
    Raises NotFinite, and what says that memory ran out.
    """
    return encode_drawn(pixels, vae, latent, Stream(seed, "CPU"), rescue)


def encode_drawn(pixels: Tensor, vae: Any, latent: LatentFormat, stream: Stream, rescue: VaeRescue = NO_RESCUE) -> Tensor:
    """``encode_pixels`` with the place in the range drawn from ``stream``, which others draw from too."""
    latents = []
    mean = spread = torch.empty(0)
    for number, each in enumerate(pixels):
        if number == 0 or not torch.equal(each, pixels[number - 1]):
            mean, spread = encode_range(each, vae, rescue)
        latents.append((mean + spread * stream.randn(mean.shape).to(mean) - latent.shift) * latent.scale)
    return torch.stack(latents)


def encode_means(pixels: Tensor, vae: Any, rescue: VaeRescue = NO_RESCUE) -> Tensor:
    """(B, 3, H, W) in 0 .. 1 -> the middles of the ranges that the VAE names, (B, C, h, w), not scaled. Raises NotFinite."""
    return torch.stack([encode_range(each, vae, rescue)[0] for each in pixels])


def encode_range(pixels: Tensor, vae: Any, rescue: VaeRescue = NO_RESCUE) -> tuple[Tensor, Tensor]:
    """(3, H, W) in 0 .. 1 -> middle and standard deviation of the range that the VAE names, (C, h, w) each, not scaled. Raises NotFinite."""
    def whole() -> Tensor:
        return finite_or_upcast(vae, lambda dtype: _distribution(pixels, vae, dtype), what="The VAE's output for the input picture", remedy=VAE_REMEDY)

    def in_tiles() -> Tensor:
        with tiles_for(vae, pixels.shape[-2] // CELL, pixels.shape[-1] // CELL):
            return whole()

    mean, spread = with_less_memory(whole, in_tiles, done="encoded", rescue=rescue)
    return mean, spread


def _distribution(pixels: Tensor, vae: Any, dtype: torch.dtype) -> Tensor:
    """Mean and standard deviation, (2, C, h, w)."""
    like = next(vae.parameters())
    (found,) = vae.encode((pixels[None] * 2.0 - 1.0).to(like.device, dtype), return_dict=False)
    return torch.stack([found.mean[0].float(), found.std[0].float()])
