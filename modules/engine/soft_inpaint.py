"""Soft inpainting: the original gives way gradually, in the latent and in the finished picture.

The method of A1111's built-in extension (CodeHatchling); the unmasked part changes where the new picture asks for it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor

from modules.compute.precision import widest_float
from modules.engine.resolved import SoftInpaint
from modules.imaging.masks import Box, overlay, put_back
from modules.imaging.resize import RESIZE_AND_FILL, fitted

_TINY = 0.00001
_KERNEL_REACH, _KERNEL_WIDTH = 2, 1.5               # cells
_SMOOTHING = 4                                      # pixels: hides the latent's cells in the mask


def soft_blend(soft: SoftInpaint, kept: Tensor, latent: Tensor, painted: Tensor, level: float) -> Tensor:
    """Mix (B, C, h, w) latents by the mask; the noisier the step, the more of ``kept`` comes through the half-masked part.

    painted: (1, h, w) in 0 .. 1. level: sigma, or the timestep in timestep samplers. The length of the mixed vectors
    is mixed by itself, leaning to the longer one: plain mixing of unlike latents is too short, and blurs.
    """
    share = torch.pow(painted, level**soft.schedule_bias * soft.preservation_strength)
    mixed = kept * (1 - share) + latent * share
    power = soft.transition_contrast_boost
    wide = widest_float(latent)
    lengths = [torch.norm(each, dim=1, keepdim=True).to(wide) ** power for each in (kept, latent)]
    wanted = (lengths[0] * (1 - share) + lengths[1] * share) ** (1 / power)
    return mixed * (wanted / (torch.norm(mixed, dim=1, keepdim=True).to(wide) + _TINY)).to(mixed.dtype)


def soft_facts(soft: SoftInpaint) -> dict[str, object]:
    """The parameters text's fields; whole numbers without a point, as the page sends them."""
    values = {field.name: getattr(soft, field.name) for field in fields(soft)}
    named = {f"Soft inpainting {name.replace('_', ' ')}": int(value) if value == int(value) else value for name, value in values.items()}
    return {"Soft inpainting enabled": True, **named}


def changed_overlays(
    soft: SoftInpaint, pictures: Sequence[Image.Image], kept: Tensor, latents: Tensor, painted: Tensor, size: tuple[int, int], box: Box | None
) -> list[Image.Image]:
    """RGBA overlays: each of ``pictures`` opaque where its latent did not change in the pass.

    kept, latents: (B, C, h, w) before and after. painted: (1, h, w). size: (width, height) of the pass in pixels.
    """
    changed = torch.norm(latents - kept, p=2, dim=1).float().cpu().numpy()
    half = soft.difference_threshold * _tolerance(soft, painted)
    overlays = []
    for distances, picture in zip(changed, pictures):
        distances = _weighted_window(distances, 0.9, 1.0)
        distances = _weighted_window(distances, 0.25, 0.75)
        kept_share = 1 / (1 + (distances / half) ** soft.difference_contrast)
        cells = Image.fromarray((255.0 * (1 - _smoother_step(kept_share))).astype(np.uint8))
        whole = picture.size if box is None else size       # a picture that is enlarged as a latent is smaller than the pass
        mask = fitted(cells, *whole, RESIZE_AND_FILL).convert("L").filter(ImageFilter.GaussianBlur(_SMOOTHING))
        overlays.append(overlay(picture, mask if box is None else put_back(mask, box, picture.size)))
    return overlays


def _tolerance(soft: SoftInpaint, painted: Tensor) -> NDArray[np.float32]:
    """(h, w): how large a change must be to show; the more the mask counts, the less change is let through outside it."""
    outside = 1 - painted[0].float().clamp(0, 1) ** (soft.preservation_strength / 2)
    scaled = 0.5 * (1 - soft.mask_influence) + outside * soft.mask_influence
    return (scaled / (1.00001 - scaled)).cpu().numpy()


def _smoother_step(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """0 .. 1 -> 0 .. 1 with no slope and no curvature at either end."""
    return x**3 * (x * (x * 6 - 15) + 10)


@functools.cache
def _kernel() -> NDArray[np.float64]:
    """A bell over 5 x 5 cells that is 1 in the middle and 0 three cells away."""
    steps = np.arange(-_KERNEL_REACH, _KERNEL_REACH + 1)
    bell = np.exp(-(steps[:, None] ** 2 + steps[None, :] ** 2) / _KERNEL_WIDTH**2)
    foot = np.exp(-((_KERNEL_REACH + 1) ** 2) / _KERNEL_WIDTH**2)
    return np.maximum((bell - foot) / (1 - foot), 0)


def _weighted_window(values: NDArray[np.floating], low: float, high: float) -> NDArray[np.float64]:
    """For each cell the mean of its neighbours that lie between two shares of their total weight, in order of value.

    low, high: 0 .. 1; (0.5, 0.5) would be the weighted median. The window weighs at least as much as one cell.
    """
    kernel = _kernel()
    reach, (height, width) = _KERNEL_REACH, values.shape
    offsets = [(row, column) for row in range(2 * reach + 1) for column in range(2 * reach + 1)]
    padded = np.pad(values.astype(np.float64), reach)
    present = np.pad(np.ones_like(values, dtype=np.float64), reach)
    around = np.stack([padded[r : r + height, c : c + width] for r, c in offsets])
    weights = np.stack([present[r : r + height, c : c + width] * kernel[r, c] for r, c in offsets])
    order = np.argsort(around, axis=0, kind="stable")
    around, weights = np.take_along_axis(around, order, 0), np.take_along_axis(weights, order, 0)
    ends = np.cumsum(weights, axis=0)
    total = ends[-1]
    start, stop = _at_least_one(total * low, total * high, total)
    inside = np.clip(np.minimum(ends, stop) - np.maximum(ends - weights, start), 0, None)
    weight = inside.sum(axis=0)
    return np.divide((around * inside).sum(axis=0), weight, out=np.zeros_like(weight), where=weight > 0)


def _at_least_one(
    start: NDArray[np.float64], stop: NDArray[np.float64], total: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The window widened to weight 1 around its middle, and shifted back inside 0 .. total."""
    middle, narrow = (start + stop) / 2, stop - start < 1
    start, stop = np.where(narrow, middle - 0.5, start), np.where(narrow, middle + 0.5, stop)
    above = narrow & (stop > total)
    start, stop = np.where(above, total - 1, start), np.where(above, total, stop)
    below = narrow & (start < 0)
    return np.where(below, 0.0, start), np.where(below, 1.0, stop)
