"""OpenPose keypoints as JSON -> the coloured stick figures that pose networks were trained on."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from modules.schema.errors import InvalidValue

Points = list[tuple[float, float] | None]
# Source: Cao et al. 2019, "OpenPose", 18 points of COCO's body, counted from 0
_LIMBS = ((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17))
_FINGERS = tuple((0 if joint == 0 else finger * 4 + joint, finger * 4 + joint + 1) for finger in range(5) for joint in range(4))
_HUES = tuple(tuple(round(255 * part) for part in colorsys.hsv_to_rgb(number / 18, 1.0, 1.0)) for number in range(18))
_THICK, _BODY_DOT, _FACE_DOT, _HAND_LINE = 4, 4, 3, 2
# AP-10K's 17 points, counted from 0: eyes, nose, neck, root of the tail, then each leg downwards
_BEAST_LIMBS = ((0, 1), (1, 2), (0, 2), (2, 3), (3, 8), (8, 9), (9, 10), (3, 5), (5, 6), (6, 7), (3, 4), (4, 14), (14, 15), (15, 16), (4, 11), (11, 12), (12, 13))
_BEAST_COLOURS = ((255, 255, 255), (100, 255, 100), (150, 255, 255), (100, 50, 255), (50, 150, 200), (0, 255, 255), (0, 150, 0), (0, 0, 255), (0, 0, 150),
                  (255, 50, 255), (255, 0, 255), (255, 0, 0), (150, 0, 0), (255, 255, 100), (0, 150, 0), (255, 255, 0), (150, 150, 150))  # fmt: skip
_BEAST_LINE = 5
_MOST_PIXELS = 64 * 2**20
_FARTHEST = 2.0**15                                 # pixels outside of a canvas
_HAND_DOT_COLOUR, _FACE_COLOUR = (0, 0, 255), (255, 255, 255)
_DIM = 0.6


def drawn(pose: Mapping[str, Any]) -> np.ndarray:
    """One pose file as a picture, (H, W, 3), uint8. Raises InvalidValue."""
    width, height = int(pose["canvas_width"]), int(pose["canvas_height"])
    if width < 1 or height < 1 or width * height > _MOST_PIXELS:
        raise InvalidValue(f"A canvas of {width}x{height} pixels cannot be drawn.", "Send canvas_width and canvas_height in pixels.", field="canvas_width")
    canvas = np.zeros((height, width, 3), dtype=np.uint8)
    for person in pose.get("people") or ():
        _body(canvas, points_of(person.get("pose_keypoints_2d")))
        for side in ("left", "right"):
            _hand(canvas, points_of(person.get(f"hand_{side}_keypoints_2d")))
        _face(canvas, points_of(person.get("face_keypoints_2d")))
    for animal in pose.get("animals") or ():
        _animal(canvas, points_of(animal))
    return canvas


def faces_alone(pose: Mapping[str, Any]) -> dict[str, Any]:
    """The pose without bodies and hands."""
    return {**pose, "people": [{"face_keypoints_2d": person.get("face_keypoints_2d")} for person in pose.get("people") or ()]}


def points_of(numbers: Sequence[float] | None) -> Points:
    """x, y, confidence, x, y ... -> points; one that is not sure (below 1) is None. Raises InvalidValue."""
    if not numbers:
        return []
    if not all(math.isfinite(number) for number in numbers):
        raise InvalidValue("A keypoint is no number.", "Send x, y and confidence of each point.", field="people")
    if len(numbers) % 3:
        raise InvalidValue(f"A list of keypoints has {len(numbers)} numbers, which is no multiple of three.", "Send x, y and confidence of each point.", field="people")
    return [(_bounded(numbers[at]), _bounded(numbers[at + 1])) if numbers[at + 2] >= 1.0 else None for at in range(0, len(numbers), 3)]


def _bounded(value: float) -> float:
    return float(max(-_FARTHEST, min(value, _FARTHEST)))


def _in_pixels(points: Points, canvas: np.ndarray) -> Points:
    """Points within 0 .. 1 are shares of the canvas."""
    known = [point for point in points if point is not None]
    shares = bool(known) and all(abs(value) <= 1 for point in known for value in point)
    across, down = (canvas.shape[1], canvas.shape[0]) if shares else (1.0, 1.0)
    return [None if point is None else (point[0] * across, point[1] * down) for point in points]


def _whole(point: tuple[float, float]) -> tuple[int, int]:
    return int(point[0]), int(point[1])


def _body(canvas: np.ndarray, points: Points) -> None:
    points = _in_pixels(points, canvas)
    for (first, second), colour in zip(_LIMBS, _HUES_OF_BODY):
        start, end = (points[place] if place < len(points) else None for place in (first, second))
        if start is None or end is None:
            continue
        middle = int((start[0] + end[0]) / 2), int((start[1] + end[1]) / 2)
        length, angle = math.dist(start, end), math.degrees(math.atan2(start[1] - end[1], start[0] - end[0]))
        outline = cv2.ellipse2Poly(middle, (int(length / 2), _THICK), int(angle), 0, 360, 1)
        cv2.fillConvexPoly(canvas, outline, [int(part * _DIM) for part in colour])
    for point, colour in zip(points, _HUES_OF_BODY):
        if point is not None:
            cv2.circle(canvas, _whole(point), _BODY_DOT, colour, thickness=-1)


# the hues that the networks know are steps of 85 in 8 bits, not exact ones
_HUES_OF_BODY = tuple(tuple(round(part / 85.0) * 85 for part in hue) for hue in _HUES)


def _hand(canvas: np.ndarray, points: Points) -> None:
    points = _in_pixels(points, canvas)
    for number, (first, second) in enumerate(_FINGERS):
        ends = [points[place] if place < len(points) else None for place in (first, second)]
        if any(end is None or min(_whole(end)) <= 0 for end in ends):
            continue
        colour = [255 * part for part in colorsys.hsv_to_rgb(number / len(_FINGERS), 1.0, 1.0)]
        cv2.line(canvas, _whole(ends[0]), _whole(ends[1]), colour, thickness=_HAND_LINE)
    _dots(canvas, points, 4, _HAND_DOT_COLOUR)


def _animal(canvas: np.ndarray, points: Points) -> None:
    for (first, second), colour in zip(_BEAST_LIMBS, _BEAST_COLOURS, strict=True):
        start, end = (points[place] if place < len(points) else None for place in (first, second))
        if start is not None and end is not None:
            cv2.line(canvas, _whole(start), _whole(end), colour, _BEAST_LINE)


def _face(canvas: np.ndarray, points: Points) -> None:
    _dots(canvas, _in_pixels(points, canvas), _FACE_DOT, _FACE_COLOUR)


def _dots(canvas: np.ndarray, points: Points, radius: int, colour: tuple[int, int, int]) -> None:
    for point in points:
        if point is not None and min(_whole(point)) > 0:
            cv2.circle(canvas, _whole(point), radius, colour, thickness=-1)
