"""Segmentation by UniFormer with UPerNet's head, from its original file. The head is run by transformers.

Source: Li et al. 2022, "UniFormer: Unified Transformer for Efficient Spatiotemporal Representation Learning".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from internal_controlnet.segment_colours import ADE

_HEAD = 64                                          # channels of an attention head
_SHORTER, _LONGEST = 512, 2048                      # pixels of the picture's sides, as it was trained
_MEAN, _SPREAD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
_LOOKS_AROUND = (False, False, True, True)          # levels whose blocks look at the whole picture; the first look at what is near


class _Patches(nn.Module):
    def __init__(self, read: int, given: int, size: int) -> None:
        super().__init__()
        self.proj, self.norm = nn.Conv2d(read, given, size, size), nn.LayerNorm(given)

    def forward(self, values: Tensor) -> Tensor:
        return _normed(self.norm, self.proj(values))


class _Two(nn.Module):
    """Wider, and back."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.fc1, self.fc2 = first, second

    def forward(self, values: Tensor) -> Tensor:
        return self.fc2(nn.functional.gelu(self.fc1(values)))


class _NearBlock(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.pos_embed = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.conv1, self.conv2 = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)
        self.attn = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.mlp = _Two(nn.Conv2d(width, inner, 1), nn.Conv2d(inner, width, 1))

    def forward(self, values: Tensor) -> Tensor:
        values = values + self.pos_embed(values)
        values = values + self.conv2(self.attn(self.conv1(self.norm1(values))))
        return values + self.mlp(self.norm2(values))


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(width, width * 3), nn.Linear(width, width)

    def forward(self, values: Tensor) -> Tensor:
        """(1, places, width)"""
        query, key, value = self.qkv(values).unflatten(2, (3, -1, _HEAD)).permute(2, 0, 3, 1, 4)
        found = nn.functional.scaled_dot_product_attention(query, key, value)
        return self.proj(found.transpose(1, 2).flatten(2))


class _AroundBlock(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.pos_embed = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn, self.mlp = _Attention(width), _Two(nn.Linear(width, inner), nn.Linear(inner, width))

    def forward(self, values: Tensor) -> Tensor:
        values = values + self.pos_embed(values)
        places = values.flatten(2).transpose(1, 2)
        places = places + self.attn(self.norm1(places))
        places = places + self.mlp(self.norm2(places))
        return places.transpose(1, 2).reshape(values.shape)


class _UniFormer(nn.Module):
    """Its parts have the names that the file gives them. widths, counts: of the blocks of every level."""

    def __init__(self, widths: list[int], inner: list[int], counts: list[int]) -> None:
        super().__init__()
        for level, (width, more, count, around) in enumerate(zip(widths, inner, counts, _LOOKS_AROUND, strict=True), start=1):
            self.add_module(f"patch_embed{level}", _Patches(widths[level - 2] if level > 1 else 3, width, 2 if level > 1 else 4))
            self.add_module(f"blocks{level}", nn.Sequential(*((_AroundBlock if around else _NearBlock)(width, more) for _ in range(count))))
            self.add_module(f"norm{level}", nn.LayerNorm(width, eps=1e-6))

    def forward(self, values: Tensor) -> list[Tensor]:
        found = []
        for level in range(1, len(_LOOKS_AROUND) + 1):
            values = self.get_submodule(f"blocks{level}")(self.get_submodule(f"patch_embed{level}")(values))
            found.append(_normed(self.get_submodule(f"norm{level}"), values))
        return found


class UniFormerNetwork(nn.Module):
    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def kinds(self, picture: np.ndarray) -> np.ndarray:
        """(H, W, 3), uint8, RGB -> (H, W): the number of each pixel's kind. The original shows the network blue as red; so it is here."""
        height, width = picture.shape[:2]
        scale = min(_SHORTER / min(height, width), _LONGEST / max(height, width))
        seen = cv2.resize(picture[:, :, ::-1], (int(width * scale + 0.5), int(height * scale + 0.5)), interpolation=cv2.INTER_LINEAR)
        values = torch.from_numpy((seen.astype(np.float32) - np.float32(_MEAN)) / np.float32(_SPREAD)).permute(2, 0, 1)[None]
        found = self.head(self.backbone(values.to(next(self.parameters()).device)))
        for size in (seen.shape[:2], (height, width)):
            found = nn.functional.interpolate(found.float(), size, mode="bilinear", align_corners=False)
        return found[0].argmax(dim=0).cpu().numpy()

    def drawn(self, picture: np.ndarray) -> np.ndarray:
        return ADE[self.kinds(picture)]


def _normed(norm: nn.Module, values: Tensor) -> Tensor:
    """Over the channels."""
    return norm(values.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous()


def uniformer(table: Mapping[str, Tensor]) -> UniFormerNetwork:
    """From the original's tensors; sizes are read off them."""
    from transformers import UperNetConfig
    from transformers.models.upernet.modeling_upernet import UperNetHead

    levels = range(1, len(_LOOKS_AROUND) + 1)
    widths = [table[f"backbone.patch_embed{level}.proj.weight"].shape[0] for level in levels]
    inner = [table[f"backbone.blocks{level}.0.mlp.fc1.weight"].shape[0] for level in levels]
    counts = [1 + max(int(found[1]) for name in table if (found := re.match(rf"backbone\.blocks{level}\.(\d+)\.", name))) for level in levels]
    kinds, channels = table["decode_head.conv_seg.weight"].shape[:2]
    head = UperNetHead(UperNetConfig(hidden_size=channels, num_labels=kinds, pool_scales=(1, 2, 3, 6)), widths)
    network = UniFormerNetwork(_UniFormer(widths, inner, counts), head)
    network.load_state_dict({_renamed(name): tensor for name, tensor in table.items() if not name.startswith("auxiliary_head.")})
    return network


def _renamed(name: str) -> str:
    """The head's tensors by transformers' names."""
    return re.sub(r"^decode_head\.", "head.", name).replace("head.conv_seg.", "head.classifier.").replace(".bn.", ".batch_norm.")
