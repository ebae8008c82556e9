"""An extension's upscaler made with A1111's own parts: its loader of files, its tiles, its classes."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from modules.a1111.app_slot import occupied
from modules.a1111.model_upscaling import (
    UpscalerESRGAN,
    UpscalerRealESRGAN,
    load_spandrel_model,
    pil_image_to_torch_bgr,
    tiled_upscale_2,
    torch_bgr_to_pil_image,
    upscale_2,
    upscale_with_model,
)  # fmt: skip
from modules.a1111.state import state
from modules.a1111.upscaler_list import load_upscalers, sd_upscalers
from modules.application.app import App
from modules.schema.errors import CannotLoad
from tests.a1111.test_script_host import MakeApp
from tests.loading.picture_files import tiny_upscaler

PICTURE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (40, 56, 3), dtype=np.uint8))


class Doubled(nn.Module):
    """Every pixel four times. calls: the sizes that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))
        self.calls: list[tuple[int, ...]] = []

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        self.calls.append(tuple(picture.shape))
        return picture.repeat_interleave(2, -1).repeat_interleave(2, -2) * self.gain


@pytest.fixture
def app(make_app: MakeApp) -> Iterator[App]:
    app = make_app()
    with occupied(app):
        yield app


def twice(picture: Image.Image) -> Any:
    return np.asarray(picture).repeat(2, 0).repeat(2, 1)


def test_colours_come_back_blue_first_and_whole() -> None:
    pixels = pil_image_to_torch_bgr(PICTURE)
    assert pixels.shape == (3, 40, 56) and pixels[2, 0, 0] == np.asarray(PICTURE)[0, 0, 0] / 255
    assert (np.asarray(torch_bgr_to_pil_image(pixels[None])) == np.asarray(PICTURE)).all()
    with pytest.raises(ValueError, match="more than one"):
        torch_bgr_to_pil_image(torch.zeros(2, 3, 4, 4))


@pytest.mark.parametrize("tile", [0, 16, 500])
def test_tiles_make_the_picture_that_one_call_makes(app: App, tile: int) -> None:
    model = Doubled()
    assert (np.asarray(upscale_with_model(model, PICTURE, tile_size=tile, tile_overlap=4)) == twice(PICTURE)).all()
    assert (len(model.calls) > 4) == (tile == 16)
    assert (np.asarray(upscale_2(PICTURE, model, tile_size=tile, tile_overlap=4, scale=2)) == twice(PICTURE)).all()


def test_an_interrupted_picture_comes_back_as_it_was(app: App) -> None:
    state.interrupted = True
    try:
        assert upscale_with_model(Doubled(), PICTURE, tile_size=16) is PICTURE
    finally:
        state.interrupted = False


def test_values_are_the_mean_where_tiles_overlap() -> None:
    shown = iter(range(1, 100))
    found = tiled_upscale_2(torch.zeros(1, 1, 4, 6), lambda part: part + next(shown), tile_size=4, tile_overlap=2, scale=1, device="cpu")
    assert found[0, 0, 0].tolist() == [1, 1, 1.5, 1.5, 2, 2]


def test_a_model_file_is_read_for_an_extension(app: App, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = load_spandrel_model(tiny_upscaler(tmp_path / "x.pth", "ESRGAN", 2), device="cpu", expected_architecture="DAT")
    assert "is not a DAT model, but ESRGAN" in caplog.text
    assert model.scale == 2 and upscale_with_model(model, PICTURE, tile_size=24, tile_overlap=8).size == (112, 80)
    (tmp_path / "no.pth").write_bytes(b"<html>")
    with pytest.raises(CannotLoad):
        load_spandrel_model(tmp_path / "no.pth", device=None)


def test_a1111s_classes_list_a_folder_and_enlarge(app: App, tmp_path: Path) -> None:
    tiny_upscaler(tmp_path / "4x-mine.pth", "ESRGAN", 4)
    kind = UpscalerESRGAN(str(tmp_path))
    mine, offered = kind.scalers
    assert (mine.name, offered.name, offered.local_data_path) == ("4x-mine", "ESRGAN_4x", kind.model_url)
    assert kind.upscale(PICTURE, 4, mine.data_path).size == (224, 160)
    tiny_upscaler(tmp_path / "real" / "RealESRGAN_x2plus.pth", "ESRGAN", 2)
    here = {each.name: each.local_data_path for each in UpscalerRealESRGAN(str(tmp_path / "real")).scalers}
    assert len(here) == 6 and here["R-ESRGAN 2x+"] == str(tmp_path / "real" / "RealESRGAN_x2plus.pth")


def test_a_file_that_is_none_leaves_the_picture_as_it_was(app: App, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "4x-web.pth").write_bytes(b"<html>")
    kind = UpscalerESRGAN(str(tmp_path))
    assert kind.do_upscale(PICTURE, kind.scalers[0].data_path or "") is PICTURE
    assert "4x-web.pth" in caplog.text


def test_a1111s_classes_are_not_listed_beside_ours(app: App) -> None:
    before = [each.name for each in sd_upscalers]
    load_upscalers()
    assert [each.name for each in sd_upscalers] == before and "UpscalerESRGAN" not in before
