"""What was painted in the browser becomes the picture and the mask that A1111 would have made of it."""
from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from modules.imaging.drawings import colour_sketch, painted_mask, painted_over
from modules.imaging.masks import as_mask


def drawing(size: tuple[int, int], box: tuple[int, int, int, int], colour: tuple[int, int, int, int]) -> Image.Image:
    layer = Image.new("RGBA", size, (0, 0, 0, 0))
    layer.paste(colour, box)
    return layer


def test_paint_covers_the_picture_and_nothing_else() -> None:
    picture = Image.new("RGB", (8, 6), "blue")
    seen = painted_over(picture, drawing((8, 6), (2, 1, 5, 4), (255, 0, 0, 255)))
    assert seen.mode == "RGB"
    assert seen.getpixel((2, 1)) == (255, 0, 0) and seen.getpixel((1, 1)) == (0, 0, 255)


def test_an_unpainted_picture_stays_the_same_object() -> None:
    picture = Image.new("RGBA", (4, 4), (1, 2, 3, 0))
    assert painted_over(picture, None) is picture


@pytest.mark.parametrize("colour", [(255, 255, 255, 255), (0, 0, 0, 255), (10, 200, 30, 255)])
def test_the_mask_is_what_was_painted_whatever_the_colour(colour: tuple[int, int, int, int]) -> None:
    mask = as_mask(painted_mask(Image.new("RGB", (8, 8)), drawing((8, 8), (0, 0, 4, 8), colour)), rounded=True)
    assert np.array_equal(np.asarray(mask), np.repeat([[255] * 4 + [0] * 4], 8, axis=0))


def test_a_mask_over_all_and_no_mask_at_all() -> None:
    picture = Image.new("RGB", (4, 4))
    full = as_mask(painted_mask(picture, drawing((4, 4), (0, 0, 4, 4), (0, 0, 0, 255))), rounded=True)
    none = as_mask(painted_mask(picture, None), rounded=True)
    assert full.getextrema() == (255, 255) and none.getextrema() == (0, 0)


def test_what_is_transparent_in_the_picture_is_masked_too() -> None:
    picture = Image.new("RGBA", (4, 1), (9, 9, 9, 255))
    picture.putpixel((3, 0), (9, 9, 9, 0))
    mask = as_mask(painted_mask(picture, drawing((4, 1), (0, 0, 1, 1), (255, 255, 255, 255))), rounded=True)
    assert list(mask.tobytes()) == [255, 0, 0, 255]


def test_a_colour_sketch_gives_its_colours_and_its_mask() -> None:
    picture = Image.new("RGB", (16, 16), "blue")
    init, mask = colour_sketch(picture, drawing((16, 16), (4, 4, 12, 12), (255, 0, 0, 255)), transparency=0, blur=0)
    assert init.getpixel((8, 8)) == (255, 0, 0) and init.getpixel((1, 1)) == (0, 0, 255)
    assert mask.getpixel((8, 8)) == 255 and mask.getpixel((1, 1)) == 0


def test_mask_transparency_thins_paint_and_mask() -> None:
    picture = Image.new("RGB", (16, 16), "black")
    layer = drawing((16, 16), (0, 0, 16, 16), (255, 255, 255, 255))
    init, mask = colour_sketch(picture, layer, transparency=40, blur=0)
    assert init.getpixel((8, 8))[0] == pytest.approx(255 * 0.6, abs=2) and mask.getpixel((8, 8)) == pytest.approx(255 * 0.6, abs=1)  # type: ignore[index]


def test_mask_blur_softens_the_edge_of_the_paint() -> None:
    picture = Image.new("RGB", (32, 32), "black")
    init, _ = colour_sketch(picture, drawing((32, 32), (16, 0, 32, 32), (255, 255, 255, 255)), transparency=0, blur=3)
    row = [init.getpixel((x, 16))[0] for x in range(8, 26)]  # type: ignore[index]
    assert row == sorted(row) and 0 < row[6] < 255
