"""The tag completion that ships: a list while one types, Enter puts its entry in, Ctrl+Enter still generates."""
from __future__ import annotations

import os
from collections.abc import Callable

import httpx

from tests.browser.conftest import RealServer, Visit


def test_a_tag_is_offered_and_put_in(real_server: RealServer, visit: Callable[..., Visit]) -> None:
    page = visit(real_server.url).page
    field = page.locator("#txt2img_prompt > label > textarea")
    field.fill("")
    field.press_sequentially("a cat, waterco", delay=50)
    box = page.locator("#txt2img_prompt .tag-autocomplete")
    box.wait_for()
    assert box.locator("li").first.inner_text().startswith("watercolor")
    page.keyboard.press("Enter")
    box.wait_for(state="detached")
    assert field.input_value() == "a cat, watercolor, "
    page.keyboard.press("Control+z")
    assert field.input_value() == "a cat, waterco"
    page.keyboard.press("Control+Shift+z")
    assert field.input_value() == "a cat, watercolor, "
    field.press_sequentially("scifi", delay=50)
    box.wait_for()
    assert "science fiction" in box.locator("li").first.inner_text()
    page.keyboard.press("Escape")
    box.wait_for(state="detached")
    assert field.input_value() == "a cat, watercolor, scifi"


def test_a_list_whose_name_is_no_text_takes_no_other_word_away(real_server: RealServer) -> None:
    """Such a name has no place in JSON; all words were missing then."""
    wildcards = real_server.folder / "wildcards"
    wildcards.mkdir(exist_ok=True)
    (wildcards / "animal.txt").write_text("cat\n", encoding="utf-8")
    with open(os.fsencode(wildcards) + b"/caf\xe9.txt", "w", encoding="utf-8") as file:
        file.write("tea\n")
    answer = httpx.get(f"{real_server.url.rstrip('/')}/tag-autocomplete/words")
    assert answer.status_code == 200 and "animal" in answer.json()["wildcards"]
