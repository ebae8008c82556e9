"""The drawn pictures show what they are said to show."""

from __future__ import annotations

import numpy as np
import pytest

from modules.starter.drawing import COLOUR_NAMES, COLOURS, OBJECTS, PICTURE_SIZE, STYLES, Subject, draw, random_pose, random_subject
from modules.starter.judge import background_colour


def _distance(pixels: np.ndarray, name: str) -> np.ndarray:
    return np.abs(pixels.astype(int) - np.array(COLOURS[name])).max(axis=-1)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", OBJECTS)
def test_object_and_background_have_their_colours(name: str, style: str) -> None:
    picture = np.asarray(draw(Subject(object=name, colour="red", background="blue", style=style)))
    assert picture.shape == (PICTURE_SIZE, PICTURE_SIZE, 3)
    red, green, blue = picture.reshape(-1, 3).astype(int).T
    reddish = ((red > 2 * green) & (red > 2 * blue)).mean()
    assert reddish > 0.05, "too little of the object's colour"
    assert (_distance(picture, "blue") == 0).mean() > 0.35, "too little of the background"
    assert background_colour(picture) == "blue"


@pytest.mark.parametrize("background", COLOUR_NAMES)
def test_every_background_is_read_back_from_the_border(background: str) -> None:
    rng = np.random.default_rng(0)
    for name in OBJECTS:
        colour = next(c for c in COLOUR_NAMES if c != background)
        picture = draw(Subject(object=name, colour=colour, background=background, style="outlined"), random_pose(rng))
        assert background_colour(np.asarray(picture)) == background


def test_colours_are_well_apart() -> None:
    values = [np.array(c) for c in COLOURS.values()]
    assert min(np.linalg.norm(a - b) for i, a in enumerate(values) for b in values[:i]) > 80


def test_random_subjects_never_hide_on_a_background_of_their_colour() -> None:
    rng = np.random.default_rng(1)
    subjects = [random_subject(rng) for _ in range(500)]
    assert all(s.colour != s.background for s in subjects)
    assert {s.object for s in subjects} == set(OBJECTS) and {s.style for s in subjects} == set(STYLES)


def test_pixel_style_has_square_pixels() -> None:
    picture = np.asarray(draw(Subject(object="heart", colour="pink", background="black", style="pixel")))
    block = PICTURE_SIZE // 32
    blocks = picture.reshape(32, block, 32, block, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
