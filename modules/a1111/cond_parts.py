"""Conditionings as A1111's denoiser cuts and joins them: a tensor, or for SDXL a dict of tensors."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from modules.a1111.app_slot import current
from modules.engine.image_conditioning import masked_picture


def catenate_conds(conds: Sequence[Any]) -> Any:
    """Row after row."""
    first = conds[0]
    return {key: torch.cat([each[key] for each in conds]) for key in first} if isinstance(first, dict) else torch.cat(list(conds))


def subscript_cond(cond: Any, a: int, b: int) -> Any:
    """Rows ``a`` to ``b``."""
    return {key: rows[a:b] for key, rows in cond.items()} if isinstance(cond, dict) else cond[a:b]


def pad_cond(tensor: Any, repeats: int, empty: Tensor) -> Any:
    """``empty``, the words of an empty prompt (1, 77, C), behind each row's own, ``repeats`` times. A dict is changed itself."""
    if isinstance(tensor, dict):
        tensor["crossattn"] = pad_cond(tensor["crossattn"], repeats, empty)
        return tensor
    return torch.cat([tensor, empty.repeat((tensor.shape[0], repeats, 1))], dim=1)


def txt2img_image_conditioning(sd_model: Any, x: Tensor, width: int, height: int) -> Tensor:
    """What a model that also reads a picture is told without one: nothing (B, 5, 1, 1); one for inpainting, that all is to be painted (B, 5, h, w)."""
    if getattr(getattr(sd_model, "model", None), "conditioning_key", None) not in ("hybrid", "concat"):
        return x.new_zeros(x.shape[0], 5, 1, 1)
    grey = sd_model.get_first_stage_encoding(sd_model.encode_first_stage(torch.full((x.shape[0], 3, height, width), 0.5, dtype=x.dtype, device=x.device)))
    return torch.cat([torch.ones_like(grey[:, :1]), grey], dim=1).to(x.dtype)


def img2img_image_conditioning(sd_model: Any, pixels: Tensor, latents: Tensor, mask: Any, rounded: bool, depth_map: Any = None, strength: float = 1.0) -> Tensor:
    """The same with a picture (B, 3, H, W) in -1 .. 1 and its latents. mask: white is painted, None means everything. depth_map, strength: as ``masked_picture`` has them."""
    weight = float(current().settings.get("inpainting_mask_weight"))
    found = masked_picture(
        sd_model.components, (pixels.float() + 1) / 2, latents, mask, rounded=rounded, weight=weight, seed=0, depth_map=depth_map, strength=strength)
    return latents.new_zeros(len(latents), 5, 1, 1) if found is None else found.to(latents)
