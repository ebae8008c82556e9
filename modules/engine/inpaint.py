"""Inpainting: which part of the picture is drawn anew, how the rest is kept in every step, and how it is put back."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn.functional import interpolate

from modules.compute.noise import ImageNoise, NoiseSpec
from modules.engine.denoiser import Blend
from modules.engine.hooks import MaskBlend
from modules.engine.resolved import ResolvedInpaint
from modules.engine.soft_inpaint import soft_blend
from modules.imaging.masks import Box, as_mask, blurred, covered_box, doubled, in_proportion
from modules.imaging.resize import RESIZE_AND_FILL, fitted

FILL, ORIGINAL, LATENT_NOISE, LATENT_NOTHING = range(4)
BLANK_MASK = 'Unable to perform "Inpaint Only mask" because mask is blank, switch to img2img mode.'


@dataclass(frozen=True, kw_only=True)
class MaskedArea:
    """The mask at the size of the pass, and how its picture goes back into the whole.

    mask: mode L or RGB, white is painted. over: what the overlay is cut with, at the size of the input picture or of the pass.
    box: the part of the input picture that is drawn, None for all of it.
    """

    mask: Image.Image
    over: Image.Image
    box: Box | None = None


def masked_area(inpaint: ResolvedInpaint, width: int, height: int, resize_mode: int) -> MaskedArea | None:
    """The area for a pass of width x height pixels; None when only the masked part is wanted and nothing is masked."""
    mask = as_mask(inpaint.mask, rounded=inpaint.round_mask and inpaint.soft is None)
    if inpaint.invert:
        mask = ImageOps.invert(mask)
    mask = blurred(mask, inpaint.blur_x, inpaint.blur_y)
    if not inpaint.only_masked:
        mask = fitted(mask, width, height, resize_mode)
        return MaskedArea(mask=mask, over=doubled(mask))
    box = covered_box(mask, inpaint.padding)
    if box is None:
        return None
    box = in_proportion(box, (width, height), mask.size)
    return MaskedArea(mask=fitted(mask.crop(box), width, height, RESIZE_AND_FILL), over=mask, box=box)


def latent_mask(mask: Image.Image, cells: Sequence[int], *, rounded: bool) -> Tensor:
    """(1, h, w) in 0 .. 1, 1 where the latent is painted. cells: (h, w)."""
    small = np.asarray(mask.convert("RGB").resize((cells[1], cells[0])), dtype=np.float64)[..., 0] / 255
    return torch.from_numpy((np.around(small) if rounded else small).astype(np.float32))[None]


def with_content(latents: Tensor, painted: Tensor, fill: int, noise: NoiseSpec) -> Tensor:
    """Start latents (B, C, h, w) with what the masked content asks for. noise: of the batch, without variations."""
    if fill == LATENT_NOISE:
        plain = ImageNoise(replace(noise, variation_strength=0.0, resize_from=(0, 0), ensd=0)).first()
        return latents * (1 - painted) + plain.to(latents) * painted
    return latents * (1 - painted) if fill == LATENT_NOTHING else latents


Told = Callable[[MaskBlend], Tensor]
"""Hears of a blend; gives what the pass goes on with."""


def _as_it_is(blend: MaskBlend) -> Tensor:
    return blend.blended


def step_blend(inpaint: ResolvedInpaint, kept: Tensor, painted: Tensor, told: Told = _as_it_is, *, by_timestep: bool) -> Blend:
    """What keeps the unmasked part of ``kept`` (B, C, h, w) in each step. painted: (1, h, w), 1 where it is painted.

    A1111's timestep samplers see the kept part clean in the noisy input; the others have it put into the prediction.
    """
    def mixed(latent: Tensor, level: float) -> Tensor:
        there, area = _in_size_of(latent, kept), _in_size_of(latent, painted[None])[0]
        own = latent * area + there * (1 - area) if inpaint.soft is None else soft_blend(inpaint.soft, there, latent, area, level)
        return told(MaskBlend(latent=latent, kept=there, painted=area, blended=own, level=level))

    def in_input(latent: Tensor, sigma: float, timestep: float) -> Tensor:
        grown = math.sqrt(1 + sigma**2)             # these samplers keep the latent scaled as the model was trained
        return mixed(latent / grown, timestep) * grown

    if by_timestep:
        return Blend(apply=in_input, before_denoising=True)
    return Blend(apply=lambda latent, sigma, timestep: mixed(latent, sigma))


def _in_size_of(latent: Tensor, given: Tensor) -> Tensor:
    """Some samplers of extensions (SMEA) look at the model in other sizes than the picture's."""
    return given if given.shape[-2:] == latent.shape[-2:] else interpolate(given, latent.shape[-2:], mode="nearest-exact")


def final_blend(inpaint: ResolvedInpaint, latents: Tensor, kept: Tensor, painted: Tensor, told: Told = _as_it_is) -> Tensor:
    """The finished latents with the unmasked part of ``kept``; soft inpainting has no such border."""
    own = latents if inpaint.soft is not None else latents * painted + kept * (1 - painted)
    return told(MaskBlend(latent=latents, kept=kept, painted=painted, blended=own, level=None))
