"""DWPose: bodies, hands and faces from two ONNX files, a detector of people (YOLOX) and one of their 133 keypoints (RTMPose). OpenCV runs both.

Source: Yang et al. 2023, "Effective Whole-body Pose Estimation with Two-stages Distillation"; how boxes and keypoints are coded is YOLOX's and SimCC's.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from torch import nn

from internal_controlnet.onnx_networks import Onnx, distinct, in_square
from internal_controlnet.pose_networks import Pose, shares

KEYS = ("dw_openpose_full",)
_SIDE, _STRIDES, _RIM = 640, (8, 16, 32), 114       # of what the detector sees; the grey of what the picture does not cover
_PERSON = 0
_LEAST, _OVERLAP, _SURE = 0.1, 0.45, 0.3            # of a box that counts at all; of boxes for one person; of boxes and keypoints that are told
_SEEN = (288, 384)                                  # width and height of a person as the second network sees it
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
        people = [_person(self._points(picture, box), picture) for box in self._boxes(picture)]
        return {"people": people, "animals": [], "canvas_height": picture.shape[0], "canvas_width": picture.shape[1]}

    def _boxes(self, picture: np.ndarray) -> np.ndarray:
        """(people, 4): left, top, right, bottom in pixels. The whole picture, where there is something, and no person is sure."""
        height, width = picture.shape[:2]
        seen, ratio = in_square(picture, _SIDE, _RIM)
        (found,) = self.people.run(seen.astype(np.float32))
        places, strides = _grid()
        middle, size = (found[0, :, :2] + places) * strides, np.exp(found[0, :, 2:4]) * strides
        scores = found[0, :, 4:5] * found[0, :, 5:]
        if not (scores > _LEAST).any():
            return np.zeros((0, 4))
        corners = np.concatenate([middle - size / 2, size], axis=1) / ratio
        boxes = corners[distinct(corners, scores[:, _PERSON], least=_SURE, overlap=_OVERLAP)]
        if not len(boxes):
            return np.array([[0.0, 0.0, width, height]])
        return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)

    def _points(self, picture: np.ndarray, box: np.ndarray) -> np.ndarray:
        """(133, 3): x and y in pixels, and how sure."""
        middle, size = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * _MARGIN
        across, down = _SEEN
        size = np.array([max(size[0], size[1] * across / down), max(size[1], size[0] * down / across)])
        scale = across / size[0]
        place = np.array([[scale, 0, across / 2 - scale * middle[0]], [0, scale, down / 2 - scale * middle[1]]])
        seen = cv2.warpAffine(picture, place, _SEEN, flags=cv2.INTER_LINEAR)
        found = self.keypoints.run(((seen - _MEAN) / _SPREAD).astype(np.float32))
        by_x, by_y = sorted((each[0] for each in found), key=lambda each: each.shape[-1])
        where = np.stack([by_x.argmax(axis=1), by_y.argmax(axis=1)], axis=1) / _PARTS_OF_PIXEL
        sure = np.minimum(by_x.max(axis=1), by_y.max(axis=1))
        return np.concatenate([where / _SEEN * size + middle - size / 2, sure[:, None]], axis=1)


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
