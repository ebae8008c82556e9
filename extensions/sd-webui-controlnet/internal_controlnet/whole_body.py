"""Poses from two ONNX files, a detector (YOLOX) and one of keypoints (RTMPose): DWPose's bodies, hands and faces, and animals. OpenCV runs both.

Source: Yang et al. 2023, "Effective Whole-body Pose Estimation with Two-stages Distillation"; how boxes and keypoints are coded is YOLOX's and SimCC's.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from torch import nn

from internal_controlnet.onnx_networks import Onnx, distinct, in_square
from internal_controlnet.pose_networks import Pose, shares

KEYS, ANIMALS = ("dw_openpose_full",), "animal_openpose"
_SIDE, _STRIDES, _RIM = 640, (8, 16, 32), 114       # of what the detector sees; the grey of what the picture does not cover
_PEOPLE, _BEASTS = (0,), range(14, 24)              # by COCO's numbers: bird, cat, dog ... giraffe
_LEAST, _OVERLAP, _SURE = 0.1, 0.45, 0.3            # of a box that counts at all; of boxes for one person; of boxes and keypoints that are told
_PERSON, _BEAST = (288, 384), (256, 256)            # width and height of one as the second network sees it
_MARGIN, _PARTS_OF_PIXEL = 1.25, 2
_MEAN, _SPREAD = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
# OpenPose's 18 points by COCO's numbers; its neck, the second, is between the shoulders
_BODY = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
_SHOULDERS = (5, 6)
_FACE, _LEFT, _RIGHT = slice(23, 91), slice(91, 112), slice(112, 133)
_EYES = (14, 15)                                    # of the body's points, which end the face's

Point = tuple[float, float] | None


class WholeBody(nn.Module):
    """Both networks, people's first."""

    def __init__(self, networks: Sequence[Onnx]) -> None:
        super().__init__()
        self.people, self.keypoints = networks

    def posed(self, picture: np.ndarray) -> Pose:
        """(H, W, 3), uint8, RGB -> every person's keypoints; x and y as shares of the picture's width and height."""
        boxes = _boxes(self.people, picture, _PEOPLE)
        people = [_person(_points(self.keypoints, picture, box, _PERSON), picture) for box in boxes]
        return {"people": people, "animals": [], "canvas_height": picture.shape[0], "canvas_width": picture.shape[1]}


class Animals(nn.Module):
    """Both networks, the detector first."""

    def __init__(self, networks: Sequence[Onnx]) -> None:
        super().__init__()
        self.beasts, self.keypoints = networks

    def posed(self, picture: np.ndarray) -> Pose:
        """(H, W, 3), uint8, RGB -> every animal's 17 keypoints, x and y in pixels, sure or not."""
        found = [_points(self.keypoints, picture, box, _BEAST) for box in _boxes(self.beasts, picture, _BEASTS)]
        animals = [[float(value) for x, y, _ in points for value in (x, y, 1.0)] for points in found]
        return {"people": [], "animals": animals, "canvas_height": picture.shape[0], "canvas_width": picture.shape[1]}


def _boxes(detector: Onnx, picture: np.ndarray, kinds: Sequence[int]) -> np.ndarray:
    """(count, 4): left, top, right, bottom in pixels. The whole picture for a person, where there is something, and nobody is sure."""
    height, width = picture.shape[:2]
    seen, ratio = in_square(picture, _SIDE, _RIM)
    (found,) = detector.run(seen.astype(np.float32))
    places, strides = _grid()
    middle, size = (found[0, :, :2] + places) * strides, np.exp(found[0, :, 2:4]) * strides
    scores = found[0, :, 4:5] * found[0, :, 5:]
    corners = np.concatenate([middle - size / 2, size], axis=1) / ratio
    boxes = np.concatenate([corners[distinct(corners, scores[:, kind], least=_SURE, overlap=_OVERLAP)] for kind in kinds])
    if not len(boxes) and kinds == _PEOPLE and (scores > _LEAST).any():
        return np.array([[0.0, 0.0, width, height]])
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def _points(network: Onnx, picture: np.ndarray, box: np.ndarray, seen_size: tuple[int, int]) -> np.ndarray:
    """(keypoints, 3): x and y in pixels, and how sure."""
    middle, size = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * _MARGIN
    across, down = seen_size
    size = np.array([max(size[0], size[1] * across / down), max(size[1], size[0] * down / across)])
    scale = across / size[0]
    place = np.array([[scale, 0, across / 2 - scale * middle[0]], [0, scale, down / 2 - scale * middle[1]]])
    seen = cv2.warpAffine(picture, place, seen_size, flags=cv2.INTER_LINEAR)
    found = dict(zip(network.names, network.run(((seen - _MEAN) / _SPREAD).astype(np.float32)), strict=True))
    by_x, by_y = (found[name][0] for name in sorted(found, key=lambda name: (found[name].shape[-1], name)))     # simcc_x, simcc_y: a name decides where both are as long
    where, sure = np.stack([by_x.argmax(axis=1), by_y.argmax(axis=1)], axis=1), np.minimum(by_x.max(axis=1), by_y.max(axis=1))
    where = np.where(sure[:, None] <= 0, -1, where) / _PARTS_OF_PIXEL
    return np.concatenate([where / seen_size * size + middle - size / 2, sure[:, None]], axis=1)


def _person(points: np.ndarray, picture: np.ndarray) -> dict[str, list[float] | None]:
    known: list[Point] = [(float(x), float(y)) if sure >= _SURE else None for x, y, sure in points]
    first, second = (known[each] for each in _SHOULDERS)
    neck = None if first is None or second is None else ((first[0] + second[0]) / 2, (first[1] + second[1]) / 2)
    body = [neck if each is None else known[each] for each in _BODY]
    face = known[_FACE]
    parts = {"face": [*face, *(body[each] for each in _EYES)] if any(face) else face, "hand_left": known[_LEFT], "hand_right": known[_RIGHT]}
    return {"pose_keypoints_2d": shares(body, picture), **{f"{part}_keypoints_2d": shares(each, picture) if any(each) else None for part, each in parts.items()}}


def _grid() -> tuple[np.ndarray, np.ndarray]:
    """Where each of the detector's boxes is counted from, and in which steps."""
    places = [np.stack(np.meshgrid(*[np.arange(_SIDE // stride)] * 2), 2).reshape(-1, 2) for stride in _STRIDES]
    return np.concatenate(places), np.concatenate([np.full((len(each), 1), stride) for each, stride in zip(places, _STRIDES, strict=True)])
