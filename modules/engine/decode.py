"""Latents -> pictures, one at a time, so that the memory for decoding does not grow with the batch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from modules.compute.memory import free_memory, is_out_of_memory
from modules.compute.precision import check_finite, finite_or_upcast

log = logging.getLogger(__name__)
_TILE, _CELL = 64, 8
VAE_REMEDY = "Choose another VAE, or start with --no-half-vae."


def decode_latent(
    latent: Tensor, vae: Any, *, scale: float, shift: float = 0.0, types: Sequence[str] = ("float32",), make_room: Callable[[], None] = lambda: None,
    said: Callable[[str], None] = lambda words: None,
) -> Tensor:
    """One latent (C, h, w) -> pixels (3, H, W), float32 in 0 .. 1, on the latent's device.

    A VAE in half precision that overflows goes on in the next of ``types``. Where memory runs out it is tried once more after ``make_room``, then in tiles;
    ``said`` is told. Raises NotFinite, and what says that memory ran out.
    """
    check_finite(latent, what="The model's output for this picture", remedy="Start with --no-half, or use --upcast-sampling.")

    def with_pixels(decode: Callable[[Tensor], Tensor]) -> Tensor:
        return finite_or_upcast(vae, lambda dtype: _decoded(latent, dtype, scale, shift, decode), what="The VAE's output", remedy=VAE_REMEDY, types=types)

    def whole(z: Tensor) -> Tensor:
        return vae.decode(z, return_dict=False)[0]

    tries = ((whole, ""), (whole, "Memory ran out while a picture was decoded; what was not needed was let go, and it was decoded again."),
             (lambda z: _in_tiles(vae, z), "Memory ran out while a picture was decoded; it was decoded in tiles, whose seams may show."))
    for number, (decode, words) in enumerate(tries):
        try:
            pixels = with_pixels(decode)
        except Exception as error:
            if not is_out_of_memory(error) or number + 1 == len(tries):
                raise
            log.warning("memory ran out while a picture was decoded")
            error.with_traceback(None)              # its frames hold what is in the way
        else:
            if words:
                said(words)
            return pixels
        make_room()
        free_memory()
    raise AssertionError


def _decoded(latent: Tensor, dtype: torch.dtype, scale: float, shift: float, decode: Callable[[Tensor], Tensor]) -> Tensor:
    return decode((latent[None] / scale + shift).to(dtype))[0].float().add_(1.0).mul_(0.5).clamp_(0.0, 1.0)


def _in_tiles(vae: Any, z: Tensor) -> Tensor:
    """Tiles of 64 cells, or of some half the picture where that is less; neighbours overlap by a quarter and are blended."""
    half = -(-max(z.shape[-2:]) // 2)
    cells = min(_TILE, -(-half // 4) * 4)           # a quarter of it must be whole
    before = vae.tile_latent_min_size, vae.tile_sample_min_size
    vae.tile_latent_min_size, vae.tile_sample_min_size = cells, cells * _CELL
    try:
        return vae.tiled_decode(z, return_dict=False)[0]
    finally:
        vae.tile_latent_min_size, vae.tile_sample_min_size = before


def as_picture(pixels: Tensor) -> Image.Image:
    """(3, H, W) in 0 .. 1 -> RGB picture; values are cut to whole levels, not rounded, as in A1111."""
    levels = (pixels * 255.0).permute(1, 2, 0).to("cpu", torch.uint8)
    return Image.fromarray(np.ascontiguousarray(levels.numpy()), "RGB")
