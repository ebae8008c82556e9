"""Extensions that were written for Pillow 9 and NumPy 1 find the names of those."""
from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from modules.a1111 import older_names


@pytest.fixture(autouse=True)
def installed() -> None:
    older_names.install()
    older_names.install()


def test_a_picture_is_resized_as_pillow_9_called_it() -> None:
    picture = Image.effect_noise((40, 40), 90)
    for old, new in (("ANTIALIAS", Image.Resampling.LANCZOS), ("LINEAR", Image.Resampling.BILINEAR), ("CUBIC", Image.Resampling.BICUBIC)):
        assert picture.resize((11, 11), getattr(Image, old)).tobytes() == picture.resize((11, 11), new).tobytes()


def test_a_text_is_as_large_as_the_box_that_it_fills() -> None:
    font = ImageFont.load_default(20)
    assert isinstance(font, ImageFont.FreeTypeFont)
    draw = ImageDraw.Draw(Image.new("RGB", (200, 100)))
    left, top, right, bottom = font.getbbox("Hall")
    assert draw.textsize("Hall", font=font) == font.getsize("Hall") == (right - left, bottom)       # type: ignore[attr-defined]
    assert font.getoffset("Hall") == (left, top)        # type: ignore[attr-defined]
    wide, high = draw.textsize("Hall\nHallo", font)     # type: ignore[attr-defined]
    assert wide == draw.textsize("Hallo", font)[0] and high > 2 * bottom        # type: ignore[attr-defined]
    assert draw.multiline_textsize("Hall\nHallo", font=font) == font.getsize_multiline("Hall\nHallo") == (wide, high)       # type: ignore[attr-defined]
    assert draw.textsize("a", stroke_width=2)[0] > 0        # type: ignore[attr-defined]


def test_numbers_have_the_names_of_numpy_1() -> None:
    assert np.zeros(2, dtype=np.float_).dtype == np.float64 and np.dtype(np.unicode_) == np.dtype(str)     # type: ignore[attr-defined]
    assert np.array([1.5], dtype=np.float).dtype == np.float64 and np.array([1], dtype=np.object).dtype == object      # type: ignore[attr-defined]
    assert np.Inf == np.inf and np.isnan(np.NaN) and np.NINF < 0        # type: ignore[attr-defined]
    assert np.product([2, 3]) == 6 and np.trapz([0, 2]) == 1 and np.in1d([[1], [4]], [4]).tolist() == [False, True]        # type: ignore[attr-defined]
    assert np.asfarray([1, 2]).dtype == np.float64 and np.msort([3, 1]).tolist() == [1, 3]      # type: ignore[attr-defined]
    assert np.find_common_type([np.int32], [np.float64]) == np.float64      # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        np.no_such_name     # type: ignore[attr-defined]  # noqa: B018
