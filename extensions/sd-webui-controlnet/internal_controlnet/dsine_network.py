"""Surface normals by DSINE from its original file: a first guess, then each place asks its neighbours how they turn towards it. The encoder is controlnet_aux's.

Source: Bae and Davison 2024, "Rethinking Inductive Biases for Surface Normal Estimation" (arXiv:2403.00712).
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from internal_controlnet.stand_ins import network_class

KEY = "normal_dsine"
_CELL, _WHOLE = 8, 32                               # pixels of a place's side; sides are multiples of the second
_AROUND = 5                                         # places across and down that count as neighbours
_LEAST_FACING = 1e-2                                # cosine between a normal and the ray from the eye
_TINY = 1e-8
_UV = 2                                             # channels that say in which direction a pixel is seen
_FEATURES, _LEVELS = (11, 8, 6), (2048, 176, 64)    # what the encoder gives at a 32nd, 16th and eighth of the size: its number, its channels
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole. focal: pixels. across, down: the pixel on which it looks straight."""

    focal: float
    across: float
    down: float

    def rays(self, height: int, width: int, whole: tuple[int, int], device: torch.device) -> Tensor:
        """(1, 3, height, width), third 1: where each place of a coarser grid is seen. whole: (height, width) of the picture."""
        down, across = (torch.arange(side, device=device) + 0.5 for side in (height, width))
        x = (across - self.across * width / whole[1]) / (self.focal * width / whole[1])
        y = (down - self.down * height / whole[0]) / (self.focal * height / whole[0])
        return torch.stack([x[None].expand(height, width), y[:, None].expand(height, width), torch.ones(height, width, device=device)])[None]


def camera_of(height: int, width: int, field_of_view: float) -> Camera:
    """The camera of a picture of this size. field_of_view: degrees, along the longer side."""
    half = math.tan(math.radians(field_of_view / 2))
    middles = (side / 2 + (-side % _WHOLE) // 2 for side in (width, height))    # as if a rim made the sides multiples
    across, down = middles
    return Camera(focal=max(height, width) / 2 / half if half else math.inf, across=across, down=down)


class _Up(nn.Module):
    def __init__(self, read: int, given: int) -> None:
        super().__init__()
        self._net = network_class("normalbae.nets.submodules.submodules", "UpSampleGN")(read, given)._net

    def forward(self, values: Tensor, beside: Tensor) -> Tensor:
        larger = functional.interpolate(values, beside.shape[2:], mode="bilinear", align_corners=False)
        return self._net(torch.cat([larger, beside], dim=1))


def _head(read: int, inner: int, given: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(read, inner, 3, padding=1), nn.ReLU(), nn.Conv2d(inner, inner, 1), nn.ReLU(), nn.Conv2d(inner, given, 1))


class _Decoder(nn.Module):
    """Its parts have the names that the file gives them, as those of all others here."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.conv2 = nn.Conv2d(_LEVELS[0] + _UV, width, 1)
        self.up1, self.up2 = _Up(width + _LEVELS[1] + _UV, width // 2), _Up(width // 2 + _LEVELS[2] + _UV, width // 4)
        self.normal_head, self.feature_head, self.hidden_head = (_head(width // 4 + _UV, 128, given) for given in (3, hidden, hidden))

    def forward(self, levels: list[Tensor], directions: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """The first guess, what the refinement reads, and what it remembers."""
        seen = [torch.cat(pair, dim=1) for pair in zip(levels, directions, strict=True)]
        values = self.up2(self.up1(self.conv2(seen[0]), seen[1]), seen[2])
        values = torch.cat([values, directions[2]], dim=1)
        return functional.normalize(self.normal_head(values), dim=1), self.feature_head(values), self.hidden_head(values)


class _Memory(nn.Module):
    """A gated recurrent unit at every place."""

    def __init__(self, hidden: int, read: int) -> None:
        super().__init__()
        self.convz, self.convr, self.convq = (nn.Conv2d(hidden + read, hidden, _AROUND, padding=_AROUND // 2) for _ in range(3))

    def forward(self, memory: Tensor, read: Tensor) -> Tensor:
        both = torch.cat([memory, read], dim=1)
        share, kept = self.convz(both).sigmoid(), self.convr(both).sigmoid()
        return (1 - share) * memory + share * self.convq(torch.cat([kept * memory, read], dim=1)).tanh()


class NormalNetwork(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        with contextlib.redirect_stdout(io.StringIO()):         # it tells what it does
            self.encoder = network_class("normalbae.nets.submodules.encoder", "Encoder")()
        self.decoder, self.gru = _Decoder(width, hidden), _Memory(hidden, hidden + _UV)
        neighbours = _AROUND * _AROUND
        self.prob_head, self.xy_head, self.angle_head = (_head(hidden + _UV, 64, given) for given in (neighbours, neighbours * 2, neighbours))
        self.up_prob_head = _head(hidden + _UV, 64, 9 * _CELL * _CELL)

    def forward(self, values: Tensor, camera: Camera, iterations: int) -> Tensor:
        """(1, 3, H, W), normalised -> (1, 3, H, W): unit vectors, right, down and away from the camera."""
        whole = values.shape[2], values.shape[3]
        rays = [camera.rays(whole[0] // cell, whole[1] // cell, whole, values.device) for cell in (_WHOLE, 16, _CELL)]
        features, directions = self.encoder(values), [each[:, :_UV] for each in rays]
        normals, read, memory = self.decoder([features[number] for number in _FEATURES], directions)
        ray = functional.normalize(rays[2], dim=1)
        normals, read = _facing(normals, ray), torch.cat([read, directions[2]], dim=1)
        for _ in range(iterations):
            memory = self.gru(memory, read)
            normals = self._turned(normals, torch.cat([memory, directions[2]], dim=1), rays[2], ray, camera.focal * ray.shape[2] / whole[0], camera.focal * ray.shape[3] / whole[1])
        return functional.normalize(_enlarged(normals, self.up_prob_head(torch.cat([memory, directions[2]], dim=1))), dim=1)

    def _turned(self, normals: Tensor, memory: Tensor, rays: Tensor, ray: Tensor, focal_down: float, focal_across: float) -> Tensor:
        """The mean of what the neighbours' normals are when they are turned about an axis that lies in their own surface."""
        around, places = _neighbours(normals), _neighbours(rays)
        steps = functional.normalize(self.xy_head(memory).unflatten(1, (2, -1)), dim=1)
        x, y = steps[:, 0] / focal_across, steps[:, 1] / focal_down
        u, v = places[:, 0] + x, places[:, 1] + y   # where the step ends on the image plane; how far away is decided by the neighbour's surface
        below = u * around[:, 0] + v * around[:, 1] + around[:, 2]
        below = torch.where(below.abs() < _TINY, _TINY * below.sign(), below)
        away = -(x * around[:, 0] + y * around[:, 1]) / below
        axes = functional.normalize(torch.stack([x + away * u, y + away * v, away], dim=1), dim=1)
        axes = torch.where(axes.isfinite().all(dim=1, keepdim=True), axes, 0.0)
        turned = functional.normalize(_rotated(around, axes, self.angle_head(memory).sigmoid()[:, None] * math.pi), dim=1)
        turned = _facing(turned, ray[:, :, None])
        return functional.normalize((self.prob_head(memory).sigmoid()[:, None] * turned).sum(dim=2), dim=1)

    def drawn(self, picture: np.ndarray, camera: Camera, iterations: int) -> np.ndarray:
        """(H, W, 3), uint8, RGB, sides in 32 -> the normals as colours."""
        device = next(self.parameters()).device
        values = (picture.astype(np.float32) / 255.0 - np.float32(_MEAN)) / np.float32(_SPREAD)
        found = self(torch.from_numpy(values).permute(2, 0, 1)[None].to(device), camera, iterations)[0]
        return (((found + 1) * 0.5).clip(0, 1) * 255.0).permute(1, 2, 0).cpu().numpy().astype(np.uint8)


def _neighbours(values: Tensor, size: int = _AROUND) -> Tensor:
    """(1, C, H, W) -> (1, C, size * size, H, W); at the rim the outermost stand for those beyond."""
    rim = size // 2
    found = functional.unfold(functional.pad(values, (rim,) * 4, mode="replicate"), size)
    return found.view(values.shape[0], values.shape[1], size * size, *values.shape[2:])


def _facing(normals: Tensor, ray: Tensor) -> Tensor:
    """Unit vectors along dimension 1; a surface that is seen looks at the eye, at least a little."""
    along = functional.cosine_similarity(normals, ray, dim=1).unsqueeze(1)
    return functional.normalize(normals + ray * ((along - _LEAST_FACING).relu() + _LEAST_FACING - along), dim=1)


def _rotated(vectors: Tensor, axes: Tensor, angles: Tensor) -> Tensor:
    """About unit axes, by Rodrigues' formula. Along dimension 1; where there is no axis nothing turns."""
    angles = torch.where(axes.abs().sum(dim=1, keepdim=True) > 0, angles, 0.0)
    cosine, sine = angles.cos(), angles.sin()
    return vectors * cosine + torch.linalg.cross(axes, vectors, dim=1) * sine + axes * (axes * vectors).sum(dim=1, keepdim=True) * (1 - cosine)


def _enlarged(values: Tensor, shares: Tensor) -> Tensor:
    """Every pixel of a cell is a mean of the nine cells around, weighted by ``shares``."""
    around = _neighbours(values, 3)[:, :, :, None, None]
    shares = shares.view(1, 1, 9, _CELL, _CELL, *values.shape[2:]).softmax(dim=2)
    found = (shares * around).sum(dim=2).permute(0, 1, 4, 2, 5, 3)
    return found.reshape(1, values.shape[1], values.shape[2] * _CELL, values.shape[3] * _CELL)


def dsine(table: Mapping[str, Tensor]) -> NormalNetwork:
    network = NormalNetwork(table["decoder.conv2.weight"].shape[0], table["gru.convz.weight"].shape[0])
    network.load_state_dict(dict(table))
    return network
