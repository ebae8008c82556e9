"""The ControlNet that ships, with the checkpoint that ships: what its weight, steps, modes and region do, and that the picture's edges follow the map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modules.application.generation import generate_blocking
from modules.imaging.base64_codec import encode_image
from modules.starter.drawing import PICTURE_SIZE
from tests.bench.starter_controlnet import LEAST_ON, MOST_OFF, SHAPE_COUNT, measure, request, server, shapes

HALF = PICTURE_SIZE // 2


@pytest.fixture(scope="module")
def app() -> Iterator[Any]:
    with server() as app:
        yield app


def made(app: Any, unit: dict[str, Any] | None, **changes: Any) -> np.ndarray:
    (shape,) = shapes("objects", 1)
    return np.asarray(generate_blocking(app, request(shape, 7, unit, **{"steps": 6, **changes})).images[0].picture.convert("RGB")).astype(int)


def region(left: int, right: int) -> str:
    mask = np.zeros((PICTURE_SIZE, PICTURE_SIZE, 3), np.uint8)
    mask[:, :HALF], mask[:, HALF:] = left, right
    return encode_image(Image.fromarray(mask))


def test_what_cannot_act_leaves_the_picture_bit_for_bit(app: Any) -> None:
    plain = made(app, None)
    for unit in ({"weight": 0.0}, {"enabled": False}, {"guidance_start": 1.0}, {"effective_region_mask": region(0, 0)}):
        assert np.array_equal(made(app, unit), plain), unit
    assert not np.array_equal(made(app, {}), plain)


def test_step_window_modes_weight_and_region_all_act(app: Any) -> None:
    plain, whole = made(app, None), made(app, {})
    units: dict[str, dict[str, Any]] = {
        "first half": {"guidance_end": 0.5}, "second half": {"guidance_start": 0.5}, "prompt": {"control_mode": 1}, "control": {"control_mode": 2},
        "weaker": {"weight": 0.4}, "left": {"effective_region_mask": region(255, 0)},
    }  # fmt: skip
    pictures = {"plain": plain, "whole": whole, **{name: made(app, unit) for name, unit in units.items()}}
    assert len({picture.tobytes() for picture in pictures.values()}) == len(pictures)
    changed = np.abs(pictures["left"] - plain).mean(axis=(0, 2))
    assert changed[:HALF].mean() > changed[HALF:].mean()
    assert np.array_equal(made(app, {"effective_region_mask": region(255, 255)}), whole)
    assert np.array_equal(made(app, {"guidance_start": 0.0, "guidance_end": 1.0, "control_mode": "Balanced"}), whole)


@pytest.mark.long
def test_the_pictures_edges_follow_the_map(app: Any) -> None:
    found = measure(app, shapes("objects", SHAPE_COUNT), [])
    assert found["on"] >= LEAST_ON and found["off"] < MOST_OFF
