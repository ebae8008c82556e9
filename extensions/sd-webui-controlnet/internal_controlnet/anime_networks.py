"""Networks for drawings: the parts of an anime face, and the lines of a manga without its screen tones. Both are read from the original's files.

Sources: Sandler et al. 2018, "MobileNetV2", which transformers runs; Li et al. 2017, "Deep Extraction of Manga Structural Lines".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from internal_controlnet.tensor_names import by_patterns

# background, hair, eye, mouth, face, skin, clothes
_PARTS = np.array([(255, 255, 0), (0, 0, 255), (255, 0, 0), (255, 255, 255), (0, 255, 0), (0, 255, 255), (255, 0, 255)], np.uint8)
_SHORTER = 512                                      # pixels of the shorter side, as it was trained
_BLOCKS = (2, 3, 7, 3)                              # of MobileNetV2, below its first: they lie at a quarter, an eighth ... of the size
_CHANNELS = (16, 24, 32, 96, 160)                   # at these sizes, half of the picture's first


class FaceParts(nn.Module):
    """A U-Net that goes down MobileNetV2."""

    def __init__(self) -> None:
        from transformers import MobileNetV2Config, MobileNetV2Model

        super().__init__()
        whole: Any = MobileNetV2Model(MobileNetV2Config(tf_padding=False, layer_norm_eps=1e-5), add_pooling_layer=False)
        starts = [sum(_BLOCKS[:level]) for level in range(len(_BLOCKS))]
        self.down = nn.ModuleList([nn.Sequential(whole.conv_stem), *(nn.Sequential(*whole.layer[start : start + count]) for start, count in zip(starts, _BLOCKS, strict=True))])
        self.up = nn.ModuleList()
        for level, channels in enumerate(_CHANNELS):
            read = channels if level == len(_CHANNELS) - 1 else channels * 2
            after: tuple[nn.Module, ...] = (nn.InstanceNorm2d(_CHANNELS[level - 1]), nn.LeakyReLU(0.1)) if level else ()
            self.up.append(nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(read, _CHANNELS[level - 1] if level else len(_PARTS), 3, padding=1), *after))

    def forward(self, values: Tensor) -> Tensor:
        """(1, 3, H, W) in 0 .. 1 -> how much each part is at each pixel, (1, parts, H, W)."""
        levels = []
        for step in self.down:
            values = step(values)
            levels.append(values)
        values = levels.pop()
        for step in reversed(self.up[1:]):
            beside = levels.pop()
            values = nn.functional.interpolate(step(values), beside.shape[2:], mode="bilinear", align_corners=True)
            values = torch.cat((values, beside), dim=1)
        return self.up[0](values)

    def kinds(self, picture: np.ndarray) -> np.ndarray:
        """(H, W, 3), uint8, RGB -> the number of the part at each pixel, at the size at which the network looks."""
        height, width = picture.shape[:2]
        scale = _SHORTER / min(height, width)
        size = (_SHORTER, int(scale * height)) if width <= height else (int(scale * width), _SHORTER)
        seen = np.array(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
        values = torch.from_numpy(seen).permute(2, 0, 1)[None].float().to(next(self.parameters()).device) / 255.0
        return self(values)[0].argmax(dim=0).cpu().numpy()

    def drawn(self, picture: np.ndarray) -> np.ndarray:
        height, width = picture.shape[:2]
        return cv2.resize(_PARTS[self.kinds(picture)], (width, height), interpolation=cv2.INTER_NEAREST)


def face_parts(table: Mapping[str, Tensor]) -> FaceParts:
    network = FaceParts()
    network.load_state_dict(by_patterns(table, _FACE_NAMES, joined="(?!)", parts=()))
    return network


# the original's names, which are torchvision's; the first block has no convolution that widens it
_FACE_NAMES = (
    *((rf"^en_block0\.{place}\.", f"down.0.0.{part}.") for place, part in (
        ("0.0", "first_conv.convolution"), ("0.1", "first_conv.normalization"), (r"1\.conv\.0\.0", "conv_3x3.convolution"), (r"1\.conv\.0\.1", "conv_3x3.normalization"),
        (r"1\.conv\.1", "reduce_1x1.convolution"), (r"1\.conv\.2", "reduce_1x1.normalization"))),
    *((rf"^en_block([1-4])\.(\d)\.conv\.{place}\.", rf"down.\1.\2.{part}.") for place, part in (
        (r"0\.0", "expand_1x1.convolution"), (r"0\.1", "expand_1x1.normalization"), (r"1\.0", "conv_3x3.convolution"), (r"1\.1", "conv_3x3.normalization"),
        ("2", "reduce_1x1.convolution"), ("3", "reduce_1x1.normalization"))),
    (r"^de_block(\d)\.", r"up.\1."),
)  # fmt: skip


class _Step(nn.Module):
    """Normed, then a convolution; ``times`` as large after it."""

    def __init__(self, read: int, given: int, size: int, stride: int = 1, times: int = 1) -> None:
        super().__init__()
        after = [nn.Upsample(scale_factor=times, mode="nearest")] if times > 1 else []
        self.model = nn.Sequential(nn.BatchNorm2d(read, eps=1e-3), nn.LeakyReLU(0.2), nn.Conv2d(read, given, size, stride, size // 2), *after)

    def forward(self, values: Tensor) -> Tensor:
        return self.model(values)


class _Past(nn.Module):
    """What goes past a block, fitted to what comes out of it."""

    def __init__(self, read: int, given: int, stride: int, times: int) -> None:
        super().__init__()
        after = [nn.Upsample(scale_factor=times, mode="nearest")] if times > 1 else []
        self.model = nn.Sequential(nn.Conv2d(read, given, 1, stride), *after) if read != given or stride > 1 else None

    def forward(self, values: Tensor) -> Tensor:
        return values if self.model is None else self.model(values)


class _Block(nn.Module):
    def __init__(self, read: int, given: int, stride: int = 1, times: int = 1) -> None:
        super().__init__()
        self.conv1, self.residual = _Step(read, given, 3, stride, times), _Step(given, given, 3)
        self.shortcut = _Past(read, given, stride, times)

    def forward(self, values: Tensor) -> Tensor:
        return self.shortcut(values) + self.residual(self.conv1(values))


class _Level(nn.Module):
    """Blocks of one width. smaller: the last halves the size. larger: the first doubles it."""

    def __init__(self, read: int, given: int, count: int, *, smaller: bool = False, larger: bool = False) -> None:
        super().__init__()
        self.model = nn.Sequential(*(
            _Block(given if at else read, given, 2 if smaller and at == count - 1 else 1, 2 if larger and at == 0 else 1) for at in range(count)
        ))  # fmt: skip

    def forward(self, values: Tensor) -> Tensor:
        return self.model(values)


class MangaLines(nn.Module):
    """Grey, 0 .. 255, in and out. Its parts have the names that the file gives them."""

    def __init__(self) -> None:
        super().__init__()
        widths, counts = (24, 48, 96, 192, 384), (2, 3, 5, 7, 12)
        self.block0 = _Level(1, widths[0], counts[0])
        self.block1, self.block2, self.block3, self.block4 = (_Level(widths[at - 1], widths[at], counts[at], smaller=True) for at in range(1, 5))
        self.block5, self.block6, self.block7, self.block8 = (_Level(widths[at], widths[at - 1], counts[at - 1], larger=True) for at in range(4, 0, -1))
        self.block9 = _Level(widths[0], 16, 2)
        self.conv15 = _Step(16, 1, 1)

    def forward(self, values: Tensor) -> Tensor:
        """(1, 1, H, W), sides in sixteens."""
        levels = []
        for step in (self.block0, self.block1, self.block2, self.block3):
            values = step(values)
            levels.append(values)
        values = self.block4(values)
        for step in (self.block5, self.block6, self.block7, self.block8):
            values = step(values) + levels.pop()
        return self.conv15(self.block9(values))

    def drawn(self, picture: np.ndarray) -> np.ndarray:
        """(H, W, 3), uint8, RGB -> (H, W): light lines on a dark ground."""
        grey = torch.from_numpy(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)).float()[None, None]
        lines = self(grey.to(next(self.parameters()).device))[0, 0].cpu().numpy()
        return (255 - lines).clip(0, 255).astype(np.uint8)


def manga_lines(table: Mapping[str, Tensor]) -> MangaLines:
    network = MangaLines()
    network.load_state_dict(dict(table))
    return network
