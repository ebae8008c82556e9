"""A small picture from an unfinished latent: one colour per latent cell, by a linear map; or by a network that is handed in."""

from __future__ import annotations

import io
import math
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from modules.families.family import LatentFormat

# RGB in -1 .. 1 per latent channel, as published for Stable Diffusion 1's VAE (discuss.huggingface.co/t/decoding-latents-to-rgb-without-upscaling/23204).
_SD1_FACTORS = ((0.3512, 0.2297, 0.3227), (0.3250, 0.4974, 0.2350), (-0.2829, 0.1762, 0.2721), (-0.2120, -0.2616, -0.7177))
_SD1_DECODER_WIDTHS = (128, 256, 512, 512)
_CELL = 8                                           # pixels to one latent cell
_FIT_CELLS, _FIT_PICTURES = 8, 6                    # side of the latents that a fit looks at, and their number
_SHORT_SIDE = 96                                    # pixels: smaller previews are enlarged without smoothing


@dataclass(frozen=True, kw_only=True)
class PreviewMap:
    """rgb = latent @ weight + bias, in -1 .. 1. weight: (C, 3). bias: (3,). Both float32 on the CPU."""

    weight: Tensor
    bias: Tensor

    def picture(self, latent: Tensor) -> Image.Image:
        return small_picture(latent, self)

    def pixels(self, latent: Tensor) -> Tensor:
        return quickly_decoded(latent[None], self)[0]


class Painter(Protocol):
    """Draws a latent (C, h, w): as a preview's picture, or as pixels (3, H, W) in 0 .. 1, as large as the VAE would make them."""

    def picture(self, latent: Tensor) -> Image.Image: ...

    def pixels(self, latent: Tensor) -> Tensor: ...


@dataclass(frozen=True, kw_only=True)
class NetworkPainter:
    """decode: latents (1, C, h, w) as the denoiser has them -> (1, 3, H, W) in -1 .. 1; called on any thread. held: kept meanwhile, where others use it too."""

    decode: Callable[[Tensor], Tensor]
    held: AbstractContextManager[Any] = field(default_factory=nullcontext)

    @torch.no_grad()
    def picture(self, latent: Tensor) -> Image.Image:
        with self.held:
            levels = self.decode(latent[None])[0].float().add(1).mul(127.5).nan_to_num(0).clamp(0, 255)
        return Image.fromarray(np.ascontiguousarray(levels.permute(1, 2, 0).to("cpu", torch.uint8).numpy()), "RGB")

    def pixels(self, latent: Tensor) -> Tensor:
        size = [side * _CELL for side in latent.shape[-2:]]
        return torch.nn.functional.interpolate((self.decode(latent[None]).float() + 1) / 2, size, mode="bicubic")[0].nan_to_num(0).clamp(0, 1)


_fitted: weakref.WeakKeyDictionary[Any, PreviewMap] = weakref.WeakKeyDictionary()


def preview_map(vae: Any, latent: LatentFormat) -> PreviewMap:
    """The published factors for the standard VAE; for any other, a fit through its own encoder, made once per VAE."""
    config = vae.config
    if tuple(config.block_out_channels) == _SD1_DECODER_WIDTHS and config.latent_channels == 4 and abs(latent.scale - 0.18215) < 1e-6:
        return PreviewMap(weight=torch.tensor(_SD1_FACTORS), bias=torch.zeros(3))
    if vae not in _fitted:
        _fitted[vae] = _fit(vae, latent)
    return _fitted[vae]


@torch.no_grad()
def _fit(vae: Any, form: LatentFormat) -> PreviewMap:
    """Least squares from what the encoder makes of coloured patches to their colours."""
    weight = next(vae.parameters())
    generator = torch.Generator().manual_seed(0)
    patches = torch.rand(_FIT_PICTURES, 3, _FIT_CELLS // 2, _FIT_CELLS // 2, generator=generator) * 2 - 1
    cells = patches.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    pixels = torch.nn.functional.interpolate(cells, scale_factor=_CELL, mode="nearest")
    latent = vae.encode(pixels.to(weight)).latent_dist.mean.float().cpu().sub(form.shift) * form.scale
    known = torch.cat([latent.movedim(1, 3).flatten(0, 2), torch.ones(cells.numel() // 3, 1)], dim=1)
    solution = torch.linalg.lstsq(known, cells.movedim(1, 3).flatten(0, 2)).solution
    if not torch.isfinite(solution).all():
        return PreviewMap(weight=torch.full((latent.shape[1], 3), 0.25), bias=torch.zeros(3))
    return PreviewMap(weight=solution[:-1], bias=solution[-1])


def small_picture(latent: Tensor, mapping: PreviewMap) -> Image.Image:
    """(C, h, w) -> RGB, one pixel per cell, enlarged until its short side has 96 pixels."""
    values = latent.detach().to("cpu", torch.float32)
    rgb = torch.einsum("chw,cr->hwr", values, mapping.weight) + mapping.bias
    levels = ((rgb + 1) * 127.5).clamp(0, 255).nan_to_num(0).to(torch.uint8).numpy()
    picture = Image.fromarray(np.ascontiguousarray(levels), "RGB")
    factor = max(1, math.ceil(_SHORT_SIDE / min(picture.size)))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.BICUBIC)


def quickly_decoded(latents: Tensor, mapping: PreviewMap) -> list[Tensor]:
    """(B, C, h, w) -> pixels (3, H, W) in 0 .. 1 of each, by the map alone, as large as the VAE would make them."""
    rgb = torch.einsum("bchw,cr->brhw", latents.detach().to("cpu", torch.float32), mapping.weight) + mapping.bias[:, None, None]
    whole = torch.nn.functional.interpolate((rgb.nan_to_num(0) + 1) / 2, scale_factor=_CELL, mode="bicubic")
    return list(whole.clamp(0, 1))


def preview_maker(latents: Tensor, painter: Painter, file_format: str = "png") -> Callable[[], bytes]:
    """A function that draws all images of the batch side by side as a file's bytes; call it on any thread, or never."""

    def make() -> bytes:
        pictures = [painter.picture(latent) for latent in latents]
        columns = math.ceil(math.sqrt(len(pictures)))
        width, height = pictures[0].size
        sheet = Image.new("RGB", (columns * width, math.ceil(len(pictures) / columns) * height))
        for index, picture in enumerate(pictures):
            sheet.paste(picture, (index % columns * width, index // columns * height))
        buffer = io.BytesIO()
        sheet.save(buffer, file_format.upper().replace("JPG", "JPEG"))
        return buffer.getvalue()

    return make
