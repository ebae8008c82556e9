"""RetinaFace (Deng et al. 2019, ResNet-50) as facexlib's weights have it: finds faces, and eyes, nose and mouth in each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modules.loading.pickle_weights import is_pickle, read_pickle
from modules.loading.weights import PICKLE_SUFFIXES, read_tensors
from modules.schema.errors import CannotLoad

_STRIDES = (8, 16, 32)
_ANCHOR_SIDES = ((16, 32), (64, 128), (256, 512))   # pixels, by stride
_MEAN = (104.0, 117.0, 123.0)                       # of the training pictures, blue first
_CENTRE_UNIT, _SIZE_UNIT = 0.1, 0.2                 # what one unit of the network's output means, in anchor sides
_OVERLAP = 0.4                                      # of two boxes that show one face
FEATURES = 256


@dataclass(frozen=True, kw_only=True)
class Face:
    """box: (left, top, right, bottom). points: left eye, right eye, nose, corners of the mouth, as (x, y). All in pixels. score: 0 .. 1."""

    box: tuple[float, float, float, float]
    points: tuple[tuple[float, float], ...]
    score: float


class FaceDetector(nn.Module):
    """Pixels (1, 3, H, W), blue first, 0 .. 255 -> scores (N), boxes (N, 4) and points (N, 10), in shares of the picture's sides."""

    def __init__(self) -> None:
        super().__init__()
        self.body = _Body()
        self.fpn = _Pyramid()
        self.ssh1, self.ssh2, self.ssh3 = _Context(), _Context(), _Context()
        self.ClassHead = nn.ModuleList(_Head(2) for _ in _STRIDES)
        self.BboxHead = nn.ModuleList(_Head(4) for _ in _STRIDES)
        self.LandmarkHead = nn.ModuleList(_Head(10) for _ in _STRIDES)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean = torch.tensor(_MEAN, device=pixels.device, dtype=pixels.dtype).view(1, 3, 1, 1)
        levels = self.fpn(self.body(pixels - mean))
        seen = [context(level) for context, level in zip((self.ssh1, self.ssh2, self.ssh3), levels)]
        classes, offsets, points = (
            torch.cat([head(each) for head, each in zip(heads, seen)])
            for heads in (self.ClassHead, self.BboxHead, self.LandmarkHead)
        )
        anchors = _anchors(pixels.shape[2], pixels.shape[3]).to(pixels)
        centres = anchors[:, :2] + offsets[:, :2] * _CENTRE_UNIT * anchors[:, 2:]
        sides = anchors[:, 2:] * torch.exp(offsets[:, 2:] * _SIZE_UNIT)
        boxes = torch.cat([centres - sides / 2, centres + sides / 2], dim=1)
        places = anchors[:, :2].repeat(1, 5) + points * _CENTRE_UNIT * anchors[:, 2:].repeat(1, 5)
        return F.softmax(classes, dim=1)[:, 1], boxes, places


def find_faces(detector: FaceDetector, pixels: Tensor, *, at_least: float = 0.97) -> list[Face]:
    """Faces in pixels (1, 3, H, W), blue first, 0 .. 255; the surest first. at_least: the lowest score."""
    height, width = pixels.shape[2:]
    with torch.no_grad():
        scores, boxes, points = (each.float().cpu() for each in detector(pixels))
    chosen = (scores > at_least).nonzero()[:, 0]
    chosen = chosen[scores[chosen].argsort(descending=True)]
    boxes = boxes[chosen] * torch.tensor([width, height, width, height])
    points = points[chosen] * torch.tensor([width, height] * 5)
    kept = _without_doubles(boxes)
    return [
        Face(box=(*map(float, boxes[each]),), points=tuple((float(x), float(y)) for x, y in points[each].view(5, 2)), score=float(scores[chosen[each]]))  # pyright: ignore[reportArgumentType]
        for each in kept
    ]


def load_face_detector(path: Path) -> FaceDetector:
    """The detector whose weights are in ``path``. Raises CannotLoad."""
    if path.suffix.lower() in PICKLE_SUFFIXES and is_pickle(path):
        table = read_pickle(path)
    else:
        table = read_tensors(path)
    if not isinstance(table, dict):
        raise CannotLoad(path, f"it holds a {type(table).__name__} instead of a table of tensors", "Download the file again.")
    detector = FaceDetector()
    try:
        detector.load_state_dict({str(name).removeprefix("module."): tensor for name, tensor in table.items()})
    except (RuntimeError, AttributeError, TypeError) as error:
        raise CannotLoad(path, f"it is not RetinaFace with ResNet-50 ({str(error).splitlines()[0][:160]})", "Download the file again.") from error
    return detector.requires_grad_(False).eval()


def _anchors(height: int, width: int) -> Tensor:
    """(N, 4): centre and sides of every anchor, in shares of the picture's sides; row by row, level by level."""
    found = []
    for stride, sides in zip(_STRIDES, _ANCHOR_SIDES):
        rows, columns = math.ceil(height / stride), math.ceil(width / stride)
        y, x = torch.meshgrid((torch.arange(rows) + 0.5) * stride / height, (torch.arange(columns) + 0.5) * stride / width, indexing="ij")
        each = torch.stack([torch.stack([x, y, torch.full_like(x, side / width), torch.full_like(x, side / height)], dim=-1) for side in sides], dim=2)
        found.append(each.view(-1, 4))
    return torch.cat(found)


def _without_doubles(boxes: Tensor) -> list[int]:
    """Indexes of those that overlap none before them by more than _OVERLAP of their union."""
    kept: list[int] = []
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for index in range(len(boxes)):
        if kept:
            others = boxes[kept]
            low, high = torch.maximum(others[:, :2], boxes[index, :2]), torch.minimum(others[:, 2:], boxes[index, 2:])
            shared = (high - low).clamp(min=0).prod(dim=1)
            if bool((shared / (areas[kept] + areas[index] - shared) > _OVERLAP).any()):
                continue
        kept.append(index)
    return kept


def _convolution(before: int, after: int, side: int, *, active: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(before, after, side, padding=side // 2, bias=False), nn.BatchNorm2d(after)]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if active else []))


class _Bottleneck(nn.Module):
    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        after = width * 4
        self.conv1, self.bn1 = nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, after, 1, bias=False), nn.BatchNorm2d(after)
        changes = stride != 1 or before != after
        self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.bn1(self.conv1(x)))
        inner = F.relu(self.bn2(self.conv2(inner)))
        return F.relu(self.bn3(self.conv3(inner)) + self.downsample(x))


class _Body(nn.Module):
    """ResNet-50 without its last stage's classifier: features at strides 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.layer1, self.layer2 = self._stage(64, 64, 3, 1), self._stage(256, 128, 4, 2)
        self.layer3, self.layer4 = self._stage(512, 256, 6, 2), self._stage(1024, 512, 3, 2)

    @staticmethod
    def _stage(before: int, width: int, count: int, stride: int) -> nn.Sequential:
        return nn.Sequential(_Bottleneck(before, width, stride), *(_Bottleneck(width * 4, width, 1) for _ in range(count - 1)))

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        second = self.layer2(self.layer1(x))
        third = self.layer3(second)
        return [second, third, self.layer4(third)]


class _Pyramid(nn.Module):
    """What the coarse levels know is added to the finer ones."""

    def __init__(self) -> None:
        super().__init__()
        self.output1, self.output2, self.output3 = (_convolution(width, FEATURES, 1, active=True) for width in (512, 1024, 2048))
        self.merge1, self.merge2 = (_convolution(FEATURES, FEATURES, 3, active=True) for _ in range(2))

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        fine, middle, coarse = self.output1(levels[0]), self.output2(levels[1]), self.output3(levels[2])
        middle = self.merge2(middle + F.interpolate(coarse, size=middle.shape[2:], mode="nearest"))
        fine = self.merge1(fine + F.interpolate(middle, size=fine.shape[2:], mode="nearest"))
        return [fine, middle, coarse]


class _Context(nn.Module):
    """Looks at one level through windows of 3, 5 and 7."""

    def __init__(self) -> None:
        super().__init__()
        half, quarter = FEATURES // 2, FEATURES // 4
        self.conv3X3 = _convolution(FEATURES, half, 3, active=False)
        self.conv5X5_1, self.conv5X5_2 = _convolution(FEATURES, quarter, 3, active=True), _convolution(quarter, quarter, 3, active=False)
        self.conv7X7_2, self.conv7x7_3 = _convolution(quarter, quarter, 3, active=True), _convolution(quarter, quarter, 3, active=False)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.conv5X5_1(x)
        return F.relu(torch.cat([self.conv3X3(x), self.conv5X5_2(wide), self.conv7x7_3(self.conv7X7_2(wide))], dim=1))


class _Head(nn.Module):
    """``values`` numbers for each of the two anchors of every cell."""

    def __init__(self, values: int) -> None:
        super().__init__()
        self.values = values
        self.conv1x1 = nn.Conv2d(FEATURES, values * 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv1x1(x)[0].permute(1, 2, 0).reshape(-1, self.values)
