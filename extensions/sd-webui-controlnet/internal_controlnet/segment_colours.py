"""Kinds of things as a picture: the colours of ADE20K or COCO, that segmentations' control networks were trained with, and outlines as the original has them."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

_ADE = (
    "787878b4787806e6e650323204c8037878508c8c8ccc05ffe6e6e604fa07e005ffebff0796053d78784608ff33ff06528fff8cccff04ff3307cc46030066c83de6fa"
    "ff06330b66ffff0747ff09e00907e6dcdcdcff095c7009ff08ffd607ffe0ffb8060aff47ff290a07ffffe0ff086608ffff3d06ffc207ff7a0800ff14ff0829ff0599"
    "0633ffeb0cffa0961400a3ff8c8c8cfa0a0f14ff001fff00ff1f00ffe00099ff000000ffff470000ebff00adff1f00ff0bc8c8ff520000fff5003dff00ff7000ff85"
    "ff0000ffa300ff6600c2ff00008fff33ff000052ff00ff2900ffad0a00ffadff0000ff99ff5c00ff00ffff00f5ff0066ffad00ff0014ffb8b8001fff00ff3d0047ff"
    "ff00cc00ffc200ff52000aff0070ff3300ff00c2ff007aff00ffa3ff990000ff0aff70008fff005200ffa3ff00ffeb0008b8aa8500ff00ff5cb800ffff001f00b8ff"
    "00d6ffff00705cff0000e0ff70e0ff46b8a0a300ff9900ff47ff00ff00a3ffcc00ff008f00ffeb85ff00ff00ebf500ffff007afff5000abed4d6ff0000ccff1400ff"
    "ffff000099ff0029ff00ffcc2900ff29ff00ad00ff00f5ff4700ff7a00ff00ffb8005cffb8ff000085ffffd60019c2c266ff005c00ff"
)
_COCO = (
    "dc143c770b2000008e0000e66a00e4003c640050640000460000c0faaa1e64aa1edcdc00af74affa001ea52a2aff4dff00e2fcb6b6ff00520078a69d6e4c00ae39ff"
    "c76400480076ffb3f0007d5cd10097bcd0b600dcb0ff63a45c00498581ff4eb4ff00e400aefff32d59ff8686679194aeffd0bac5e2ffab86016d3f36cf8aff97005f"
    "09503d5469334a4169a6c466d0c3d2ff6d41008f95b300c2d1636a057900e3ffcd93bad0994501035fa1a3ff007700aa00b6c700a578b782585f20008272876e8185"
    "a64a76db8eb94fd272b25a3e41460f7fa7733b696a8e6c2dc4ac005f3650804cffc93901f6007abfa2d0ffff8093d3cb966464a8abac9270c6d2aa645c8859da58b8"
    "f18100d911ff7c4ab5464646ffe4ff9ad000c1005c4c5b71ffb4c36a9ab0e6968c3c8fff8040805c5237fed47c494daeffa062ffffff68546da9a483e1c7ff89364a"
    "879edf07f6e76bffc83a2995b7798eff49616b8e23be9999928b8d4682b486c79cd1e28c60246c60606040aa4098fb98d0e5e4cebaab98a14074700000728f66669c"
    "fa8dff"
)
_OUTLINE, _WIDTH = (255, 255, 240), 100 / 72       # an off-white line of one point, at 100 dots per inch
_FEWEST = 3                                         # points of an area that is drawn
_ROUNDED = 1024                                     # points of the longest outline for which that holds
_FINE, _BAND = 16, 64                               # parts of a pixel by which edges are softened; rows of pixels that are drawn at a time
_BORDER = 0.5                                       # that OpenCV fills around a polygon
_SHIFT = 8                                          # bits of a point's fraction


def _palette(colours: tuple[str, ...]) -> np.ndarray:
    return np.frombuffer(bytes.fromhex("".join(colours)), np.uint8).reshape(-1, 3)


ADE, COCO = _palette(_ADE), _palette(_COCO)


def outlined(kinds: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """(H, W), numbers of the palette -> (H, W, 3), uint8.

    As detectron2's Visualizer draws: areas that enclose others lie below and have sharp edges; the others have an outline, and end in the middle of their outermost pixels.
    """
    found = np.full((*kinds.shape, 3), 255, np.uint8)
    above = []
    present, areas = np.unique(kinds, return_counts=True)
    for kind in present[np.argsort(-areas)]:
        mask = (kinds == kind).astype(np.uint8)
        contours, hierarchy = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        if (hierarchy[0, :, 3] >= 0).any():
            found[mask > 0] = palette[kind]
        else:
            above += [(_placed(each[:, 0]), palette[kind]) for each in contours if _points(each) >= _FEWEST]
    for outline, colour in above:
        _draw(found, outline, colour)
    return found


def _placed(contour: np.ndarray) -> np.ndarray:
    """Through the middle of its pixels; a rectangle stands a pixel to the right, as it is rounded there."""
    sides = np.diff(contour, axis=0, append=contour[:1])
    return contour + (1.5 if not sides.all(axis=1).any() and _points(contour[:, None]) <= _ROUNDED else 0.5, 0.5)


def _points(contour: np.ndarray) -> int:
    """Pixels along the contour."""
    steps = np.abs(np.diff(contour[:, 0], axis=0, append=contour[:1, 0])).max(axis=1)
    return max(int(steps.sum()), 1)


def _draw(canvas: np.ndarray, outline: np.ndarray, colour: np.ndarray) -> None:
    left, top = np.maximum(np.floor(outline.min(axis=0) - 2).astype(int), 0)
    right, bottom = np.minimum(np.ceil(outline.max(axis=0) + 2).astype(int), canvas.shape[1::-1])
    pieces = list(_pieces((outline - (left, top)) * _FINE, _WIDTH / 2 * _FINE - _BORDER))
    starts, ends = (np.array([reach(each[:, 1]) for each in pieces]) for reach in (np.min, np.max))
    for at in range(top, bottom, _BAND):
        shift, rows = np.array([0, (at - top) * _FINE]), min(_BAND, bottom - at)
        inside, line = (np.zeros((rows * _FINE, (right - left) * _FINE), np.uint8) for _ in range(2))
        cv2.fillPoly(inside, [_fixed((outline - (left, at)) * _FINE)], (255,), shift=_SHIFT)
        for number in np.flatnonzero((ends >= shift[1] - 1) & (starts <= shift[1] + rows * _FINE + 1)):
            cv2.fillConvexPoly(line, _fixed(pieces[number] - shift), (255,), shift=_SHIFT)
        part = canvas[at : at + rows, left:right]
        for drawn, ink in ((inside, colour), (line, _OUTLINE)):
            share = cv2.resize(drawn, (right - left, rows), interpolation=cv2.INTER_AREA).astype(np.float32)[:, :, None] / 255
            part[:] = np.rint(part * (1 - share) + np.float32(ink) * share)


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.rint((points - 0.5) * 2**_SHIFT).astype(np.int32)       # OpenCV counts from the middle of the first pixel


def _pieces(outline: np.ndarray, half: float) -> Iterator[np.ndarray]:
    """Convex areas that make up the line around ``outline``: one along each side, one at each corner."""
    after = np.roll(outline, -1, axis=0)
    along = (after - outline) / np.linalg.norm(after - outline, axis=1, keepdims=True)
    aside = np.stack([-along[:, 1], along[:, 0]], axis=1) * half
    for start, end, first, second in zip(outline, after, aside, np.roll(aside, -1, axis=0), strict=True):
        yield np.stack([start + first, end + first, end - first, start - first])
        yield np.stack([end + first, end + second, end - first, end - second])
