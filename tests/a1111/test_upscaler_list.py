"""Upscalers that extensions bring stand in the house's lists and enlarge for whoever chooses them."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image, ImageOps

from modules.a1111.app_slot import occupied
from modules.a1111.extras_functions import run_extras
from modules.a1111.upscaler_list import load_upscalers, sd_upscalers
from modules.a1111.upscaling import Upscaler, UpscalerData
from modules.application.app import App
from modules.application.listing import upscalers
from tests.a1111.test_script_host import MakeApp

PICTURE = Image.new("RGB", (16, 8), (100, 110, 120))


class Inverting(Upscaler):
    name = "Inverting"
    is_installed = False

    def __init__(self, dirname: str) -> None:
        self.scalers = [UpscalerData("Inverting 2x", None, self, 2)] if Inverting.is_installed else []
        super().__init__()

    def do_upscale(self, img: Image.Image, selected_model: str) -> Image.Image:
        return ImageOps.invert(img).resize((img.width * 2, img.height * 2))


class Broken(Upscaler):
    def __init__(self, dirname: str) -> None:
        if Inverting.is_installed:
            raise RuntimeError("its file is not there")


@pytest.fixture
def app(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    app = make_app()
    app.jobs.start()
    with occupied(app):
        with monkeypatch.context() as installed:
            installed.setattr(Inverting, "is_installed", True)
            load_upscalers()
        yield app
        load_upscalers()


def enlarged(name: str) -> Any:
    (made,), info, _ = run_extras(0, 0, PICTURE, None, "", "", True, 0, 0, 0, 2.0, 512, 512, True, name, "None", 0, False, save_output=False)
    return made, info


def test_an_extensions_upscaler_is_offered_and_enlarges(app: App) -> None:
    assert "Inverting 2x" in app.upscalers.names() and [each["name"] for each in upscalers(app)] == app.upscalers.names()
    made, info = enlarged("Inverting 2x")
    assert made.size == (32, 16) and made.getpixel((3, 3)) == (155, 145, 135) and "Inverting 2x" in info


def test_one_that_cannot_be_made_leaves_the_others(app: App) -> None:
    assert any("its file is not there" in each.sentence for each in app.extensions.troubles.found)
    assert [each.name for each in sd_upscalers].count("Inverting 2x") == 1


def test_what_is_put_into_the_list_by_hand_is_offered_too(app: App) -> None:
    sd_upscalers.append(UpscalerData("By hand", None, Inverting(""), 2))
    try:
        assert "By hand" in app.upscalers.names() and enlarged("By hand")[0].getpixel((3, 3)) == (155, 145, 135)
    finally:
        list.clear(sd_upscalers)
