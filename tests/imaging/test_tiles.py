"""Tiles put together as A1111 1.10.1 does it: what the same seeds drew makes the same picture."""
from __future__ import annotations

import numpy as np
from PIL import Image

from modules.imaging.tiles import joined, tiling


def test_a_tile_fades_in_over_the_asked_overlap_alone_though_it_shares_more() -> None:
    layout = tiling((128, 64), (64, 64), 16)
    assert [box[0] for box in layout.boxes] == [0, 32, 64], "spread evenly: they share 32"
    sheet = np.asarray(joined(layout, [Image.new("RGB", (64, 64), (value, 0, 0)) for value in (0, 255, 0)]))[30, :, 0]
    assert not sheet[:32].any() and (sheet[48:64] == 255).all() and not sheet[80:].any()
    assert sheet[32:48].tolist() == [n * 255 // 16 for n in range(16)]


def test_a_picture_cut_and_joined_is_the_same() -> None:
    picture = Image.fromarray(np.random.default_rng(2).integers(0, 256, (100, 150, 3), dtype=np.uint8))
    layout = tiling(picture.size, (64, 64), 24)
    found = np.asarray(joined(layout, [picture.crop(box) for box in layout.boxes]), int)
    assert abs(found - np.asarray(picture, int)).max() <= 1
