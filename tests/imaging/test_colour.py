"""Colour correction: known L*a*b* values, and what must not change."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from modules.imaging.colour import _to_lab, _to_rgb, colours_of, corrected


@pytest.mark.parametrize(
    ("rgb", "lab"),      # CIE L*a*b* of the sRGB primaries: L * 255 / 100, a + 128, b + 128
    [((255, 255, 255), (255, 128, 128)), ((0, 0, 0), (0, 128, 128)), ((255, 0, 0), (136, 208, 195)), ((0, 255, 0), (224, 42, 211)),
     ((0, 0, 255), (82, 207, 20)), ((128, 128, 128), (137, 128, 128))],
)
def test_known_colours(rgb: tuple[int, int, int], lab: tuple[int, int, int]) -> None:
    assert tuple(_to_lab(np.array([[rgb]], dtype=np.uint8))[0, 0]) == lab


def test_there_and_back_is_the_same_colour() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    back = _to_rgb(_to_lab(pixels)).astype(int)
    assert np.abs(back - pixels).mean() < 1.5        # eight bits of a* and b* are coarser than eight bits of colour


def smooth(colour: tuple[int, int, int]) -> Image.Image:
    ramp = np.linspace(0.3, 1, 64)[None, :, None] * np.ones((64, 1, 1)) * np.array(colour)
    return Image.fromarray(ramp.astype(np.uint8))


def test_a_picture_corrected_to_itself_stays() -> None:
    picture = smooth((200, 120, 80))
    assert np.abs(np.asarray(corrected(picture, colours_of(picture))).astype(int) - np.asarray(picture)).max() <= 3


def test_hue_comes_from_the_target_and_brightness_stays() -> None:
    picture, target = smooth((200, 120, 80)), smooth((80, 120, 200))
    result = np.asarray(corrected(picture, colours_of(target))).astype(float)
    assert (result[..., 2] > result[..., 0]).mean() > 0.9
    luma = np.array([0.299, 0.587, 0.114])
    assert np.abs(result @ luma - np.asarray(picture) @ luma).mean() < 1.5
