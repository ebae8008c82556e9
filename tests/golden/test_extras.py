"""The Extras cases: pictures enlarged as A1111 enlarged them."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from modules.engine.extras import Enlargement, enlarged_picture
from tests.golden.cases import Case, cases


def enlargement(case: Case) -> Enlargement:
    asked = case.request
    size = (asked["upscaling_resize_w"], asked["upscaling_resize_h"]) if asked.get("resize_mode") == 1 else None
    return Enlargement(
        upscaler=asked["upscaler_1"], second=asked.get("upscaler_2", "None"), second_share=asked.get("extras_upscaler_2_visibility", 0.0),
        factor=asked.get("upscaling_resize", 2), size=size, crop=asked.get("upscaling_crop", True),
    )


@pytest.mark.golden
@pytest.mark.parametrize("case", [case for case in cases() if case.name.startswith("extras-")], ids=str)
def test_the_picture_is_a1111s(case: Case) -> None:
    picture = Image.open(io.BytesIO(base64.b64decode(case.request["image"])))
    (expected,) = case.images()
    assert np.array_equal(np.asarray(enlarged_picture(picture, enlargement(case))), np.asarray(expected))


def test_a_strip_scaled_to_a_square_is_cropped_first() -> None:
    """30,000 x 1 pixels would be 15,360,000 x 512 on the way: the server was killed by the system."""
    result = enlarged_picture(Image.new("RGB", (30_000, 1), "red"), Enlargement(upscaler="Lanczos", size=(512, 512)))
    assert result.size == (512, 512) and result.getpixel((0, 0)) == (255, 0, 0)
