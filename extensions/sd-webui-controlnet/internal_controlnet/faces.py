"""Whose face is in a picture, and where, for FaceID and InstantID: a detector of faces (SCRFD), and a network that tells faces apart (ArcFace), from InsightFace's ONNX files.

Sources: Guo et al. 2021, "Sample and Computation Redistribution for Efficient Face Detection"; Deng et al. 2018, "ArcFace".
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from internal_controlnet.onnx_networks import Onnx, distinct, in_square
from modules.a1111.control_units import ControlRefused

_SIDE, _STRIDES, _ANCHORS = 640, (8, 16, 32), 2     # of what the detector sees; it guesses twice at each place
_SURE, _OVERLAP = 0.5, 0.4
_MIDDLE = 127.5                                     # of a value's range; the networks divide by this, and the detector by
_DETECTOR_SPREAD = 128.0
_FACE_SIDE = 112
# where eyes, nose and corners of the mouth are in the pictures that ArcFace was trained with
_PLACES = np.array([(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)])
# as InstantID's ControlNet was trained with
_COLOURS, _NOSE = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255)), 2
_DIM, _THICK, _DOT = 0.6, 4, 10


class FaceReader(nn.Module):
    """Both networks, the detector first."""

    def __init__(self, networks: Sequence[Onnx]) -> None:
        super().__init__()
        self.finder, self.teller = networks

    def read(self, picture: np.ndarray) -> Tensor:
        """(H, W, 3), uint8, RGB -> (1, 512), of the largest face. Raises ControlRefused where there is none."""
        seen = cv2.warpAffine(picture, similarity(self._marks(picture), _PLACES), (_FACE_SIDE, _FACE_SIDE))
        told = np.asarray(self.teller.run((seen.astype(np.float32) - _MIDDLE) / _MIDDLE)[0]).reshape(1, -1)
        return torch.from_numpy(told)

    def drawn(self, picture: np.ndarray) -> np.ndarray:
        """Eyes, nose and corners of the mouth of the largest face as dots, joined to the nose by dimmer lines; the shape of ``picture``."""
        marks = self._marks(picture)
        found = np.zeros(picture.shape, np.uint8)
        for place, colour in enumerate(_COLOURS):
            if place != _NOSE:
                away = marks[place] - marks[_NOSE]
                middle, half = (int(each) for each in (marks[place] + marks[_NOSE]) / 2), int(np.linalg.norm(away) / 2)
                line = cv2.ellipse2Poly(tuple(middle), (half, _THICK), int(np.degrees(np.arctan2(away[1], away[0]))), 0, 360, 1)
                cv2.fillConvexPoly(found, line, tuple(int(each * _DIM) for each in colour))
        for mark, colour in zip(marks, _COLOURS, strict=True):
            cv2.circle(found, (int(mark[0]), int(mark[1])), _DOT, colour, -1)
        return found

    def _marks(self, picture: np.ndarray) -> np.ndarray:
        """(5, 2), in pixels: where the largest face has them."""
        boxes, marks = self._faces(picture)
        if not len(boxes):
            raise ControlRefused("ControlNet: no face was found in the picture.", "Use one in which a face is large and seen from the front.", field="image")
        largest = int(((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).argmax())
        return marks[largest]

    def _faces(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """((faces, 4): left, top, right, bottom; (faces, 5, 2)), in pixels."""
        seen, scale = in_square(picture, _SIDE)
        outputs = [each.reshape(-1, each.shape[-1]) for each in self.finder.run((seen.astype(np.float32) - _MIDDLE) / _DETECTOR_SPREAD)]
        by_size = {(each.shape[1], len(each)): each for each in outputs}
        boxes, marks, scores = [], [], []
        for stride in _STRIDES:
            places = np.stack(np.meshgrid(*[np.arange(_SIDE // stride) * stride] * 2), axis=-1).reshape(-1, 1, 2).repeat(_ANCHORS, axis=1).reshape(-1, 2)
            sure, reach, offsets = (by_size[kind, len(places)] for kind in (1, 4, 10))
            kept = sure[:, 0] >= _SURE
            at = places[kept].astype(np.float32)
            boxes.append(np.concatenate([at - reach[kept, :2] * stride, at + reach[kept, 2:] * stride], axis=1) / scale)
            marks.append((at[:, None] + offsets[kept].reshape(-1, 5, 2) * stride) / scale)
            scores.append(sure[kept, 0])
        found = np.concatenate(boxes)
        sides = np.concatenate([found[:, :2], found[:, 2:] - found[:, :2]], axis=1)
        kept = distinct(sides, np.concatenate(scores), least=_SURE, overlap=_OVERLAP)
        return found[kept], np.concatenate(marks)[kept]


def similarity(points: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(2, 3): the turn, size and shift that bring ``points`` nearest to ``places``, both (N, 2). Source: Umeyama 1991."""
    start, end = points.mean(axis=0), places.mean(axis=0)
    away, wanted = points - start, places - end
    left, sizes, right = np.linalg.svd(wanted.T @ away)
    sign = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    turn = left @ np.diag(sign) @ right * (sizes @ sign) / max(float((away**2).sum()), 1e-9)
    return np.concatenate([turn, (end - turn @ start)[:, None]], axis=1)
