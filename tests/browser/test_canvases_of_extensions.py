"""img2img's places for pictures, as extensions take them: A1111's image components, found by their elem_id."""
from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.browser.conftest import RealServer, Visit, kept_open, started_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOOKS = Path(__file__).parents[1] / "extensions" / "hooks"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    folder = tmp_path_factory.mktemp("canvases #1")
    shutil.copytree(HOOKS, folder / "extensions" / "hooks")
    with started_server(folder) as server:
        yield server


@pytest.fixture(scope="module")
def visit(chromium: Browser, server: RealServer) -> Iterator[Visit]:
    with kept_open(chromium, server.url) as visit:
        yield visit


def press(page: Page, name: str) -> None:
    page.evaluate(f"document.querySelector('#hooks_picture_{name}').click()")


def says(page: Page, elem_id: str, text: str) -> None:
    page.wait_for_function(f"document.querySelector('#{elem_id} textarea').value === {text!r}", timeout=8000)


def test_an_extension_reads_shows_and_hears_the_pictures_of_img2img(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    Image.new("RGB", (64, 40), "teal").save(tmp_path / "teal.png")
    page.evaluate("switch_to_img2img_tab(0)")
    page.set_input_files("#img2img_image input[type=file]", tmp_path / "teal.png")
    says(page, "hooks_heard", "came (64, 40)")
    says(page, "hooks_changed", "(64, 40)")
    page.evaluate("switch_to_img2img_tab(4)")
    press(page, "ask")
    says(page, "hooks_picture_told", "((64, 40), 'RGBA') None")        # in A1111's mode, and although another of the tabs shows

    press(page, "show")
    page.wait_for_function("webui.canvases.img2img_image.size[0] === 48 && webui.canvases.img2maskimg.size[0] === 24")
    says(page, "hooks_changed", "(48, 32)")
    press(page, "ask")
    says(page, "hooks_picture_told", "((48, 32), 'RGBA') ((24, 16), (24, 16))")

    press(page, "script")
    page.wait_for_function("webui.canvases.img2img_image.size[0] === 20")
    says(page, "hooks_changed", "(20, 10)")
    press(page, "away")
    says(page, "hooks_changed", "None")
    assert not page.evaluate("Boolean(webui.canvases.img2img_image.picture)")
    assert page.input_value("#hooks_heard textarea") == "came (64, 40)", "what an extension shows is a change, and no upload"

    page.set_input_files("#img2img_image input[type=file]", tmp_path / "teal.png")
    says(page, "hooks_changed", "(64, 40)")
    page.evaluate("webui.canvases.img2img_image.remove()")
    says(page, "hooks_heard", "went")


def test_an_extensions_script_is_handed_pictures_as_text(visit: Visit, tmp_path: Path) -> None:
    """Gradio 3's data URL, which it fetches or shows; what it hands on is the picture."""
    page = visit.page
    Image.new("RGB", (40, 64), "teal").save(tmp_path / "teal.png")
    page.set_input_files("#img2img_image input[type=file]", tmp_path / "teal.png")
    says(page, "hooks_changed", "(40, 64)")
    press(page, "taken")
    says(page, "hooks_picture_said", "(6, 4) (40, 64) 1")
    assert page.evaluate("hooksPictures") == ["data:image/", True, "data:image/", True, True]
