"""Drawings with their edge maps, for the starter ControlNet: the objects in many poses, and shapes that have no name."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from modules.starter.captions import choose_mention, write_caption
from modules.starter.drawing import PICTURE_SIZE, Pose, Subject, draw_parts, random_pose
from modules.starter.shapes import DARK, HOLE, LIGHT, SHAPES, Part
from modules.starter.text_training import trainable_subject

FREE_SHAPES = 0.2  # of the pictures: the network has to read the map, for the caption cannot tell the shape
WIDE_POSES = 0.3
USUAL_THRESHOLDS = 0.5  # maps at Canny's own defaults
OBJECT_SAID = 0.5  # captions that name the object; the others say its colours only
FINER = (2, 3)  # maps are also made of larger drawings, as people's pictures are


@dataclass(frozen=True, kw_only=True, eq=False)
class EdgePicture:
    """picture: uint8 (H, W, 3). maps: several edge maps of it, uint8 (N, H, W), 0 or 255."""

    picture: np.ndarray
    maps: np.ndarray
    subject: Subject
    is_free: bool


def caption_of(subject: Subject, rng: np.random.Generator, *, is_free: bool) -> str:
    """Words about the picture; of its object only where the shape is the object's."""
    mention = choose_mention(subject, rng)
    return write_caption(replace(mention, object=None) if is_free or rng.random() > OBJECT_SAID else mention, rng)


def edge_picture(rng: np.random.Generator, maps: int = 3) -> EdgePicture:
    """A picture that training may see."""
    subject = trainable_subject(rng)
    is_free = bool(rng.random() < FREE_SHAPES)
    shape = free_shape(rng) if is_free else SHAPES[subject.object]()
    pose = wide_pose(rng) if is_free or rng.random() < WIDE_POSES else random_pose(rng)
    found = [edge_map(shape, subject, pose, rng) for _ in range(maps)]
    return EdgePicture(picture=np.asarray(draw_parts(shape, subject, pose)), maps=np.stack(found), subject=subject, is_free=is_free)


def edge_map(shape: list[Part], subject: Subject, pose: Pose, rng: np.random.Generator) -> np.ndarray:
    """uint8 (H, W), 0 or 255: Canny's edges, at thresholds as people choose them, mostly of the picture's own size."""
    if rng.random() < USUAL_THRESHOLDS:
        return canny(np.asarray(draw_parts(shape, subject, pose)))
    low = float(rng.uniform(50, 130))
    finer = int(rng.choice(FINER)) if rng.random() < 0.25 else 1
    edges = canny(np.asarray(draw_parts(shape, subject, pose, PICTURE_SIZE * finer)), low, low * float(rng.uniform(1.3, 2.2)))
    return edges.reshape(PICTURE_SIZE, finer, PICTURE_SIZE, finer).max(axis=(1, 3))


def canny(picture: np.ndarray, low: float = 100, high: float = 200) -> np.ndarray:
    """uint8 (H, W), 0 or 255. picture: uint8 (H, W, 3)."""
    return cv2.Canny(np.ascontiguousarray(picture), int(low), int(high))


def wide_pose(rng: np.random.Generator) -> Pose:
    """Anywhere in the picture, of any angle, as long as it stays inside."""
    radius = float(rng.uniform(0.35, 0.8))
    room = max(0.95 - radius, 0.0)
    usual = random_pose(rng)
    return replace(
        usual, radius=radius, x=float(rng.uniform(-room, room)), y=float(rng.uniform(-room, room)), angle=float(rng.uniform(-math.pi, math.pi))
    )


def free_shape(rng: np.random.Generator) -> list[Part]:
    """One outline, angular or round, at times with a second one inside, within [-1, 1]."""
    parts = [Part(points=_outline(rng, 1.0))]
    if rng.random() < 0.4:
        tone = (DARK, LIGHT, HOLE)[rng.integers(3)]
        parts.append(Part(points=_outline(rng, float(rng.uniform(0.25, 0.5))), tone=tone))
    return parts


def _outline(rng: np.random.Generator, radius: float) -> tuple[tuple[float, float], ...]:
    if rng.random() < 0.5:
        corners = int(rng.integers(3, 10))
        angles = 2 * math.pi * (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) / corners
        distances = rng.uniform(0.45, 1.0, corners)
    else:
        angles = 2 * math.pi * np.arange(72) / 72
        waves = sum(rng.normal() * 0.35 / n**1.3 * np.cos(n * angles + rng.uniform(0, 2 * math.pi)) for n in range(1, 6))
        distances = np.clip(0.75 + waves, 0.25, 1.0)
    squeeze = rng.uniform(0.55, 1.0, 2)
    return tuple((float(x), float(y)) for x, y in zip(radius * squeeze[0] * distances * np.cos(angles), radius * squeeze[1] * distances * np.sin(angles), strict=True))
