"""Extensions that add tools to the page, together on one server: aspect ratios, a browser of pictures, a toolbar for the prompts."""
from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator

import pytest

from tests.acceptance_extensions.conftest import server_with
from tests.browser.conftest import RealServer, Visit

NAMES = ("sd-webui-aspect-ratio-helper", "sd-webui-infinite-image-browsing", "sd-webui-prompt-all-in-one")
BROWSER = "#infinite_image_browsing_container_wrapper iframe, #tab_infinite-image-browsing iframe"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with server_with(tmp_path_factory.mktemp("page-tools"), *NAMES) as server:
        yield server


@pytest.fixture
def opened(server: RealServer, visit: Callable[..., Visit]) -> Visit:
    """prompt-all-in-one shows which of its packages for translating are missing; that is put aside."""
    found = visit(server.url)
    found.page.wait_for_selector("#phystonPrompt_txt2img_prompt", state="attached")
    found.page.wait_for_timeout(1500)
    found.page.evaluate("document.querySelectorAll('.physton-packages-state').forEach((each) => each.remove())")
    return found


def typed(opened: Visit, width: str) -> None:
    """As a person does it: the field is left at the end."""
    field = opened.page.locator("#txt2img_width input[type=number]")
    field.fill(width)
    field.press("Tab")


def test_a_ratio_is_kept_while_a_side_changes(opened: Visit) -> None:
    page = opened.page
    page.select_option("#txt2img_select_aspect_ratio", "16:9")
    typed(opened, "768")
    page.wait_for_function("webui.field('txt2img_height').value === '432'")
    page.select_option("#txt2img_select_aspect_ratio", "Off")
    typed(opened, "512")
    page.wait_for_timeout(500)
    assert opened.value("txt2img_height") == "432"


def test_the_toolbar_stands_below_its_prompt_and_writes_into_it(opened: Visit) -> None:
    page = opened.page
    prompt, bar = page.locator("#txt2img_prompt textarea").bounding_box(), page.locator("#phystonPrompt_txt2img_prompt").bounding_box()
    assert prompt and bar and bar["y"] >= prompt["y"] + prompt["height"] - 2
    field = page.locator("#phystonPrompt_txt2img_prompt input[placeholder], #phystonPrompt_txt2img_prompt textarea").first
    field.fill("a red circle")
    field.press("Enter")
    page.wait_for_function("document.querySelector('#txt2img_prompt textarea').value.includes('a red circle')")
    opened.set("txt2img_steps", 2)
    opened.set("txt2img_width", 64)
    opened.set("txt2img_height", 64)
    opened.click_generate("txt2img")
    opened.wait_idle()
    assert "a red circle" in opened.infotext()


def test_the_browser_shows_the_pictures_that_were_made(server: RealServer, opened: Visit) -> None:
    if importlib.util.find_spec("dotenv") is None and not os.environ.get("PYTHONPATH"):
        pytest.skip("sd-webui-infinite-image-browsing needs the packages that its install.py brings, which are not installed here")
    made = server.pictures()
    assert made
    page = opened.page
    page.click("#tab_infinite-image-browsing-button")
    frame = page.frame_locator(BROWSER).first
    frame.get_by_text("txt2img", exact=False).first.wait_for()
    answer = page.request.get(f"{server.url}infinite_image_browsing/files?folder_path={made[0].parent}")
    assert made[0].name in answer.text()


def test_nothing_failed(server: RealServer) -> None:
    assert [name for name in NAMES if f"extension {name}" in server.log()] == []
