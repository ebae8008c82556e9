"""Makes one starter ControlNet of several: the mean of their weights follows a map better than any of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from modules.starter.control_training import build_control
from modules.starter.original_layout import fill_control

STRENGTH = 1.4  # a network that is still learning answers too weakly
CONNECTIONS = ("controlnet_down_blocks.", "controlnet_mid_block.")


@torch.no_grad()
def blend_controls(unet: UNet2DConditionModel, paths: Sequence[Path], strength: float = STRENGTH) -> ControlNetModel:
    """paths: files of one training at several moments. strength: what the connections to the UNet are multiplied with; 1 leaves them."""
    blended, one = build_control(unet), build_control(unet)
    for number, path in enumerate(paths):
        fill_control(one, path)
        for mean, each in zip(blended.parameters(), one.parameters(), strict=True):
            mean.lerp_(each, 1 / (number + 1))
    for name, weights in blended.named_parameters():
        if name.startswith(CONNECTIONS):
            weights.mul_(strength)
    return blended.eval().requires_grad_(False)
