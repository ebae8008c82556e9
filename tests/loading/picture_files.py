"""Tiny upscaler files with random weights, in the key layouts of the real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from modules.loading import picture_models

KINDS = ("ESRGAN", "SwinIR", "DAT", "Compact")


def tiny_network(kind: str, scale: int) -> nn.Module:
    """A network of spandrel's own class, so that its keys are those of published files."""
    picture_models._library()
    torch.manual_seed(len(kind) * 10 + scale)
    options: dict[str, Any]
    if kind == "ESRGAN":
        from spandrel.architectures.ESRGAN import ESRGAN

        return ESRGAN(num_filters=8, num_blocks=1, scale=scale)
    if kind == "Compact":
        from spandrel.architectures.Compact import Compact

        return Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=scale)
    if kind == "SwinIR":
        from spandrel.architectures.SwinIR import SwinIR

        options = {"window_size": 8, "img_range": 1.0, "depths": [2], "num_heads": [2], "mlp_ratio": 2, "resi_connection": "1conv"}
        return SwinIR(upscale=scale, img_size=16, embed_dim=12, upsampler="pixelshuffle", **options)
    from spandrel.architectures.DAT import DAT

    options = {"split_size": [8, 8], "depth": [1], "num_heads": [2], "expansion_factor": 2, "resi_connection": "1conv"}
    return DAT(upscale=scale, img_size=16, embed_dim=16, **options)


def tiny_upscaler(path: Path, kind: str, scale: int) -> Path:
    """A file at ``path``: wrapped as trainers wrap it in a pickle, bare in a safetensors file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = tiny_network(kind, scale).state_dict()
    if path.suffix == ".safetensors":
        save_file({name: tensor.contiguous() for name, tensor in table.items()}, path)
    else:
        torch.save({"params_ema": table}, path)
    return path
