"""Texts that want to be scripts, in every place where the page shows a stranger's text: nothing runs, and no node of theirs is in the page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from modules.imaging.metadata import png_bytes
from tests.application.test_network_pages import network
from tests.browser.conftest import FakePage, Visit
from tests.browser.test_jobs import SMALL
from tests.security.corpora import SCRIPTS, scripts

pytestmark = pytest.mark.group("S13")
WATCH = "window.ran = []; window.pwned = () => { window.ran.push(new Error().stack); };"
NODES = """() => [...document.querySelectorAll('*')].filter((each) => [...each.attributes].some((one) =>
    one.name.startsWith('on') && /pwned/.test(one.value) || one.name === 'srcdoc' && /pwned/.test(one.value)
    || ['src', 'href', 'action', 'data', 'formaction', 'style'].includes(one.name) && /^\\s*(javascript:|data:text)|^(https?:)?\\/\\/evil\\.example|@import/i.test(one.value))
    || (each.tagName === 'SCRIPT' && /^\\s*pwned\\(/.test(each.textContent))).map((each) => each.outerHTML.slice(0, 200))"""


@pytest.fixture
def watched(fake_page: FakePage, visit: Callable[..., Visit], chromium: object, tmp_path: Path) -> Iterator[Visit]:
    """The page, over models and pictures whose every text is hostile. What runs is written down."""
    app = fake_page.app
    folder = app.catalogue.roots.loras[0].folder / "hostile"
    names = [each for each in SCRIPTS if "/" not in each and "\\" not in each and len(each) < 120]
    for number, name in enumerate(names[:12]):
        path = folder / f"{name}.safetensors"
        network(path)
        path.with_suffix(".json").write_text(json.dumps({"description": SCRIPTS[number], "activation text": SCRIPTS[-number], "notes": SCRIPTS[number]}), encoding="utf-8")
    app.catalogue.refresh()
    context = chromium.new_context(viewport={"width": 1280, "height": 900})  # type: ignore[attr-defined]
    context.add_init_script(WATCH)
    found = visit(fake_page.url, context)
    found.page.on("dialog", lambda dialog: dialog.dismiss())
    yield found
    context.close()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    app.catalogue.refresh()


def check(visited: Visit, where: str) -> None:
    assert visited.page.evaluate("window.ran") == [], where
    assert visited.page.evaluate(NODES) == [], where


def test_no_text_of_a_stranger_runs(watched: Visit, fake_page: FakePage, tmp_path: Path) -> None:
    page, whole = watched.page, "\n".join(SCRIPTS)
    watched.generate(whole, **SMALL)
    watched.wait_idle()
    page.wait_for_function("document.querySelector('#html_info_txt2img').textContent.includes('pwned')")
    check(watched, "the parameters below the picture")
    page.click("#txt2img_lora-button")
    page.fill("#txt2img_lora_extra_search", "pwned")
    page.wait_for_selector("#txt2img_lora_cards .card .name")
    check(watched, "cards")
    card = page.locator("#txt2img_lora_cards .card").first
    card.hover()
    card.locator(".edit-button").click()
    page.wait_for_selector("dialog [name=description]")
    check(watched, "the dialog of a card")
    page.keyboard.press("Escape")
    page.click("#tab_history-button")
    page.wait_for_selector("#history_grid .history-card")
    page.click("#history_grid .history-open")
    page.wait_for_selector("#history_view >> text=Send to txt2img")
    check(watched, "the history")
    page.keyboard.press("Escape")
    picture = tmp_path / "hostile<img src=x onerror=pwned()>.png"
    picture.write_bytes(png_bytes(Image.new("RGB", (64, 64)), whole, {f"key {each[:60]}": each for each in SCRIPTS}))
    page.click("#tab_pnginfo-button")
    page.set_input_files("#pnginfo_image input[type=file]", str(picture))
    page.wait_for_function("document.querySelector('#html_info_pnginfo').textContent.includes('pwned')")
    check(watched, "PNG Info")
    page.click("#webui_queue_button")
    page.wait_for_selector("#webui_queue li .queue-prompt")
    check(watched, "the queue panel")


@pytest.mark.long
def test_two_hundred_texts_as_prompts(watched: Visit) -> None:
    page = watched.page
    page.evaluate("webui.queue.toggle(true)")
    for number, text in enumerate(scripts(), 1):
        watched.fill(text, **SMALL)
        page.press("#txt2img_prompt textarea", "Control+Enter")             # the panel lies over the button
        page.wait_for_function(f"performance.getEntriesByName('webui-sent').length >= {number}")
        watched.wait_idle()
        if number % 10 == 0:
            page.wait_for_timeout(300)
            check(watched, text)
    assert number >= 200
