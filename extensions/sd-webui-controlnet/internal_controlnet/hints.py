"""Hints of any size -> the size of the picture. Line drawings of one pixel's width stay so."""

from __future__ import annotations

import cv2
import numpy as np

from internal_controlnet.enums import ResizeMode
from modules.a1111.control_units import ControlRefused
from modules.imaging.resize import MOST_ON_THE_WAY

_FEW_COLOURS, _MANY_COLOURS = 2, 200                # between them: a map of areas, which must not get new colours
_ROUNDS = 32                                        # of thinning; lines are never wider than that
_ANY, _EMPTY, _SET = 0, -1, 1


def opaque(picture: np.ndarray) -> np.ndarray:
    """Any picture (H, W[, 1, 3 or 4]) as RGB; what is transparent shows white."""
    if picture.ndim == 2:
        picture = picture[:, :, None]
    if picture.shape[2] == 1:
        return np.repeat(picture, 3, axis=2)
    if picture.shape[2] == 3:
        return picture
    colour, alpha = picture[:, :, :3].astype(np.float32), picture[:, :, 3:4].astype(np.float32) / 255.0
    return (colour * alpha + 255.0 * (1.0 - alpha)).clip(0, 255).astype(np.uint8)


def fitted_hint(hint: np.ndarray, mode: ResizeMode, height: int, width: int, *, masked: bool) -> np.ndarray:
    """``hint`` at the picture's size.

    masked: it comes from an inpainting preprocessor; its fourth channel is the mask, which stays apart, and values become float32.
    """
    hint = hint.astype(np.float32) if masked else opaque(hint)
    if mode is ResizeMode.RESIZE:
        return _resized(hint, width, height)
    scales = height / hint.shape[0], width / hint.shape[1]
    if mode is ResizeMode.OUTER_FIT:
        return _filled(hint, min(scales), height, width)
    found = _scaled(hint, max(scales))
    top, left = (max(0, (have - want) // 2) for have, want in zip(found.shape, (height, width)))
    return np.ascontiguousarray(found[top : top + height, left : left + width])


def _filled(hint: np.ndarray, scale: float, height: int, width: int) -> np.ndarray:
    """The whole hint in the middle; around it the median colour of its border, which for masks counts as painted."""
    border = np.concatenate([hint[0], hint[-1], hint[:, 0], hint[:, -1]], axis=0)
    colour = np.median(border, axis=0).astype(hint.dtype)
    if colour.shape[0] == 4:
        colour[3] = 255
    found = np.tile(colour[None, None], [height, width, 1])
    inner = _scaled(hint, scale)
    top, left = (max(0, (want - have) // 2) for have, want in zip(inner.shape, (height, width)))
    room = found[top : top + inner.shape[0], left : left + inner.shape[1]]
    room[:] = inner[: room.shape[0], : room.shape[1]]
    return found


def scaled_size(picture: np.ndarray, scale: float) -> tuple[int, int]:
    """(width, height), at least a pixel each. Raises ControlRefused for what no memory holds: a strip whose short side is to be drawn large."""
    width, height = (max(1, int(np.round(float(side) * scale))) for side in (picture.shape[1], picture.shape[0]))
    if width * height > MOST_ON_THE_WAY:
        raise ControlRefused(
            f"ControlNet: the unit's picture of {picture.shape[1]}x{picture.shape[0]} would have to be enlarged to {width}x{height}, which is too large.",
            "Crop it to about the picture's proportions.", field="image")
    return width, height


def _scaled(hint: np.ndarray, scale: float) -> np.ndarray:
    return _resized(hint, *scaled_size(hint, scale))


def _resized(hint: np.ndarray, width: int, height: int) -> np.ndarray:
    colour, mask = (hint[:, :, :3], hint[:, :, 3]) if hint.shape[2] == 4 else (hint, None)
    if hint.shape[:2] != (height, width):
        grows = height * width > hint.shape[0] * hint.shape[1]
        interpolation = _interpolation(colour, shrinks=height * width < hint.shape[0] * hint.shape[1])
        drawing = _drawing(colour)
        colour = cv2.resize(colour, (width, height), interpolation=interpolation)
        if mask is not None:
            mask = cv2.resize(mask, (width, height), interpolation=interpolation)
        if drawing:
            colour = _two_coloured(colour, thin=drawing == "lines", prune=grows)
    if mask is None:
        return np.ascontiguousarray(colour)
    whole = ((mask > 127).astype(np.uint8) * 255)[:, :, None]
    return np.ascontiguousarray(np.concatenate([colour, whole], axis=2))


def _colours(picture: np.ndarray) -> int:
    """How many ``picture`` has. Sorting pixels takes seconds, marking each colour in a list of all takes none."""
    pixels = picture.astype(np.uint32)
    if picture.dtype != np.uint8 and (picture.max() > 255 or not np.array_equal(pixels, picture)):
        return len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0))
    found = np.zeros(1 << 24, dtype=bool)
    found[(pixels[:, :, 0] << 16) | (pixels[:, :, 1] << 8) | pixels[:, :, 2]] = True
    return int(np.count_nonzero(found))


def _interpolation(picture: np.ndarray, *, shrinks: bool) -> int:
    if _FEW_COLOURS < _colours(picture) < _MANY_COLOURS:
        return cv2.INTER_NEAREST
    return cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC


def _drawing(picture: np.ndarray) -> str:
    """"lines" for black and white where most that is white is a pixel wide, "shapes" for other black and white, "" otherwise."""
    if _colours(picture) != _FEW_COLOURS or picture.min() >= 16 or picture.max() <= 240:
        return ""
    square = np.ones((3, 3), dtype=np.uint8)
    opened = cv2.dilate(cv2.erode(picture, square), square)
    return "lines" if np.count_nonzero(opened < picture) * 2 > np.count_nonzero(picture > 127) else "shapes"


def _two_coloured(picture: np.ndarray, *, thin: bool, prune: bool) -> np.ndarray:
    grey = picture.astype(np.float32).mean(axis=2).clip(0, 255).astype(np.uint8)
    if thin:
        grey = ridges(grey)
    _, grey = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    if thin:
        grey = thinned(grey, prune=prune)
    return np.repeat(grey[:, :, None], 3, axis=2)


def ridges(grey: np.ndarray) -> np.ndarray:
    """``grey`` where it is the brightest along one of the four directions, 0 elsewhere."""
    across = np.zeros((3, 3), dtype=np.uint8)
    across[1] = 1
    lines = (across, across.T.copy(), np.eye(3, dtype=np.uint8), np.eye(3, dtype=np.uint8)[::-1].copy())
    crest = np.any([cv2.dilate(grey, line) == grey for line in lines], axis=0)
    return np.where(crest, grey, 0).astype(grey.dtype)


def _turned(*patterns: list[list[int]]) -> list[np.ndarray]:
    """Each pattern, then each a quarter turned, and so on."""
    return [np.rot90(np.array(pattern, dtype=np.int32), quarter).copy() for quarter in range(4) for pattern in patterns]


_EDGES = _turned(                                   # Source: Lam et al. 1992, thinning by hit and miss: a side, and a corner
    [[_EMPTY, _EMPTY, _EMPTY], [_ANY, _SET, _ANY], [_SET, _SET, _SET]],
    [[_ANY, _EMPTY, _EMPTY], [_SET, _SET, _EMPTY], [_ANY, _SET, _ANY]],
)  # fmt: skip
_SPURS = _turned(                                   # ends of lines
    [[_EMPTY, _EMPTY, _EMPTY], [_EMPTY, _SET, _EMPTY], [_ANY, _ANY, _EMPTY]],
    [[_EMPTY, _EMPTY, _EMPTY], [_EMPTY, _SET, _EMPTY], [_EMPTY, _ANY, _ANY]],
)  # fmt: skip


def thinned(drawing: np.ndarray, *, prune: bool) -> np.ndarray:
    """A black and white drawing with lines of one pixel. prune: cut their ends by one."""
    found = drawing.copy()
    for _ in range(_ROUNDS):
        changed = [_without(found, pattern) for pattern in _EDGES]
        if not any(changed):
            break
    if prune:
        for pattern in _SPURS:
            _without(found, pattern)
    return found


def _without(drawing: np.ndarray, pattern: np.ndarray) -> bool:
    """Clear the places that look like ``pattern``; whether there were any."""
    hits = cv2.morphologyEx(drawing, cv2.MORPH_HITMISS, pattern) > 127
    drawing[hits] = 0
    return bool(hits.any())


def pixel_perfect_resolution(image: np.ndarray, target_H: int, target_W: int, resize_mode: ResizeMode) -> int:
    """The preprocessor's resolution that gives the picture's own pixels. The names of the parameters are those that other extensions use."""
    height, width = image.shape[:2]
    scales = target_H / height, target_W / width
    scale = min(scales) if resize_mode is ResizeMode.OUTER_FIT else max(scales)
    return int(np.round(scale * float(min(height, width))))


def mask_shown(picture: np.ndarray) -> np.ndarray:
    """A masked hint for the eye: what is painted half transparent."""
    if picture.ndim != 3 or picture.shape[2] != 4:
        return picture
    return np.concatenate([picture[:, :, :3], 255 - picture[:, :, 3:] // 2], axis=2)
