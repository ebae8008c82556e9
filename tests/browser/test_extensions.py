"""Extensions on the real page: a good one with all its parts, and beside it one for each way to misbehave."""
from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import RealServer, Visit, started_server

FIXTURES = Path(__file__).parents[1] / "extensions"
BAD = ("bad-raises", "bad-exits", "bad-syntax", "bad-imports", "bad-hooks", "bad-preload", "bad-metadata", "needs")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    folder = tmp_path_factory.mktemp("extensions-server")
    for name in ("hooks", *BAD):
        shutil.copytree(FIXTURES / name, folder / "extensions" / name)
    with started_server(folder, "--hooks-on") as server:
        yield server


def asked(server: RealServer, path: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(server.url + path, timeout=30) as answer:
        return json.load(answer)


def test_an_extension_has_its_tab_scripts_styles_and_events(server: RealServer, visit: Callable[..., Visit]) -> None:
    page = visit(server.url).page
    assert page.evaluate("hooksOrder") == ["a", "b", "loaded, all is there"]
    page.wait_for_function("window.hooksModule === true")
    page.click("#tab_hooks-button")
    assert page.evaluate("get_uiCurrentTabContent().id") == "tab_hooks"
    assert page.locator("#hooks_field").evaluate("(field) => getComputedStyle(field).outlineColor") == "rgb(1, 2, 3)"
    assert page.locator("#hooks_bridge").count() == 1 and not page.locator("#hooks_bridge").is_visible()
    assert not page.locator("#hooks_inside").is_visible()
    page.fill("#hooks_field > label > textarea", "hello")
    page.click("#hooks_button")
    page.wait_for_function("document.querySelector('#hooks_field textarea').value === 'hello!NoneFalse'")
    assert page.evaluate("opts.hooks_words") == "some"


def test_its_routes_flags_and_settings_are_there(server: RealServer) -> None:
    found = asked(server, "hooks/hello")
    assert found["flag"] is True and found["dir"].endswith("hooks") and found["setting"] == "some"
    assert asked(server, "sdapi/v1/options")["hooks_choice"] == "b"


def test_its_settings_stand_on_the_settings_page(server: RealServer, visit: Callable[..., Visit]) -> None:
    page = visit(server.url).page
    page.click("#tab_settings-button")
    page.click("#settings button[data-section=hooks]")
    assert page.locator("#setting_hooks_words input").is_visible()
    assert "(said)" in page.locator("#setting_hooks_words label").inner_text()
    assert page.locator("#refresh_hooks_choice").count() == 1


def test_bad_ones_are_named_and_stop_nothing(server: RealServer, visit: Callable[..., Visit]) -> None:
    found = visit(server.url)
    notice = found.page.locator("#webui_notices").inner_text()
    for name in BAD:
        assert name in server.log(), name
        assert name in notice, name
    assert "this must not be loaded" not in server.log()
    assert found.page.locator("#tab_bad_tab").count() == 0
    found.generate("a red circle", steps=2)
    found.wait_idle()
    assert found.page.locator("#txt2img_gallery img").count() > 0
