"""Upscalers by name, and the sizes they arrive at."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from modules.engine.upscale import (
    BUILT_IN,
    LATENT_UPSCALERS,
    PICTURE_UPSCALERS,
    LatentUpscaler,
    PictureUpscaler,
    enlarger,
    resized_latents,
)
from modules.schema.errors import UnknownName


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Lanczos"):
        BUILT_IN.find("Lanczoss")


def test_names_are_found_in_both_lists() -> None:
    assert isinstance(BUILT_IN.find("Latent (bicubic)"), LatentUpscaler) and isinstance(BUILT_IN.find("Nearest"), PictureUpscaler)


@pytest.mark.parametrize("upscaler", LATENT_UPSCALERS, ids=lambda each: each.name)
def test_an_even_latent_stays_even(upscaler: LatentUpscaler) -> None:
    latents = resized_latents(torch.full((2, 4, 6, 5), 0.7), 9, 10, upscaler)
    assert latents.shape == (2, 4, 9, 10) and torch.allclose(latents, torch.tensor(0.7))


@pytest.mark.parametrize("upscaler", [each for each in PICTURE_UPSCALERS if each.enlarge], ids=lambda each: each.name)
def test_pictures_grow_to_whole_cells(upscaler: PictureUpscaler) -> None:
    grow = enlarger(upscaler)
    assert grow is not None and grow(Image.new("RGB", (50, 70)), 1.5).size == (72, 104)


def test_one_that_doubles_is_run_until_it_is_large_enough() -> None:
    runs: list[tuple[int, int]] = []

    def double(picture: Image.Image, factor: float) -> Image.Image:
        runs.append(picture.size)
        return picture.resize((picture.width * 2, picture.height * 2))

    grow = enlarger(PictureUpscaler(name="x2", enlarge=double))
    assert grow is not None and grow(Image.new("RGB", (16, 16)), 3.0).size == (48, 48)
    assert runs == [(16, 16), (32, 32)]


def test_none_leaves_it_to_the_resampling() -> None:
    found = BUILT_IN.find("None")
    assert isinstance(found, PictureUpscaler) and enlarger(found) is None
