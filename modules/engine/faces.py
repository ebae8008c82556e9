"""Faces made anew: found, turned upright into a square, through the restorer, and put back with a soft edge."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor

from modules.loading.face_detector import Face, FaceDetector, find_faces

log = logging.getLogger(__name__)
SIDE = 512                                          # pixels of the square that GFPGAN and CodeFormer were trained on
# Where eyes, nose and mouth lie in it: the alignment of the FFHQ pictures, which both were trained with.
_TEMPLATE = ((192.98138, 239.94708), (318.90277, 240.1936), (256.63416, 314.01935), (201.26117, 371.41043), (313.08905, 371.15118))
_DETECTION_SIDE = 640                               # the picture's shorter side while faces are looked for
_NARROWEST_EYES = 5                                 # pixels between them; smaller faces are left alone
_EDGE = 26                                          # pixels of the square over which the new face gives way to the picture
Matrix = NDArray[np.float64]                        # 2 x 3, from one picture's (x, y) to another's
Restore = Callable[[Tensor], Tensor]


def faces_in(picture: Image.Image, detector: FaceDetector, device: torch.device) -> list[Face]:
    """The faces of ``picture`` that are large enough to be worth it, in its pixels."""
    scale = min(picture.size) / _DETECTION_SIDE
    small = picture.convert("RGB").resize((max(32, int(picture.width / scale)), max(32, int(picture.height / scale))), Image.Resampling.LANCZOS)
    blue_first = np.asarray(small, np.float32)[:, :, ::-1].copy()
    found = find_faces(detector, torch.from_numpy(blue_first).permute(2, 0, 1)[None].to(device))
    across, down = picture.width / small.width, picture.height / small.height
    faces = [
        Face(
            box=(face.box[0] * across, face.box[1] * down, face.box[2] * across, face.box[3] * down),
            points=tuple((x * across, y * down) for x, y in face.points), score=face.score,
        )
        for face in found
    ]  # fmt: skip
    return [face for face in faces if np.hypot(face.points[0][0] - face.points[1][0], face.points[0][1] - face.points[1][1]) >= _NARROWEST_EYES]


def with_faces_restored(
    picture: Image.Image, faces: Sequence[Face], restore: Restore, device: torch.device, *, stopped: Callable[[], bool] = lambda: False
) -> Image.Image:
    """``picture`` with each of ``faces`` through ``restore``: pixels (1, 3, 512, 512) in -1 .. 1 -> the same."""
    result = picture.convert("RGB").copy()
    for face in faces:
        if stopped():
            return result
        to_square = alignment(face.points)
        square = cut_square(picture.convert("RGB"), to_square)
        pixels = torch.from_numpy(np.asarray(square, np.float32) / 127.5 - 1).permute(2, 0, 1)[None].to(device)
        with torch.no_grad():
            made = restore(pixels).float().clamp(-1, 1).cpu()[0]
        if not bool(torch.isfinite(made).all()):
            log.warning("a face was left as it was: the restorer gave no numbers")
            continue
        new = Image.fromarray(np.rint((made.permute(1, 2, 0).numpy() + 1) * 127.5).astype(np.uint8))
        paste_square(result, new, to_square)
    return result


def alignment(points: Sequence[tuple[float, float]]) -> Matrix:
    """The turn, scaling and shift that brings ``points`` nearest to their places in the square (least squares)."""
    given, wanted = np.asarray(points, float), np.asarray(_TEMPLATE)
    x, y = given[:, 0], given[:, 1]
    ones, zeros = np.ones_like(x), np.zeros_like(x)
    rows = np.concatenate([np.stack([x, -y, ones, zeros], 1), np.stack([y, x, zeros, ones], 1)])
    a, b, shift_x, shift_y = np.linalg.lstsq(rows, np.concatenate([wanted[:, 0], wanted[:, 1]]), rcond=None)[0]
    return np.array([[a, -b, shift_x], [b, a, shift_y]])


def cut_square(picture: Image.Image, to_square: Matrix) -> Image.Image:
    """The square that ``to_square`` maps a part of ``picture`` to; grey where the picture ends."""
    back = inverse(to_square)
    shrink = max(1, int(np.hypot(back[0, 0], back[1, 0])))
    source = picture.reduce(shrink) if shrink > 1 else picture  # a large face would alias in the square
    back = back / shrink
    return source.transform((SIDE, SIDE), Image.Transform.AFFINE, tuple(back.ravel()), Image.Resampling.BICUBIC, fillcolor=(135, 133, 132))


def paste_square(picture: Image.Image, square: Image.Image, to_square: Matrix) -> None:
    """Put ``square`` back to where it was cut from, its edge blended in. Changes ``picture``."""
    corners = np.array([[0, 0], [SIDE, 0], [SIDE, SIDE], [0, SIDE]], float)
    back = inverse(to_square)
    places = corners @ back[:, :2].T + back[:, 2]
    left, top = (int(max(0, np.floor(each))) for each in places.min(axis=0))
    right, bottom = (int(min(limit, np.ceil(each))) for limit, each in zip(picture.size, places.max(axis=0)))
    if right <= left or bottom <= top:
        return
    here = to_square.copy()
    here[:, 2] += to_square[:, :2] @ (left, top)
    size, data = (right - left, bottom - top), tuple(here.ravel())
    patch = square.transform(size, Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)
    mask = _soft_square().transform(size, Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
    picture.paste(patch, (left, top), mask)


def inverse(matrix: Matrix) -> Matrix:
    """The way back."""
    turn = np.linalg.inv(matrix[:, :2])
    return np.concatenate([turn, -turn @ matrix[:, 2:]], axis=1).astype(np.float64)


def _soft_square() -> Image.Image:
    """255 in the middle, falling to 0 at the edge."""
    mask = Image.new("L", (SIDE, SIDE), 0)
    mask.paste(255, (_EDGE, _EDGE, SIDE - _EDGE, SIDE - _EDGE))
    return mask.filter(ImageFilter.GaussianBlur(_EDGE / 2.5))
