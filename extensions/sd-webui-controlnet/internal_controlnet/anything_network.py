"""Segment Anything in its small form, MobileSAM: every area that it finds anywhere in the picture, each in a colour by chance. The network is controlnet_aux's."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from internal_controlnet.hints import scaled_size
from internal_controlnet.stand_ins import network_package, standing_in

KEY = "mobile_sam"
_POINTS = 32                                        # along each side at which it is asked what is there
_WHOLE = 64                                         # the hint's sides are multiples of it
_BRIGHTEST = 255                                    # of a colour; it never is as bright


class AnythingNetwork(nn.Module):
    def __init__(self, table: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.sam = _module("build_sam").build_sam_vit_t()
        self.sam.load_state_dict(dict(table))

    def areas(self, picture: np.ndarray, points: int = _POINTS) -> list[np.ndarray]:
        """(H, W, 3), uint8, RGB -> what belongs together, (H, W) of True and False each, the largest first."""
        self.sam.train().eval()                     # it keeps what it reckons from its weights where they were then
        found = _module("automatic_mask_generator").SamAutomaticMaskGenerator(self.sam, points_per_side=points).generate(picture)
        return [each["segmentation"] for each in sorted(found, key=lambda each: each["area"], reverse=True)]

    def drawn(self, picture: np.ndarray) -> np.ndarray:
        """The colours come from numpy's global stream: callers seed it."""
        found = np.zeros_like(picture)
        for area in self.areas(picture):
            found[area] = [np.random.randint(_BRIGHTEST, dtype=np.uint8) for _ in range(3)]
        return found


def fitted(picture: np.ndarray, resolution: float) -> np.ndarray:
    """The picture at the size at which it is looked at and its hint comes: the shorter side is about ``resolution``."""
    height, width = picture.shape[:2]
    scale = float(resolution) / min(height, width)
    size = tuple(max(round(side / _WHOLE), 1) * _WHOLE for side in scaled_size(picture, scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_LANCZOS4 if scale > 1 else cv2.INTER_AREA)


def _module(name: str) -> Any:
    package = network_package("segment_anything")
    with standing_in(_STAND_INS):
        return importlib.import_module(f"{package}.{name}")


def _distinct(boxes: Tensor, scores: Tensor, _kinds: Tensor, iou_threshold: float) -> Tensor:
    """Numbers of the boxes (left, top, right, bottom) that overlap no better one too much, the best first."""
    order, kept = scores.sort(descending=True, stable=True).indices, []
    boxes = boxes[order]
    sizes = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    left = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    for at in range(len(boxes)):
        if left[at]:
            kept.append(at)
            common = (torch.minimum(boxes[at, 2:], boxes[:, 2:]) - torch.maximum(boxes[at, :2], boxes[:, :2])).clamp_min(0).prod(dim=1)
            left &= ~(common / (sizes[at] + sizes - common) > iou_threshold)      # a box without a size, 0 / 0, is in nobody's way
    return order[torch.tensor(kept, dtype=torch.long, device=boxes.device)]


def _sized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture.resize(size[::-1], Image.Resampling.BILINEAR)


class _PassedOn(nn.Module):
    """Drops nothing: its parts are only left out in training."""

    def __init__(self, _share: float = 0.0) -> None:
        super().__init__()


def _in_two(value: int) -> tuple[int, int]:
    return value, value


# what the package's files take from torchvision and timm, which are not installed
_STAND_INS: dict[str, dict[str, Any]] = {
    "torchvision.ops.boxes": {"batched_nms": _distinct, "box_area": None},
    "torchvision.transforms.functional": {"resize": _sized, "to_pil_image": Image.fromarray},
    "timm.models.layers": {"DropPath": _PassedOn, "to_2tuple": _in_two, "trunc_normal_": nn.init.trunc_normal_},
    "timm.models.registry": {"register_model": lambda build: build},
}
