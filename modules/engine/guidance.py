"""Classifier-free guidance: away from the unconditional prediction, with a weight for each AND part of a prompt."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

RowWeights = Sequence[Sequence[tuple[int, float]]]
"""Per image: the (row, weight) of each of its AND parts."""


def guided(cond: Tensor, uncond: Tensor, guidance_scale: float) -> Tensor:
    """Move away from the unconditional prediction.

    cond, uncond: predictions of equal shape (B, C, h, w), both as x0 or both as noise.
    guidance_scale: 1.0 returns ``cond``; A1111 shows it as "CFG Scale".
    Source: Ho & Salimans 2022 (arXiv:2207.12598), in the form used by Imagen.
    """
    return uncond + guidance_scale * (cond - uncond)


def combine(cond_rows: Tensor, uncond: Tensor | None, weights: RowWeights, guidance_scale: float) -> Tensor:
    """One prediction (B, C, h, w) per image from the rows of all its parts.

    cond_rows: (R, C, h, w). uncond: (B, C, h, w), or None in a step without guidance: then each image's first part stands
    in for it and the scale is 1, as A1111 does.
    Source: Liu et al. 2022, "Compositional Visual Generation" (arXiv:2206.01714) for several parts.
    """
    if uncond is None:
        uncond, guidance_scale = first_parts(cond_rows, weights), 1.0
        if all(len(parts) == 1 and parts[0][1] == 1.0 for parts in weights):
            return uncond
    weight = weights[0][0][1]
    if all(len(parts) == 1 and parts[0] == (image, weight) for image, parts in enumerate(weights)):
        return guided(cond_rows, uncond, weight * guidance_scale)
    result = uncond.clone()
    for image, parts in enumerate(weights):
        for row, part_weight in parts:
            result[image] += (cond_rows[row] - uncond[image]) * (part_weight * guidance_scale)
    return result


def first_parts(rows: Tensor, weights: RowWeights) -> Tensor:
    """The row of each image's first AND part."""
    places = [parts[0][0] for parts in weights]
    return rows if places == list(range(len(rows))) else torch.stack([rows[place] for place in places])


def is_plain(weights: RowWeights) -> bool:
    """Each image has one part of weight 1: guidance at scale 1 is then the part itself."""
    return all(len(parts) == 1 and parts[0][1] == 1.0 for parts in weights)


def as_long(guided: Tensor, cond: Tensor, x: Tensor) -> Tensor:
    """``guided`` with the way from ``x`` to it made as long as that to ``cond``, token by token of two by two cells and all channels.

    All (B, C, h, w), the predictions as x0. Source: Qwen-Image's pipeline in diffusers.
    """
    def length(way: Tensor) -> Tensor:
        squares = functional.avg_pool2d(way.square().sum(dim=1, keepdim=True), 2, ceil_mode=True)
        return squares.sqrt().repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)[..., : x.shape[2], : x.shape[3]]

    return x + (guided - x) * (length(cond - x) / length(guided - x).clamp(min=1e-12))
