"""Depth Anything from its original files, run by transformers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from internal_controlnet.tensor_names import by_patterns

_PATCH = 14
_SHORTER = 518                                      # pixels of the shorter side, as it was trained
_HEAD = 64                                          # channels of an attention head
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# layers whose output the head reads, by how many there are: the last four, or in version 2 some from every depth
_SPREAD_LAYERS = {12: [3, 6, 9, 12], 24: [5, 12, 18, 24], 40: [10, 20, 30, 40]}


class DepthNetwork(nn.Module):
    """A network with ``predicted_depth``, near is large."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def drawn(self, picture: np.ndarray) -> np.ndarray:
        """(H, W, 3), uint8 -> (H, W), uint8: 255 where it is nearest."""
        height, width = picture.shape[:2]
        device = next(self.parameters()).device
        pixels = cv2.resize(picture.astype(np.float32) / 255.0, _fitting(height, width), interpolation=cv2.INTER_CUBIC)
        values = torch.from_numpy((pixels - np.float32(_MEAN)) / np.float32(_SPREAD)).permute(2, 0, 1)[None].to(device)
        network: Any = self.network
        depth = network(pixel_values=values).predicted_depth[:, None]
        depth = nn.functional.interpolate(depth.float(), (height, width), mode="bilinear", align_corners=False)[0, 0]
        nearest, farthest = depth.max(), depth.min()
        return ((depth - farthest) / (nearest - farthest).clamp_min(1e-6) * 255.0).cpu().numpy().astype(np.uint8)


def _fitting(height: int, width: int) -> tuple[int, int]:
    """(width, height) in whole patches, the shorter side as in training."""
    scale = _SHORTER / min(height, width)
    across, down = (max(round(side * scale / _PATCH), -(-_SHORTER // _PATCH)) * _PATCH for side in (width, height))
    return across, down


def depth_anything(table: Mapping[str, Tensor], *, spread: bool) -> DepthNetwork:
    """From the original's tensors; sizes are read off them. spread: version 2, whose head reads layers of every depth."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    hidden = table["pretrained.cls_token"].shape[2]
    layers = 1 + max(int(found[1]) for name in table if (found := re.match(r"pretrained\.blocks\.(\d+)\.", name)))
    side = int((table["pretrained.pos_embed"].shape[1] - 1) ** 0.5)
    read = _SPREAD_LAYERS.get(layers) if spread else None
    backbone = Dinov2Config(
        hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=max(hidden // _HEAD, 1), image_size=side * _PATCH, patch_size=_PATCH,
        mlp_ratio=table["pretrained.blocks.0.mlp.fc1.weight"].shape[0] // hidden, out_indices=read or list(range(layers - 3, layers + 1)), apply_layernorm=True,
        reshape_hidden_states=False,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, patch_size=_PATCH, reassemble_hidden_size=hidden, fusion_hidden_size=table["depth_head.scratch.layer1_rn.weight"].shape[0],
        neck_hidden_sizes=[table[f"depth_head.projects.{number}.weight"].shape[0] for number in range(4)],
        head_hidden_size=table["depth_head.scratch.output_conv2.0.weight"].shape[0],
    )  # fmt: skip
    with torch.device("meta"):
        network = DepthAnythingForDepthEstimation(config)
    network.load_state_dict(renamed(table), assign=True)
    return DepthNetwork(network)


def renamed(table: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The original's tensors by transformers' names."""
    parts = [rf"backbone.encoder.layer.\1.attention.{part}_proj.\2" for part in "qkv"]
    return by_patterns(table, _NAMES, joined=r"pretrained\.blocks\.(\d+)\.attn\.qkv\.(weight|bias)", parts=parts)


_NAMES = (
    (r"^pretrained\.(cls_token|mask_token)$", r"backbone.embeddings.\1"),
    (r"^pretrained\.pos_embed$", "backbone.embeddings.position_embeddings"),
    (r"^pretrained\.patch_embed\.proj\.", "backbone.embeddings.patch_embeddings.projection."),
    (r"^pretrained\.norm\.", "backbone.layernorm."),
    (r"^pretrained\.blocks\.(\d+)\.attn\.proj\.", r"backbone.encoder.layer.\1.attention.o_proj."),
    (r"^pretrained\.blocks\.(\d+)\.ls([12])\.gamma$", r"backbone.encoder.layer.\1.layer_scale\2.lambda1"),
    (r"^pretrained\.blocks\.(\d+)\.(norm[12]|mlp\.fc[12])\.", r"backbone.encoder.layer.\1.\2."),
    (r"^depth_head\.projects\.(\d)\.", r"neck.reassemble_stage.layers.\1.projection."),
    (r"^depth_head\.resize_layers\.(\d)\.", r"neck.reassemble_stage.layers.\1.resize."),
    *((rf"^depth_head\.scratch\.layer{level}_rn\.", f"neck.convs.{level - 1}.") for level in range(1, 5)),
    *((rf"^depth_head\.scratch\.refinenet{level}\.out_conv\.", f"neck.fusion_stage.layers.{4 - level}.projection.") for level in range(1, 5)),
    *((rf"^depth_head\.scratch\.refinenet{level}\.resConfUnit([12])\.conv([12])\.", rf"neck.fusion_stage.layers.{4 - level}.residual_layer\1.convolution\2.")
      for level in range(1, 5)),
    (r"^depth_head\.scratch\.output_conv1\.", "head.conv1."),
    (r"^depth_head\.scratch\.output_conv2\.0\.", "head.conv2."),
    (r"^depth_head\.scratch\.output_conv2\.2\.", "head.conv3."),
)  # fmt: skip
