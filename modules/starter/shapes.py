"""The outlines of everything the starter model can draw, as polygons in a unit square.

x runs right and y runs down, both within [-1, 1]. Each polygon has a tone: how it is coloured relative to the object.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

Point = tuple[float, float]

MAIN, DARK, LIGHT, HOLE = "main", "dark", "light", "hole"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One filled polygon. tone is MAIN, DARK, LIGHT (shades of the object's colour) or HOLE (background shows)."""

    points: tuple[Point, ...]
    tone: str = MAIN

    @property
    def is_silhouette(self) -> bool:
        """True when the polygon bounds the object: an outline follows it."""
        return self.tone in (MAIN, HOLE)


def _part(*points: Point, tone: str = MAIN) -> Part:
    return Part(points=points, tone=tone)


def _ellipse(x: float, y: float, rx: float, ry: float | None = None, *, tone: str = MAIN) -> Part:
    ry = rx if ry is None else ry
    turns = [2 * math.pi * i / 48 for i in range(48)]
    return Part(points=tuple((x + rx * math.cos(a), y + ry * math.sin(a)) for a in turns), tone=tone)


def _box(left: float, top: float, right: float, bottom: float, *, tone: str = MAIN) -> Part:
    return _part((left, top), (right, top), (right, bottom), (left, bottom), tone=tone)


def _star_points(n: int, outer: float, inner: float) -> tuple[Point, ...]:
    radii = [outer if i % 2 == 0 else inner for i in range(2 * n)]
    return tuple((r * math.sin(math.pi * i / n), -r * math.cos(math.pi * i / n) + 0.05) for i, r in enumerate(radii))


def _bezier(start: Point, control: Point, end: Point, n: int = 14) -> list[Point]:
    """A quadratic curve as n points, the end left out so that curves can be chained."""
    steps = [i / n for i in range(n)]
    return [
        (
            (1 - t) ** 2 * start[0] + 2 * t * (1 - t) * control[0] + t * t * end[0],
            (1 - t) ** 2 * start[1] + 2 * t * (1 - t) * control[1] + t * t * end[1],
        )
        for t in steps
    ]


def _curve(*knots: Point) -> tuple[Point, ...]:
    """A closed outline of quadratic curves: knots alternate between a point on the curve and a control point."""
    points: list[Point] = []
    for i in range(0, len(knots), 2):
        points += _bezier(knots[i], knots[i + 1], knots[(i + 2) % len(knots)])
    return tuple(points)


def potion() -> list[Part]:
    return [
        _box(-0.24, -0.75, 0.24, 0.1),
        _ellipse(0, 0.34, 0.64),
        _box(-0.34, -0.98, 0.34, -0.74, tone=MAIN),
        _box(-0.30, -0.95, 0.30, -0.77, tone=DARK),
        _part(*[(0.52 * math.cos(a), 0.34 + 0.52 * math.sin(a)) for a in [math.pi * i / 24 for i in range(25)]], tone=LIGHT),
    ]


def sword() -> list[Part]:
    return [
        _part((0, -1), (0.2, -0.72), (0.2, 0.4), (-0.2, 0.4), (-0.2, -0.72)),
        _box(-0.1, 0.4, 0.1, 0.98),
        _box(-0.55, 0.36, 0.55, 0.56),
        _box(-0.5, 0.4, 0.5, 0.52, tone=DARK),
        _box(-0.09, 0.54, 0.09, 0.94, tone=DARK),
        _box(-0.04, -0.75, 0.04, 0.36, tone=LIGHT),
    ]


def _shield_points(scale: float) -> tuple[Point, ...]:
    knots = [(-0.78, -0.8), (0, -0.92), (0.78, -0.8), (0.85, 0.55), (0, 1.0), (-0.85, 0.55)]
    return _curve(*[(x * scale, y * scale) for x, y in knots])


def shield() -> list[Part]:
    half = tuple((max(x, 0.0), y) for x, y in _shield_points(0.74))
    return [_part(*_shield_points(1.0)), _part(*_shield_points(0.74), tone=LIGHT), _part(*half, tone=DARK)]


def coin() -> list[Part]:
    return [
        _ellipse(0, 0, 0.88),
        _ellipse(0, 0, 0.70, tone=DARK),
        _ellipse(0, 0, 0.60),
        _box(-0.12, -0.36, 0.12, 0.36, tone=DARK),
    ]


def gem() -> list[Part]:
    return [
        _part((-0.5, -0.66), (0.5, -0.66), (0.95, -0.18), (0, 0.88), (-0.95, -0.18)),
        _part((-0.95, -0.18), (0.95, -0.18), (0, 0.88), tone=DARK),
        _part((-0.4, -0.18), (0.4, -0.18), (0, 0.88)),
        _part((0, -0.66), (0.4, -0.18), (-0.4, -0.18), tone=LIGHT),
    ]


def heart() -> list[Part]:
    points = []
    for i in range(60):
        a = 2 * math.pi * i / 60
        x = 16 * math.sin(a) ** 3
        y = 13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a)
        points.append((x / 17.5, -y / 16.5 - 0.1))
    return [_part(*points)]


def star() -> list[Part]:
    return [_part(*_star_points(5, 1.0, 0.42))]


def key() -> list[Part]:
    return [
        _ellipse(0, -0.55, 0.43),
        _box(-0.11, -0.2, 0.11, 0.98),
        _box(0.1, 0.38, 0.44, 0.58),
        _box(0.1, 0.74, 0.44, 0.95),
        _ellipse(0, -0.55, 0.2, tone=HOLE),
    ]


def leaf() -> list[Part]:
    return [
        _part((-0.06, 0.6), (0.06, 0.6), (0.1, 1.0), (-0.1, 1.0)),
        _part(*_curve((0, -0.98), (1.15, -0.1), (0, 0.72), (-1.15, -0.1))),
        _box(-0.04, -0.7, 0.04, 0.7, tone=DARK),
        _part((0, -0.05), (0.36, -0.34), (0.4, -0.26), (0, 0.09), tone=DARK),
        _part((0, -0.05), (-0.36, -0.34), (-0.4, -0.26), (0, 0.09), tone=DARK),
        _part((0, 0.35), (0.33, 0.08), (0.37, 0.16), (0, 0.49), tone=DARK),
        _part((0, 0.35), (-0.33, 0.08), (-0.37, 0.16), (0, 0.49), tone=DARK),
    ]


def flame() -> list[Part]:
    outer = _curve(
        (0.1, -1.0),
        (0.2, -0.5),
        (0.5, -0.2),
        (0.95, 0.45),
        (0.0, 0.95),
        (-1.0, 0.6),
        (-0.5, -0.3),
        (-0.32, 0.0),
        (-0.25, 0.0),
        (-0.15, -0.5),
    )
    inner = _curve((0.05, -0.1), (0.55, 0.5), (0.0, 0.8), (-0.6, 0.5))
    return [_part(*outer), _part(*inner, tone=LIGHT)]


def crown() -> list[Part]:
    return [
        _part((-0.9, -0.6), (-0.45, 0.0), (0, -0.85), (0.45, 0.0), (0.9, -0.6), (0.72, 0.7), (-0.72, 0.7)),
        _box(-0.72, 0.4, 0.72, 0.58, tone=DARK),
    ]


def mushroom() -> list[Part]:
    cap = _curve((-0.95, 0.1), (-0.85, -0.9), (0, -0.9), (0.85, -0.9), (0.95, 0.1), (0, 0.25))
    return [
        _part((-0.3, 0.05), (0.3, 0.05), (0.38, 0.9), (-0.38, 0.9)),
        _part((-0.27, 0.18), (0.27, 0.18), (0.33, 0.86), (-0.33, 0.86), tone=LIGHT),
        _part(*cap),
        _ellipse(-0.4, -0.25, 0.15, tone=LIGHT),
        _ellipse(0.1, -0.5, 0.15, tone=LIGHT),
        _ellipse(0.5, -0.15, 0.14, tone=LIGHT),
    ]


def moon() -> list[Part]:
    outer = [(0.9 * math.cos(a), 0.9 * math.sin(a)) for a in [math.radians(50 + 260 * i / 40) for i in range(41)]]
    tip_x, tip_y = outer[-1]
    inner = _bezier((tip_x, tip_y), (-0.5, 0.0), (outer[0][0], outer[0][1]), n=24)
    return [_part(*[(x + 0.15, y) for x, y in outer + inner])]


def bolt() -> list[Part]:
    return [_part((0.2, -1.0), (-0.6, 0.15), (-0.08, 0.15), (-0.25, 1.0), (0.6, -0.25), (0.08, -0.25), (0.5, -1.0))]


def circle() -> list[Part]:
    return [_ellipse(0, 0, 0.82)]


def square() -> list[Part]:
    return [_box(-0.74, -0.74, 0.74, 0.74)]


def triangle() -> list[Part]:
    return [_part((0, -0.85), (0.92, 0.74), (-0.92, 0.74))]


def cross() -> list[Part]:
    a, b = 0.27, 0.86
    return [_part((-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a), (a, b), (-a, b), (-a, a), (-b, a), (-b, -a), (-a, -a))]


def ring() -> list[Part]:
    return [_ellipse(0, 0, 0.86), _ellipse(0, 0, 0.5, tone=HOLE)]


SHAPES: dict[str, Callable[[], list[Part]]] = {
    shape.__name__: shape
    for shape in (
        potion,
        sword,
        shield,
        coin,
        gem,
        heart,
        star,
        key,
        leaf,
        flame,
        crown,
        mushroom,
        moon,
        bolt,
        circle,
        square,
        triangle,
        cross,
        ring,
    )
}
