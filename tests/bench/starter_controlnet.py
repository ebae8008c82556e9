"""Does the starter ControlNet make the picture follow the edge map? Pictures come from the real engine; needs no network.

    python -m tests.bench.starter_controlnet [--shapes 50] [--sheet sheet.png]
Each shape is in colours that training has not seen with it; its drawing goes through the preprocessor ``canny``, its colours are the prompt.
Compared are the map's edges and the finished picture's, both widened by a pixel. Exits with 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from modules.application.generation import generate_blocking
from modules.schema.request import Txt2ImgRequest
from modules.starter.captions import is_held_out
from modules.starter.drawing import OBJECTS, PICTURE_SIZE, Subject, draw, draw_parts, random_pose, random_subject
from modules.starter.edge_pictures import canny, free_shape, wide_pose
from modules.starter.export import CHECKPOINT, CONTROL
from modules.starter.preview import sheet
from modules.starter.shapes import SHAPES
from tests.extended_app import extended_app

SHAPE_COUNT = 50
STEPS, GUIDANCE_SCALE, SAMPLER = 20, 5.0, "Euler"
LEAST_ON, MOST_OFF = 0.5, 0.2
FEWEST_EDGES = 60                                   # pixels; colours that are too alike give no map to follow
SEED = 5000
KINDS = ("objects", "turned", "outlines")


@dataclass(frozen=True, kw_only=True, eq=False)
class Shape:
    drawing: np.ndarray
    subject: Subject

    @property
    def prompt(self) -> str:
        return f"a {self.subject.colour} shape on a {self.subject.background} background"


def shapes(kind: str, count: int) -> list[Shape]:
    """The same ones on every run. kind: "objects" of the checkpoint as it knows them, "turned" anywhere in the picture, or "outlines" without a name."""
    rng = np.random.default_rng([20, len(kind)])
    found: list[Shape] = []
    while len(found) < count:
        subject = random_subject(rng)
        if not is_held_out(subject.object, subject.colour, subject.background):
            continue
        if kind == "objects":
            drawing = np.asarray(draw(subject, random_pose(rng)))
        else:
            drawing = np.asarray(draw_parts(free_shape(rng) if kind == "outlines" else SHAPES[subject.object](), subject, wide_pose(rng)))
        if np.count_nonzero(canny(drawing)) >= FEWEST_EDGES:
            found.append(Shape(drawing=drawing, subject=subject))
    return found


@contextlib.contextmanager
def server() -> Iterator[Any]:
    """An App with the models that ship and our ControlNet."""
    with tempfile.TemporaryDirectory() as folder, extended_app("--data-dir", folder, "--models-dir", str(CHECKPOINT.parents[1])) as app:
        yield app


def request(shape: Shape, seed: int, unit: dict[str, Any] | None, **changes: Any) -> Txt2ImgRequest:
    """One picture; None for ``unit`` is without one. changes: other fields of the request."""
    png = io.BytesIO()
    Image.fromarray(shape.drawing).save(png, "PNG")
    args = {"enabled": True, "module": "canny", "model": CONTROL.stem, "pixel_perfect": True, "image": base64.b64encode(png.getvalue()).decode(), **(unit or {})}
    return Txt2ImgRequest.from_flat({
        "prompt": shape.prompt, "seed": seed, "steps": STEPS, "cfg_scale": GUIDANCE_SCALE, "sampler_name": SAMPLER, "width": PICTURE_SIZE, "height": PICTURE_SIZE,
        "save_images": False, "override_settings": {"sd_model_checkpoint": CHECKPOINT.name}, "alwayson_scripts": {"controlnet": {"args": [] if unit is None else [args]}}, **changes,
    })  # fmt: skip


def agreement(picture: np.ndarray, edges: np.ndarray) -> float:
    """Intersection over union of the picture's edges and the map's, each widened by a pixel. edges: uint8 (H, W)."""
    widened = [cv2.dilate(each, np.ones((3, 3), np.uint8)) > 0 for each in (canny(picture), edges)]
    union = np.count_nonzero(widened[0] | widened[1])
    return float(np.count_nonzero(widened[0] & widened[1]) / union) if union else 0.0


def measure(app: Any, found: list[Shape], rows: list[np.ndarray]) -> dict[str, float]:
    """The mean agreement with the unit on and off; shown pictures are added to ``rows``."""
    scores: dict[str, list[float]] = {"on": [], "off": []}
    for number, shape in enumerate(found):
        edges = canny(shape.drawing)
        made = {}
        for name, unit in (("on", {}), ("off", None)):
            made[name] = np.asarray(generate_blocking(app, request(shape, SEED + number, unit)).images[0].picture.convert("RGB"))
            scores[name].append(agreement(made[name], edges))
        rows += [shape.drawing, np.repeat(edges[:, :, None], 3, axis=2), made["on"], made["off"]]
    return {name: float(np.mean(values)) for name, values in scores.items()}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.starter_controlnet", description=__doc__)
    parser.add_argument("--shapes", type=int, default=SHAPE_COUNT, help="of each kind (default: %(default)s)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="of shapes (default: all)")
    parser.add_argument("--sheet", type=Path, help="also write drawing, map, picture with and without the unit, row by row, to this PNG")
    arguments = parser.parse_args()
    rows: list[np.ndarray] = []
    with server() as app:
        tables = {kind: measure(app, shapes(kind, arguments.shapes), rows) for kind in arguments.kinds}
    print(f"{arguments.shapes} held-out shapes of each kind, {len(OBJECTS)} objects, {STEPS} steps of {SAMPLER}, CFG {GUIDANCE_SCALE:g}; edges that agree, mean IoU")
    print(f"{'':12}{'unit on':>10}{'unit off':>10}")
    for kind, table in tables.items():
        print(f"{kind:12}{table['on']:>10.3f}{table['off']:>10.3f}")
    missed = any(table["on"] < LEAST_ON for kind, table in tables.items() if kind == "objects") or any(table["off"] >= MOST_OFF for table in tables.values())
    print(f"targets: objects on >= {LEAST_ON:g}, off < {MOST_OFF:g}: {'missed' if missed else 'met'}")
    if arguments.sheet:
        Image.fromarray(sheet(np.stack(rows), 8)).save(arguments.sheet)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
