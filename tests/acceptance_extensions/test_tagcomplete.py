"""a1111-sd-webui-tagcomplete completes tags in every prompt, and what it puts in is generated."""
from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator

import pytest

from tests.acceptance_extensions.conftest import server_with
from tests.browser.conftest import RealServer, Visit

NAME = "a1111-sd-webui-tagcomplete"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    folder = tmp_path_factory.mktemp("tagcomplete")
    (folder / "embeddings").mkdir()
    header = json.dumps({"emb_params": {"dtype": "F32", "shape": [1, 768], "data_offsets": [0, 3072]}}).encode()
    (folder / "embeddings" / "mywords.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(3072))
    with server_with(folder, NAME) as server:
        yield server


def complete(page: Visit, block: str, typed: str, offered: str) -> str:
    """Type, wait for ``offered`` in the list, take the first entry; what then stands in the prompt."""
    field = page.page.locator(f"#{block} > label > textarea")
    page.page.locator(f"#{block} .autocompleteParent").wait_for(state="attached")  # it listens from then on
    page.page.wait_for_timeout(1000)
    field.click()
    field.press_sequentially(typed, delay=80)
    results = page.page.locator(f"#{block} .autocompleteResults")
    results.locator("li", has_text=offered).first.wait_for(state="visible", timeout=60_000)
    page.page.wait_for_timeout(1000)  # it looks again a moment after the last key
    page.page.keyboard.press("ArrowDown")
    results.locator("li.selected").wait_for(timeout=10_000)
    page.page.keyboard.press("Enter")
    page.page.wait_for_function("([block, typed]) => document.querySelector(`#${block} textarea`).value !== typed", arg=[block, typed])
    return field.input_value()


@pytest.fixture
def opened(server: RealServer, visit: Callable[..., Visit]) -> Visit:
    found = visit(server.url)
    found.page.wait_for_function("typeof allTags !== 'undefined' && allTags.length > 1000", timeout=60_000)
    return found


def test_a_tag_is_completed_and_generated(server: RealServer, opened: Visit) -> None:
    assert complete(opened, "txt2img_prompt", "1gi", "1girl").startswith("1girl")
    opened.set("txt2img_steps", 2)
    opened.page.click("#txt2img_generate")
    opened.wait_idle()
    assert "1girl" in opened.infotext()


def test_so_it_is_in_the_negative_prompt_of_img2img(opened: Visit) -> None:
    opened.page.click("#tab_img2img-button")
    assert complete(opened, "img2img_neg_prompt", "1gi", "1girl").startswith("1girl")


def test_embeddings_are_offered(opened: Visit) -> None:
    assert "mywords" in complete(opened, "txt2img_neg_prompt", "<e:myw", "mywords")


def test_nothing_failed(server: RealServer, opened: Visit) -> None:
    assert f"extension {NAME}" not in server.log()
