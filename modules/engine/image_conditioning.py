"""What some checkpoints are shown besides the noisy latent.

Inpainting ones the mask, and the picture without its masked part; pix2pix ones, FLUX.1 Kontext and FLUX.2 the picture that they are to change;
depth ones how far everything in it is; FLUX.1 depth and canny a picture of that, or of its edges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from modules.engine.encode import as_pixels, encode_means, encode_pixels
from modules.engine.seen_pictures import scaled_to
from modules.engine.vae_memory import NO_RESCUE, VaeRescue
from modules.families.family import FurtherPictures, ModelFamily
from modules.loading.components import Components
from modules.schema.errors import InvalidValue

_TOKEN = 4          # cells of two by two


def is_controlled(components: Components) -> bool:
    """Whether it is shown a picture of distances or edges now: its family is, or a LoRA has made its first layer as wide."""
    family = components.family
    if family.is_controlled or family.denoiser != "flux":
        return family.is_controlled
    layer: Any = components.unet.x_embedder
    return layer.weight.shape[1] == 2 * family.in_channels * _TOKEN


def everything_masked(components: Components, batch: int, width: int, height: int, *, seed: int, rescue: VaeRescue = NO_RESCUE) -> Tensor | None:
    """For a pass without a picture: all masked, an even grey behind it. (B, 1 + C, h, w); None for other checkpoints.

    width, height: of the picture, in pixels. A pix2pix checkpoint is shown nothing: zeros (B, C, h, w).
    """
    if components.family.is_pix2pix:
        latent, weight = components.family.latent, next(components.vae.parameters())
        return torch.zeros(batch, latent.channels, height // latent.downscale, width // latent.downscale, device=weight.device)
    if components.family.is_depth:                  # nothing is nearer than anything else
        latent, weight = components.family.latent, next(components.vae.parameters())
        return torch.zeros(batch, 1, height // latent.downscale, width // latent.downscale, device=weight.device)
    if is_controlled(components):                   # all is far, and has no edges
        black = encode_pixels(torch.zeros(1, 3, height, width), components.vae, components.family.latent, seed=seed, rescue=rescue)
        return black.expand(batch, -1, -1, -1)
    if not components.family.is_inpainting:
        return None
    grey = encode_pixels(torch.full((1, 3, height, width), 0.5), components.vae, components.family.latent, seed=seed, rescue=rescue)
    return _joined(components.family, torch.ones(1, 1, height, width), grey).expand(batch, -1, -1, -1)


def masked_picture(
    components: Components, pixels: Tensor, latents: Tensor, mask: Image.Image | None, *, rounded: bool, weight: float, seed: int,
    depth_map: Image.Image | None = None, strength: float = 1.0, rescue: VaeRescue = NO_RESCUE,
) -> Tensor | None:
    """(B, 1 + C, h, w) from pixels (B, 3, H, W) in 0 .. 1 and their latents; None for other checkpoints.

    mask: white is painted; None means everything. rounded: nothing between masked and not masked.
    weight: how much the masked part is hidden, 1 wholly (A1111's "Conditional mask weight"). strength: how much of the picture is redrawn.
    A pix2pix checkpoint is shown the whole picture: (B, C, h, w), the VAE's own latents without noise or scale. A depth
    checkpoint is shown ``depth_map``: (B, 1, h, w). Raises InvalidValue when there is none.
    FLUX.1 depth and canny are shown the latents of ``depth_map``, or of the picture itself, Kontext and FLUX.2 those of the picture: (B, C, h, w).
    """
    latent = components.family.latent
    if components.family.is_depth:
        return _depth(depth_map, components, latents)
    if components.family.is_pix2pix:
        return encode_means(pixels, components.vae, rescue)
    if components.family.reads_picture == "always" or (components.family.reads_picture == "at full strength" and strength == 1.0 and mask is None):
        return (encode_means(pixels, components.vae, rescue) - latent.shift) * latent.scale
    if is_controlled(components):
        shown = pixels if depth_map is None else as_pixels([_in_colours(depth_map).resize((pixels.shape[3], pixels.shape[2]))]).to(pixels)
        return encode_pixels(shown, components.vae, latent, seed=seed, rescue=rescue).expand(len(pixels), -1, -1, -1)
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
    encoded = encode_pixels((shown + 1.0) / 2.0, components.vae, latent, seed=seed, rescue=rescue)
    return _joined(components.family, hidden, encoded)


def further_pictures(components: Components, pictures: Sequence[Image.Image], *, rescue: VaeRescue = NO_RESCUE) -> tuple[Tensor, ...]:
    """Latents (1, C, h, w) of each RGB picture that the model is shown besides img2img's, in its own shape; none for a model that takes one picture."""
    size, latent = components.family.further, components.family.latent
    if size is None:
        return ()
    fitted = [_in_its_shape(each, size) for each in pictures]
    return tuple((encode_means(as_pixels([each]), components.vae, rescue) - latent.shift) * latent.scale for each in fitted)


def _in_its_shape(picture: Image.Image, size: FurtherPictures) -> Image.Image:
    """Brought to the area; what is no multiple then is cut off all around, or stretched where the area is always the same."""
    if size.enlarges:
        return picture.resize(scaled_to(picture.size, size.area, size.multiple), Image.Resampling.LANCZOS)
    if picture.width * picture.height > size.area:
        shrunk = math.sqrt(size.area / (picture.width * picture.height))
        picture = picture.resize((int(picture.width * shrunk), int(picture.height * shrunk)), Image.Resampling.LANCZOS)
    width, height = (max(side // size.multiple, 1) * size.multiple for side in picture.size)
    if width > picture.width or height > picture.height:        # thinner than one token
        return picture.resize((width, height), Image.Resampling.LANCZOS)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def _depth(depth_map: Image.Image | None, components: Components, latents: Tensor) -> Tensor:
    """The map's farthest point as -1, its nearest as 1: A1111's scale of what MiDaS estimates."""
    if depth_map is None:
        raise InvalidValue(
            f"{components.checkpoint.name} draws by a map of distances, and none was given.",
            "Put one into the field Depth map on img2img, over the API into depth_map (bright is near; a depth preprocessor of any program makes it):"
            " this version has no MiDaS that would estimate it.",
            field="depth_map",
        )
    values = torch.from_numpy(np.asarray(depth_map.convert("F"), dtype=np.float32).copy())[None, None]
    cells = torch.nn.functional.interpolate(values, size=latents.shape[-2:], mode="bicubic", align_corners=False)
    low, high = cells.aminmax()
    spread = (cells - low) / (high - low) * 2.0 - 1.0 if high > low else torch.zeros_like(cells)
    return spread.to(latents).expand(len(latents), -1, -1, -1)


def _in_colours(picture: Image.Image) -> Image.Image:
    """RGB; of maps in more than 8 bits the nearest is white."""
    if picture.mode not in ("I", "F") and not picture.mode.startswith("I;"):
        return picture.convert("RGB")
    values = np.asarray(picture.convert("F"), dtype=np.float32)
    levels = (values - values.min()) / max(float(np.ptp(values)), 1e-6) * 255.0
    return Image.fromarray(levels.astype(np.uint8), "L").convert("RGB")


def _joined(family: ModelFamily, hidden: Tensor, encoded: Tensor) -> Tensor:
    """Mask (1, 1, H, W) and masked picture's latents (B, C, h, w) in one. FLUX.1 fill reads every pixel of the mask, and after the picture."""
    rows, columns = encoded.shape[-2:]
    if not family.is_flow:
        cells = torch.nn.functional.interpolate(hidden, size=(rows, columns)).to(encoded)
        return torch.cat([cells.expand(len(encoded), -1, -1, -1), encoded], dim=1)
    side = family.latent.downscale
    pixels = torch.nn.functional.interpolate(hidden, size=(rows * side, columns * side))
    cells = pixels.view(1, rows, side, columns, side).permute(0, 2, 4, 1, 3).reshape(1, side**2, rows, columns).to(encoded)
    return torch.cat([encoded, cells.expand(len(encoded), -1, -1, -1)], dim=1)
