"""What some checkpoints are shown besides the noisy latent.

Inpainting ones the mask, and the picture without its masked part; pix2pix ones the picture that they are to change.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from modules.engine.encode import encode_means, encode_pixels
from modules.loading.components import Components


def everything_masked(components: Components, batch: int, width: int, height: int, *, seed: int) -> Tensor | None:
    """For a pass without a picture: all masked, an even grey behind it. (B, 1 + C, h, w); None for other checkpoints.

    width, height: of the picture, in pixels. A pix2pix checkpoint is shown nothing: zeros (B, C, h, w).
    """
    if components.family.is_pix2pix:
        latent, weight = components.family.latent, next(components.vae.parameters())
        return torch.zeros(batch, latent.channels, height // latent.downscale, width // latent.downscale, device=weight.device)
    if not components.family.is_inpainting:
        return None
    grey = encode_pixels(torch.full((1, 3, height, width), 0.5), components.vae, components.family.latent, seed=seed)
    return torch.cat([torch.ones_like(grey[:, :1]), grey], dim=1).expand(batch, -1, -1, -1)


def masked_picture(
    components: Components, pixels: Tensor, latents: Tensor, mask: Image.Image | None, *, rounded: bool, weight: float, seed: int
) -> Tensor | None:
    """(B, 1 + C, h, w) from pixels (B, 3, H, W) in 0 .. 1 and their latents; None for other checkpoints.

    mask: white is painted; None means everything. rounded: nothing between masked and not masked.
    weight: how much the masked part is hidden, 1 wholly (A1111's "Conditional mask weight").
    A pix2pix checkpoint is shown the whole picture: (B, C, h, w), the VAE's own latents without noise or scale.
    """
    if components.family.is_pix2pix:
        return encode_means(pixels, components.vae)
    if not components.family.is_inpainting:
        return None
    hidden = torch.ones(1, 1, *pixels.shape[-2:])
    if mask is not None:
        size = pixels.shape[3], pixels.shape[2]
        fitting = mask.convert("L") if mask.size == size else mask.convert("L").resize(size)
        hidden = torch.from_numpy(np.asarray(fitting, dtype=np.float32) / 255.0)[None, None]
        hidden = hidden.round() if rounded else hidden
    centred = pixels * 2.0 - 1.0
    shown = torch.lerp(centred, centred * (1.0 - hidden), weight)
    encoded = encode_pixels((shown + 1.0) / 2.0, components.vae, components.family.latent, seed=seed)
    cells = torch.nn.functional.interpolate(hidden, size=latents.shape[-2:]).to(encoded)
    return torch.cat([cells.expand(len(encoded), -1, -1, -1), encoded], dim=1)
