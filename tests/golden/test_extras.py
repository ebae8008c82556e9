"""The Extras cases: pictures enlarged as A1111 enlarged them."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from modules.engine.extras import UpscaleRequest, upscale_picture
from modules.schema.errors import InvalidValue, UnknownName
from tests.golden.cases import Case, cases


def upscale_request(case: Case) -> UpscaleRequest:
    asked = case.request
    to_size = asked.get("resize_mode", 0) == 1
    return UpscaleRequest(
        upscaler_1=asked["upscaler_1"], upscaler_2=asked.get("upscaler_2", "None"), visibility_2=asked.get("extras_upscaler_2_visibility", 0.0),
        scale=float(asked.get("upscaling_resize", 2)), width=asked["upscaling_resize_w"] if to_size else 0,
        height=asked["upscaling_resize_h"] if to_size else 0, crop=asked.get("upscaling_crop", True),
    )


@pytest.mark.golden
@pytest.mark.parametrize("case", [case for case in cases() if case.name.startswith("extras-")], ids=str)
def test_the_picture_is_a1111s(case: Case) -> None:
    picture = Image.open(io.BytesIO(base64.b64decode(case.request["image"])))
    (expected,) = case.images()
    found = upscale_picture(picture, upscale_request(case))
    assert np.array_equal(np.asarray(found.picture), np.asarray(expected))
    assert ", ".join(f"{key}: {value}" for key, value in found.facts.items()) == expected.info["postprocessing"]


def test_no_upscaler_leaves_the_picture() -> None:
    picture = Image.new("RGB", (10, 10))
    assert upscale_picture(picture, UpscaleRequest()).picture is picture


def test_the_longest_side_is_bounded() -> None:
    enlarged = upscale_picture(Image.new("RGB", (64, 32)), UpscaleRequest(upscaler_1="Lanczos", scale=4, max_side=128))
    assert enlarged.picture.size == (128, 64)


def test_what_makes_no_picture_is_refused() -> None:
    picture = Image.new("RGB", (8, 8))
    with pytest.raises(UnknownName, match="latents only"):
        upscale_picture(picture, UpscaleRequest(upscaler_1="Latent"))
    with pytest.raises(UnknownName):
        upscale_picture(picture, UpscaleRequest(upscaler_1="Nope"))
    with pytest.raises(InvalidValue):
        upscale_picture(picture, UpscaleRequest(upscaler_1="Lanczos", scale=0))
