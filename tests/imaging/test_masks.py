"""Masks: hand-computed boxes, laws of the blur, and pictures that come back untouched where nothing is painted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from modules.imaging.masks import as_mask, blurred, covered_box, doubled, filled, in_proportion, overlay, put_back, under_overlay


def square(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=255)
    return mask


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def test_a_drawing_on_transparent_ground_is_its_own_mask() -> None:
    drawing = Image.new("RGBA", (4, 1), (255, 255, 255, 0))
    for x, alpha in enumerate((0, 128, 129, 255)):
        drawing.putpixel((x, 0), (0, 0, 0, alpha))
    assert list(np.asarray(as_mask(drawing, rounded=True))[0]) == [0, 0, 255, 255]
    assert list(np.asarray(as_mask(drawing, rounded=False))[0]) == [0, 128, 129, 255]
    opaque = Image.new("RGBA", (1, 1), (255, 255, 255, 255))
    assert as_mask(opaque, rounded=True).getpixel((0, 0)) == 255


def test_no_blur_changes_nothing() -> None:
    mask = square((16, 16), (3, 3, 9, 9))
    assert blurred(mask, 0, 0).tobytes() == mask.tobytes()


@pytest.mark.parametrize("level", [0, 1, 128, 254, 255])
def test_an_even_mask_stays_even(level: int) -> None:
    assert set(np.asarray(blurred(Image.new("L", (9, 7), level), 4, 33)).ravel()) == {level}


def test_the_blur_is_a_gaussian_of_the_asked_width() -> None:
    edge = np.asarray(blurred(square((101, 1), (51, 0, 101, 1)), 4, 0))[0].astype(float) / 255
    slope = np.diff(edge)
    places = np.arange(len(slope)) + 0.5
    middle = (slope * places).sum() / slope.sum()
    assert middle == pytest.approx(50.5, abs=0.1)
    assert np.sqrt((slope * (places - middle) ** 2).sum() / slope.sum()) == pytest.approx(4, rel=0.06)     # cut at 2.5 deviations


def test_each_direction_has_its_own_blur() -> None:
    mask = square((40, 40), (10, 10, 30, 30))
    wide = np.asarray(blurred(mask, 6, 0))
    assert (wide[:10] == 0).all() and wide[20, 5] > 0


def test_the_box_is_padded_inside_the_picture() -> None:
    mask = square((64, 96), (10, 20, 30, 40))
    assert covered_box(mask, 0) == (10, 20, 30, 40)
    assert covered_box(mask, 12) == (0, 8, 42, 52)
    assert covered_box(Image.new("L", (8, 8)), 4) is None


@pytest.mark.parametrize(
    ("box", "size", "bounds", "expected"),
    [
        ((10, 10, 30, 20), (64, 64), (100, 100), (10, 5, 30, 25)),       # grown in height around its middle
        ((10, 90, 30, 100), (64, 64), (100, 100), (10, 80, 30, 100)),    # shifted up from the lower edge
        ((0, 10, 10, 30), (64, 64), (100, 100), (0, 10, 20, 30)),        # shifted in from the left
        ((0, 0, 100, 10), (64, 128), (100, 50), (0, 0, 100, 50)),        # cannot be that tall
    ],
)
def test_a_box_takes_the_proportions_of_the_pass(box, size, bounds, expected) -> None:
    assert in_proportion(box, size, bounds) == expected


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_grown_box_holds_the_old_one_and_stays_inside(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(8, 300)), data.draw(st.integers(8, 300))
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    box = (left, top, data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height)))
    grown = in_proportion(box, (data.draw(st.integers(8, 300)), data.draw(st.integers(8, 300))), (width, height))
    assert 0 <= grown[0] <= box[0] and 0 <= grown[1] <= box[1] and box[2] <= grown[2] <= width and box[3] <= grown[3] <= height


def test_filling_leaves_the_rest_as_it_is() -> None:
    picture, mask = noise((32, 32)), square((32, 32), (8, 8, 20, 20))
    result, before = np.asarray(filled(picture, mask)), np.asarray(picture)
    outside = np.asarray(mask) == 0
    assert np.abs(result[outside].astype(int) - before[outside]).max() <= 1
    assert result[13, 13].std() < 60                  # the middle is a blend of its surroundings, not black
    assert result[13, 13].min() > 60


def test_what_is_not_masked_comes_back_untouched() -> None:
    original, drawn, mask = noise((24, 24)), noise((24, 24), 1), square((24, 24), (6, 6, 18, 18))
    result = np.asarray(under_overlay(drawn, overlay(original, mask), None))
    inside = np.asarray(mask) == 255
    assert (result[~inside] == np.asarray(original)[~inside]).all()
    assert (result[inside] == np.asarray(drawn)[inside]).all()


def test_what_is_not_masked_comes_back_untouched_also_where_the_picture_is_drawn_in_whole_cells() -> None:
    original, drawn, mask = noise((37, 26)), noise((32, 24), 1), square((37, 26), (6, 6, 18, 18))
    result = np.asarray(under_overlay(drawn, overlay(original, mask), None))
    outside = np.asarray(mask)[:24, :32] == 0
    assert result.shape == (24, 32, 3) and (result[outside] == np.asarray(original)[:24, :32][outside]).all()


def test_a_part_goes_back_to_its_place() -> None:
    original, part, mask = noise((40, 30)), Image.new("RGB", (64, 64), "red"), square((40, 30), (5, 5, 15, 15))
    result = under_overlay(part, overlay(original, mask), (5, 5, 15, 15))
    assert result.size == (40, 30) and result.getpixel((10, 10)) == (255, 0, 0)
    assert result.getpixel((30, 20)) == original.getpixel((30, 20))
    assert put_back(part, (5, 5, 15, 15), (40, 30)).getpixel((0, 0)) == (0, 0, 0, 0)


def test_half_a_mask_counts_as_whole_in_the_overlay() -> None:
    assert list(np.asarray(doubled(Image.fromarray(np.array([[0, 64, 128, 255]], dtype=np.uint8))))[0]) == [0, 128, 255, 255]
