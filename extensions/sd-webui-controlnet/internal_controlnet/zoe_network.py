"""ZoeDepth from its original file, run by transformers: the picture is looked at twice, once mirrored, with a mirrored rim around it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from internal_controlnet.tensor_names import by_patterns

_HEIGHT, _WIDTH, _CELL = 384, 512, 32               # as it was trained; sides are multiples of a cell
_RIM = 3.0                                          # times the root of half a side, in pixels
_NEAREST, _FARTHEST = 2, 85                         # per cent of the depths that are white, and not black


class ZoeNetwork(nn.Module):
    """A network with ``predicted_depth`` in metres."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def drawn(self, picture: np.ndarray) -> np.ndarray:
        """(H, W, 3), uint8 -> (H, W), uint8: bright is near."""
        values = torch.from_numpy(picture.astype(np.float32) / 255.0).permute(2, 0, 1)[None].to(next(self.parameters()).device)
        depth = ((self.depth(values) + self.depth(values.flip(3)).flip(2)) / 2)[0].float().cpu().numpy()
        near, far = np.percentile(depth, _NEAREST), np.percentile(depth, _FARTHEST)
        return ((1.0 - (depth - near) / max(far - near, 1e-6)) * 255.0).clip(0, 255).astype(np.uint8)

    def depth(self, values: Tensor) -> Tensor:
        """(1, 3, H, W) in 0 .. 1 -> (1, H, W)."""
        down, across = (int(math.sqrt(side / 2) * _RIM) for side in values.shape[-2:])
        whole = functional.pad(values, (across, across, down, down), mode="reflect")
        network: Any = self.network
        seen = functional.interpolate(whole, _fitting(*whole.shape[-2:]), mode="bilinear", align_corners=True) * 2 - 1
        found = network(pixel_values=seen).predicted_depth[:, None]
        found = functional.interpolate(found, whole.shape[-2:], mode="bicubic", align_corners=False)
        return found[:, 0, down : whole.shape[2] - down, across : whole.shape[3] - across]


def _fitting(height: int, width: int) -> tuple[int, int]:
    """The size at which it looks: that of the training on the side that changes less, the other in proportion."""
    scales = _HEIGHT / height, _WIDTH / width
    scale = min(scales, key=lambda each: (abs(1 - each), each is scales[1]))
    rows, columns = (max(round(side * scale / _CELL), 1) * _CELL for side in (height, width))
    return rows, columns


def zoe(table: Mapping[str, Tensor]) -> ZoeNetwork:
    """From the original's tensors."""
    from transformers import BeitConfig, ZoeDepthConfig, ZoeDepthForDepthEstimation

    found = renamed(table)
    seeing = BeitConfig(
        image_size=384, num_hidden_layers=24, hidden_size=1024, intermediate_size=4096, num_attention_heads=16, use_relative_position_bias=True,
        reshape_hidden_states=False, out_features=["stage6", "stage12", "stage18", "stage24"],
    )  # fmt: skip
    config = ZoeDepthConfig(
        backbone_config=seeing, neck_hidden_sizes=[256, 512, 1024, 1024], bin_centers_type="softplus",
        bin_configurations=[{"n_bins": 64, "min_depth": 0.001, "max_depth": 10.0}],
    )  # fmt: skip
    with torch.device("meta"):
        network: Any = ZoeDepthForDepthEstimation(config)
    network.metric_head = type(network.metric_head)(config)     # it holds numbers that are in no file
    network.load_state_dict(found, assign=True)
    return ZoeNetwork(network)


def renamed(table: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The original's tensors by transformers' names; what it does not read is left out."""
    parts = [_BEIT + rf"layers.\1.attention.{part}_proj.weight" for part in "qkv"]
    return by_patterns(table, _NAMES, joined=_VIT + r"blocks\.(\d+)\.attn\.qkv\.weight", parts=parts)


_VIT, _BEIT, _NECK, _SCRATCH, _HEAD = r"^core\.core\.pretrained\.model\.", "backbone.beit.", "neck.reassemble_stage.", r"^core\.core\.scratch\.", "metric_head."
_NAMES = (
    (_VIT + r"cls_token$", _BEIT + "embeddings.cls_token"),
    (_VIT + r"patch_embed\.proj\.", _BEIT + "embeddings.patch_embeddings.projection."),
    (_VIT + r"blocks\.(\d+)\.gamma_([12])$", _BEIT + r"layers.\1.lambda_\2"),
    (_VIT + r"blocks\.(\d+)\.norm1\.", _BEIT + r"layers.\1.layernorm_before."),
    (_VIT + r"blocks\.(\d+)\.norm2\.", _BEIT + r"layers.\1.layernorm_after."),
    (_VIT + r"blocks\.(\d+)\.attn\.([qv])_bias$", _BEIT + r"layers.\1.attention.\2_proj.bias"),
    (_VIT + r"blocks\.(\d+)\.attn\.proj\.", _BEIT + r"layers.\1.attention.o_proj."),
    (_VIT + r"blocks\.(\d+)\.attn\.relative_position_bias_table$", _BEIT + r"layers.\1.relative_position_bias.relative_position_bias_table"),
    (_VIT + r"blocks\.(\d+)\.mlp\.fc([12])\.", _BEIT + r"layers.\1.mlp.fc\2."),
    *((rf"^core\.core\.pretrained\.act_postprocess{level}\.0\.project\.0\.", f"{_NECK}readout_projects.{level - 1}.0.") for level in range(1, 5)),
    *((rf"^core\.core\.pretrained\.act_postprocess{level}\.3\.", f"{_NECK}layers.{level - 1}.projection.") for level in range(1, 5)),
    *((rf"^core\.core\.pretrained\.act_postprocess{level}\.4\.", f"{_NECK}layers.{level - 1}.resize.") for level in (1, 2, 4)),
    *((rf"{_SCRATCH}layer{level}_rn\.", f"neck.convs.{level - 1}.") for level in range(1, 5)),
    *((rf"{_SCRATCH}refinenet{level}\.out_conv\.", f"neck.fusion_stage.layers.{4 - level}.projection.") for level in range(1, 5)),
    *((rf"{_SCRATCH}refinenet{level}\.resConfUnit([12])\.conv([12])\.", rf"neck.fusion_stage.layers.{4 - level}.residual_layer\1.convolution\2.") for level in range(1, 5)),
    *((rf"{_SCRATCH}output_conv\.{place}\.", f"relative_head.conv{1 + place // 2}.") for place in (0, 2, 4)),
    (r"^conv2\.", _HEAD + "conv2."),
    *((rf"^(seed_bin_regressor|seed_projector|projectors\.\d|attractors\.\d)\._net\.{place}\.", rf"{_HEAD}\1.conv{1 + place // 2}.") for place in (0, 2)),
    (r"^conditional_log_binomial\.mlp\.([02])\.", _HEAD + r"conditional_log_binomial.mlp.\1."),
)  # fmt: skip
