"""A small picture from an unfinished latent: one colour per latent cell, by a linear map. No model call."""

from __future__ import annotations

import io
import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

# RGB in -1 .. 1 per latent channel, as published for Stable Diffusion 1's VAE (discuss.huggingface.co/t/decoding-latents-to-rgb-without-upscaling/23204).
_SD1_FACTORS = ((0.3512, 0.2297, 0.3227), (0.3250, 0.4974, 0.2350), (-0.2829, 0.1762, 0.2721), (-0.2120, -0.2616, -0.7177))
_SD1_DECODER_WIDTHS = (128, 256, 512, 512)
_FIT_CELLS = 8                                      # side of the latent that a fit decodes
_SHORT_SIDE = 96                                    # pixels: smaller previews are enlarged without smoothing


@dataclass(frozen=True, kw_only=True)
class PreviewMap:
    """rgb = latent @ weight + bias, in -1 .. 1. weight: (C, 3). bias: (3,). Both float32 on the CPU."""

    weight: Tensor
    bias: Tensor


_fitted: weakref.WeakKeyDictionary[Any, PreviewMap] = weakref.WeakKeyDictionary()


def preview_map(vae: Any, scale: float) -> PreviewMap:
    """The published factors for the standard VAE; for any other, a fit through its own decoder, made once per VAE."""
    config = vae.config
    if tuple(config.block_out_channels) == _SD1_DECODER_WIDTHS and config.latent_channels == 4 and abs(scale - 0.18215) < 1e-6:
        return PreviewMap(weight=torch.tensor(_SD1_FACTORS), bias=torch.zeros(3))
    if vae not in _fitted:
        _fitted[vae] = _fit(vae, scale)
    return _fitted[vae]


@torch.no_grad()
def _fit(vae: Any, scale: float) -> PreviewMap:
    """Least squares from smooth random latents to what the decoder makes of them."""
    weight = next(vae.parameters())
    channels, generator = vae.config.latent_channels, torch.Generator().manual_seed(0)
    coarse = torch.randn(1, channels, _FIT_CELLS // 2, _FIT_CELLS // 2, generator=generator)
    latent = torch.nn.functional.interpolate(coarse, size=(_FIT_CELLS, _FIT_CELLS), mode="bilinear") * 1.5
    (pixels,) = vae.decode((latent / scale).to(weight), return_dict=False)
    small = torch.nn.functional.adaptive_avg_pool2d(pixels.float().cpu(), (_FIT_CELLS, _FIT_CELLS))
    known = torch.cat([latent.flatten(2)[0].T, torch.ones(_FIT_CELLS**2, 1)], dim=1)
    solution = torch.linalg.lstsq(known, small.flatten(2)[0].T).solution
    if not torch.isfinite(solution).all():
        return PreviewMap(weight=torch.full((channels, 3), 0.25), bias=torch.zeros(3))
    return PreviewMap(weight=solution[:-1], bias=solution[-1])


def small_picture(latent: Tensor, mapping: PreviewMap) -> Image.Image:
    """(C, h, w) -> RGB, one pixel per cell, enlarged until its short side has 96 pixels."""
    values = latent.detach().to("cpu", torch.float32)
    rgb = torch.einsum("chw,cr->hwr", values, mapping.weight) + mapping.bias
    levels = ((rgb + 1) * 127.5).clamp(0, 255).nan_to_num(0).to(torch.uint8).numpy()
    picture = Image.fromarray(np.ascontiguousarray(levels), "RGB")
    factor = max(1, math.ceil(_SHORT_SIDE / min(picture.size)))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.BICUBIC)


def preview_maker(latents: Tensor, mapping: PreviewMap, file_format: str = "png") -> Callable[[], bytes]:
    """A function that draws all images of the batch side by side as a file's bytes; call it on any thread, or never."""

    def make() -> bytes:
        pictures = [small_picture(latent, mapping) for latent in latents]
        columns = math.ceil(math.sqrt(len(pictures)))
        width, height = pictures[0].size
        sheet = Image.new("RGB", (columns * width, math.ceil(len(pictures) / columns) * height))
        for index, picture in enumerate(pictures):
            sheet.paste(picture, (index % columns * width, index // columns * height))
        buffer = io.BytesIO()
        sheet.save(buffer, file_format.upper().replace("JPG", "JPEG"))
        return buffer.getvalue()

    return make
