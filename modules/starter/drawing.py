"""Draws the training pictures of the starter model: one object, one colour, one style, one background."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from modules.starter.shapes import DARK, HOLE, LIGHT, SHAPES, Part, Point

Colour = tuple[int, int, int]

PICTURE_SIZE = 96
SUPERSAMPLING = 3
PIXEL_GRID = 32  # the "pixel" style is drawn on this many squares per side

COLOURS: dict[str, Colour] = {
    "red": (222, 38, 42),
    "orange": (248, 138, 26),
    "yellow": (250, 220, 48),
    "green": (44, 164, 66),
    "cyan": (60, 208, 220),
    "blue": (42, 84, 214),
    "purple": (138, 52, 190),
    "pink": (252, 132, 186),
    "brown": (122, 72, 36),
    "white": (248, 248, 248),
    "grey": (136, 138, 142),
    "black": (22, 22, 26),
}
OBJECTS: tuple[str, ...] = tuple(SHAPES)
COLOUR_NAMES: tuple[str, ...] = tuple(COLOURS)
STYLES: tuple[str, ...] = ("flat", "outlined", "glossy", "pixel")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a picture shows, by the names of OBJECTS, COLOURS (twice) and STYLES."""

    object: str
    colour: str
    background: str
    style: str


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where the object stands: radius and centre in units of half the picture, angle in radians, and paint jitter."""

    radius: float = 0.68
    x: float = 0.0
    y: float = 0.0
    angle: float = 0.0
    paint: tuple[int, int, int] = (0, 0, 0)
    background_paint: tuple[int, int, int] = (0, 0, 0)


def random_subject(rng: np.random.Generator) -> Subject:
    """Any object on any background of another colour, evenly."""
    colour, background = rng.choice(len(COLOUR_NAMES), 2, replace=False)
    return Subject(
        object=OBJECTS[rng.integers(len(OBJECTS))],
        colour=COLOUR_NAMES[colour],
        background=COLOUR_NAMES[background],
        style=STYLES[rng.integers(len(STYLES))],
    )


def random_pose(rng: np.random.Generator) -> Pose:
    """A modest variation, so that the object stays whole and its colour keeps its name."""

    def paint() -> tuple[int, int, int]:
        r, g, b = rng.integers(-7, 8, 3)
        return int(r), int(g), int(b)

    return Pose(
        radius=float(rng.uniform(0.6, 0.74)),
        x=float(rng.uniform(-0.08, 0.08)),
        y=float(rng.uniform(-0.08, 0.08)),
        angle=float(rng.uniform(-0.14, 0.14)),
        paint=paint(),
        background_paint=paint(),
    )


def draw(subject: Subject, pose: Pose | None = None, size: int = PICTURE_SIZE) -> Image.Image:
    """An RGB picture of ``size`` x ``size`` pixels. Raises KeyError for a name that is in none of the tables."""
    return draw_parts(SHAPES[subject.object](), subject, pose or Pose(), size)


def draw_parts(shape: list[Part], subject: Subject, pose: Pose, size: int = PICTURE_SIZE) -> Image.Image:
    """Any ``shape`` in the subject's colours and style; the subject's object is not looked at."""
    paint = _jitter(COLOURS[subject.colour], pose.paint)
    ground = _jitter(COLOURS[subject.background], pose.background_paint)
    canvas = size * SUPERSAMPLING
    parts = [(part, _placed(part.points, pose, canvas)) for part in shape]
    image = Image.new("RGB", (canvas, canvas), ground)
    pen = ImageDraw.Draw(image)
    if subject.style == "outlined":
        _draw_outline(pen, parts, _outline_colour(paint, ground), width=canvas // 22)
    for part, points in parts:
        pen.polygon(points, fill=_fill(part.tone, paint, ground))
    if subject.style == "pixel":
        coarse = image.resize((PIXEL_GRID, PIXEL_GRID), Image.Resampling.NEAREST)
        return coarse.resize((size, size), Image.Resampling.NEAREST)
    image = image.reduce(SUPERSAMPLING)
    return _glossed(image, parts, pose) if subject.style == "glossy" else image


def _jitter(colour: Colour, offset: Colour) -> Colour:
    r, g, b = (max(0, min(255, c + o)) for c, o in zip(colour, offset, strict=True))
    return r, g, b


def _mix(colour: Colour, other: Colour, share: float) -> Colour:
    r, g, b = (round(c + (o - c) * share) for c, o in zip(colour, other, strict=True))
    return r, g, b


def luminance(colour: Colour) -> float:
    """Perceived brightness, 0 to 255 (Rec. 601 weights)."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def _fill(tone: str, paint: Colour, ground: Colour) -> Colour:
    if tone == HOLE:
        return ground
    if tone == DARK:  # black has no darker shade: its details are lighter
        return _mix(paint, (0, 0, 0), 0.28) if luminance(paint) > 60 else _mix(paint, (255, 255, 255), 0.16)
    if tone == LIGHT:
        return _mix(paint, (255, 255, 255), 0.3) if luminance(paint) < 200 else _mix(paint, (0, 0, 0), 0.1)
    return paint


def _outline_colour(paint: Colour, ground: Colour) -> Colour:
    """Dark, except where neither the object nor the ground would set it off."""
    dark_pair = luminance(paint) < 60 or luminance(ground) < 60
    return (250, 250, 250) if dark_pair else (16, 16, 20)


def _placed(points: tuple[Point, ...], pose: Pose, canvas: int) -> list[Point]:
    half = canvas / 2
    cos, sin = math.cos(pose.angle) * pose.radius * half, math.sin(pose.angle) * pose.radius * half
    cx, cy = half * (1 + pose.x), half * (1 + pose.y)
    return [(cx + x * cos - y * sin, cy + x * sin + y * cos) for x, y in points]


def _draw_outline(pen: ImageDraw.ImageDraw, parts: list[tuple[Part, list[Point]]], colour: Colour, width: int) -> None:
    for part, points in parts:
        if part.is_silhouette:
            pen.line([*points, points[0], points[1]], fill=colour, width=width, joint="curve")


def _glossed(image: Image.Image, parts: list[tuple[Part, list[Point]]], pose: Pose) -> Image.Image:
    """Lights the object from above and adds a white highlight in its upper left."""
    size = image.width
    canvas = size * SUPERSAMPLING
    mask_image = Image.new("L", (canvas, canvas), 0)
    pen = ImageDraw.Draw(mask_image)
    for part, points in parts:
        pen.polygon(points, fill=0 if part.tone == HOLE else 255)
    mask = np.asarray(mask_image.reduce(SUPERSAMPLING), dtype=np.float32)[..., None] / 255
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    x, y = (axis[None, :] - pose.x) / pose.radius, (axis[:, None] - pose.y) / pose.radius
    light = 1.12 - 0.16 * (y + 1)
    shine = np.clip(1.6 - 1.6 * np.hypot((x + 0.3) / 0.34, (y + 0.42) / 0.24), 0, 1) * 0.85
    pixels = np.asarray(image, dtype=np.float32)
    pixels = pixels * (1 + mask * (light[..., None] - 1))
    pixels = pixels + (255 - pixels) * mask * shine[..., None]
    return Image.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8))
