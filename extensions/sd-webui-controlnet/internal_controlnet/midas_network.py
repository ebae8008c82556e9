"""MiDaS' DPT-Hybrid from its original file, run by transformers: depth, and the normals that follow from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from internal_controlnet.tensor_names import by_patterns

_PATCH = 16
_STEEPNESS = 2 * math.pi                            # of a surface that faces the camera, against the depth's slope


class MidasNetwork(nn.Module):
    """A network with ``predicted_depth``, near is large."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def depth(self, picture: np.ndarray) -> np.ndarray:
        """(H, W, 3), uint8, sides multiples of 32 -> (H, W)."""
        values = torch.from_numpy(picture.astype(np.float32) / 127.5 - 1.0).permute(2, 0, 1)[None].to(next(self.parameters()).device)
        return self(values)[0].float().cpu().numpy()

    def forward(self, values: Tensor) -> Tensor:
        """(B, 3, H, W) within [-1, 1] -> (B, H, W). transformers' own way through takes pictures of one size only."""
        network: Any = self.network
        height, width = values.shape[-2:]
        network.dpt.embeddings.image_size = (height, width)
        seen = network.dpt(pixel_values=values, output_hidden_states=True)
        late = [seen.hidden_states[1 + layer] for layer in network.config.backbone_out_indices[2:]]
        return network.head(network.neck([*seen.intermediate_activations, *late], height // _PATCH, width // _PATCH))

    def drawn(self, picture: np.ndarray) -> np.ndarray:
        return (_spread(self.depth(picture)) * 255.0).clip(0, 255).astype(np.uint8)

    def normals(self, picture: np.ndarray, background: float) -> np.ndarray:
        """(H, W, 3), uint8. background: what is farther, as a share of the range, faces the camera."""
        depth = self.depth(picture)
        far = _spread(depth) < background
        across, down = (cv2.Sobel(depth, cv2.CV_32F, *axis, ksize=3) for axis in ((1, 0), (0, 1)))
        across[far], down[far] = 0, 0
        found = np.stack([across, down, np.full_like(across, _STEEPNESS)], axis=2)
        found /= np.linalg.norm(found, axis=2, keepdims=True)
        return np.ascontiguousarray((found * 127.5 + 127.5).clip(0, 255).astype(np.uint8)[:, :, ::-1])


def _spread(depth: np.ndarray) -> np.ndarray:
    """0 where it is farthest, 1 where it is nearest."""
    found = depth - depth.min()
    return found / max(float(found.max()), 1e-6)


def dpt_hybrid(table: Mapping[str, Tensor]) -> MidasNetwork:
    """From the original's tensors."""
    from transformers import DPTConfig, DPTForDepthEstimation

    config = DPTConfig(
        is_hybrid=True, hidden_size=768, reassemble_factors=[1, 1, 1, 0.5], neck_hidden_sizes=[256, 512, 768, 768], patch_size=_PATCH, image_size=384, readout_type="project",
        use_batch_norm_in_fusion_residual=False,
    )  # fmt: skip
    with torch.device("meta"):
        network = DPTForDepthEstimation(config)
    network.load_state_dict(renamed(table), assign=True)
    return MidasNetwork(network)


def renamed(table: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The original's tensors by transformers' names; what it does not read is left out."""
    parts = [rf"dpt.encoder.layer.\1.attention.attention.{part}.\2" for part in ("query", "key", "value")]
    return by_patterns(table, _NAMES, joined=r"pretrained\.model\.blocks\.(\d+)\.attn\.qkv\.(weight|bias)", parts=parts)


_VIT, _BIT, _NECK = r"^pretrained\.model\.", "dpt.embeddings.backbone.bit.", "neck.reassemble_stage."
_NAMES = (
    (_VIT + r"cls_token$", "dpt.embeddings.cls_token"),
    (_VIT + r"pos_embed$", "dpt.embeddings.position_embeddings"),
    (_VIT + r"patch_embed\.proj\.", "dpt.embeddings.projection."),
    (_VIT + r"patch_embed\.backbone\.stem\.conv\.", _BIT + "embedder.convolution."),
    (_VIT + r"patch_embed\.backbone\.stem\.norm\.", _BIT + "embedder.norm."),
    (_VIT + r"patch_embed\.backbone\.stages\.(\d)\.blocks\.(\d+)\.", _BIT + r"encoder.stages.\1.layers.\2."),
    (_VIT + r"norm\.", "dpt.layernorm."),
    (_VIT + r"blocks\.(\d+)\.norm1\.", r"dpt.encoder.layer.\1.layernorm_before."),
    (_VIT + r"blocks\.(\d+)\.norm2\.", r"dpt.encoder.layer.\1.layernorm_after."),
    (_VIT + r"blocks\.(\d+)\.attn\.proj\.", r"dpt.encoder.layer.\1.attention.output.dense."),
    (_VIT + r"blocks\.(\d+)\.mlp\.fc1\.", r"dpt.encoder.layer.\1.intermediate.dense."),
    (_VIT + r"blocks\.(\d+)\.mlp\.fc2\.", r"dpt.encoder.layer.\1.output.dense."),
    *((rf"^pretrained\.act_postprocess{level}\.0\.project\.0\.", f"{_NECK}readout_projects.{level - 1}.0.") for level in (3, 4)),
    *((rf"^pretrained\.act_postprocess{level}\.3\.", f"{_NECK}layers.{level - 1}.projection.") for level in (3, 4)),
    (r"^pretrained\.act_postprocess4\.4\.", f"{_NECK}layers.3.resize."),
    *((rf"^scratch\.layer{level}_rn\.", f"neck.convs.{level - 1}.") for level in range(1, 5)),
    *((rf"^scratch\.refinenet{level}\.out_conv\.", f"neck.fusion_stage.layers.{4 - level}.projection.") for level in range(1, 5)),
    *((rf"^scratch\.refinenet{level}\.resConfUnit([12])\.conv([12])\.", rf"neck.fusion_stage.layers.{4 - level}.residual_layer\1.convolution\2.") for level in range(1, 5)),
    (r"^scratch\.output_conv\.([024])\.", r"head.head.\1."),
)  # fmt: skip
