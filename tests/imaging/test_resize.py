"""The resize modes, by what must hold for every size."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from modules.imaging.resize import (
    CROP_AND_RESIZE,
    JUST_RESIZE,
    LATENT_UPSCALE,
    MOST_ON_THE_WAY,
    RESIZE_AND_FILL,
    croppable,
    fitted,
    on_background,
)

SIZES = [(64, 64), (96, 64), (64, 96), (128, 32), (8, 8)]


def stripes(width: int, height: int) -> Image.Image:
    levels = np.zeros((height, width, 3), dtype=np.uint8)
    levels[:, : width // 4], levels[:, -(width // 4) :] = (255, 0, 0), (0, 0, 255)
    return Image.fromarray(levels)


@pytest.mark.parametrize("mode", [JUST_RESIZE, CROP_AND_RESIZE, RESIZE_AND_FILL, LATENT_UPSCALE])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mask", [False, True])
def test_every_mode_gives_the_size_asked_for(mode: int, size: tuple[int, int], mask: bool) -> None:
    picture = stripes(48, 80)
    assert fitted(picture.convert("L") if mask else picture, *size, mode).size == size


@pytest.mark.parametrize("mode", [JUST_RESIZE, CROP_AND_RESIZE, RESIZE_AND_FILL])
def test_a_picture_of_the_right_size_stays(mode: int) -> None:
    picture = stripes(48, 80)
    assert fitted(picture, 48, 80, mode).tobytes() == picture.tobytes()


def test_cropping_takes_off_what_is_too_wide() -> None:
    result = np.asarray(fitted(stripes(96, 32), 32, 32, CROP_AND_RESIZE))
    assert not result.any()                         # both coloured edges are outside


def test_filling_draws_out_the_edges() -> None:
    result = np.asarray(fitted(stripes(32, 32), 96, 32, RESIZE_AND_FILL))
    assert (result[:, :32] == (255, 0, 0)).all() and (result[:, -32:] == (0, 0, 255)).all()


def test_an_upscaler_is_asked_only_when_a_picture_grows() -> None:
    asked: list[float] = []

    def enlarge(picture: Image.Image, factor: float) -> Image.Image:
        asked.append(factor)
        return picture.resize((int(picture.width * factor), int(picture.height * factor)), Image.Resampling.NEAREST)

    picture = stripes(32, 32)
    fitted(picture, 16, 16, JUST_RESIZE, enlarge)
    fitted(picture.convert("L"), 64, 64, JUST_RESIZE, enlarge)
    assert asked == []
    fitted(picture, 64, 48, JUST_RESIZE, enlarge)
    assert asked == [2.0]


def test_an_extreme_shape_still_has_a_pixel() -> None:
    assert fitted(Image.new("RGB", (1000, 1)), 8, 512, RESIZE_AND_FILL).size == (8, 512)
    assert fitted(Image.new("RGB", (1, 1000)), 512, 8, RESIZE_AND_FILL).size == (512, 8)


def test_transparency_shows_the_background() -> None:
    picture = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    picture.putpixel((1, 0), (255, 0, 0, 255))
    result = on_background(picture, "#00ff00")
    assert result.mode == "RGB" and result.getpixel((0, 0)) == (0, 255, 0) and result.getpixel((1, 0)) == (255, 0, 0)


@pytest.mark.parametrize("mode", [JUST_RESIZE, CROP_AND_RESIZE])
@pytest.mark.parametrize("strip", [(30_000, 1), (1, 30_000)])
def test_a_strip_never_becomes_a_picture_that_no_memory_holds(mode: int, strip: tuple[int, int]) -> None:
    """15,360,000 x 512 pixels on the way to 512 x 512: the server was killed by the system."""
    asked: list[float] = []

    def enlarge(picture: Image.Image, factor: float) -> Image.Image:
        asked.append(picture.width * picture.height * factor**2)
        return picture.resize((round(picture.width * factor), round(picture.height * factor)))

    for grow in (None, enlarge):
        result = fitted(Image.new("RGB", strip, "red"), 512, 512, mode, grow)
        assert result.size == (512, 512) and result.getcolors() == [(512 * 512, (255, 0, 0))]
    assert max(asked, default=0) < MOST_ON_THE_WAY


def test_only_the_middle_that_is_seen_of_a_strip_is_scaled() -> None:
    strip = np.zeros((40, 300_000, 3), dtype=np.uint8)
    strip[:, 150_000:] = 255
    cropped = croppable(Image.fromarray(strip), 512, 512)
    assert cropped.size == (42, 40) and croppable(cropped, 512, 512) is cropped
    result = np.asarray(fitted(Image.fromarray(strip), 512, 512, CROP_AND_RESIZE))
    assert result[:, :200].max() < 30 and result[:, 312:].min() > 225        # but for the ringing at the edge
