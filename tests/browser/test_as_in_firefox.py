"""What Firefox does otherwise than Chromium, brought about here: by the event that it sends, or the answer that it gives."""
from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.conftest import Visit
from tests.browser.test_jobs import SMALL

COPY = """(text) => { const area = document.createElement("textarea"); document.body.append(area); area.value = text; area.select();
    document.execCommand("copy"); area.remove(); }"""


@pytest.fixture
def no_storage(open_visit: Visit) -> Iterator[Visit]:
    """With all cookies blocked."""
    open_visit.page.evaluate("for (const name of ['sessionStorage', 'localStorage']) Object.defineProperty(window, name, {configurable: true, get() { throw new Error('no'); }})")
    yield open_visit
    open_visit.page.evaluate("delete window.sessionStorage; delete window.localStorage")


def test_a_picture_is_dragged_out_of_the_button_that_it_stands_in(open_visit: Visit) -> None:
    """Firefox gives it nothing to carry."""
    page = open_visit.page
    open_visit.generate("dragged", **SMALL)
    open_visit.wait_idle()
    page.wait_for_selector("#txt2img_gallery img")
    page.evaluate("""() => {
        const given = new DataTransfer();
        document.querySelector("#txt2img_gallery .media-button img").dispatchEvent(new DragEvent("dragstart", {bubbles: true, dataTransfer: given}));
        document.querySelector("#img2img_image").dispatchEvent(new DragEvent("drop", {bubbles: true, cancelable: true, dataTransfer: given}));
    }""")
    page.wait_for_function("webui.canvases.img2img_image.picture?.naturalWidth === 64")
    page.evaluate("webui.canvases.img2img_image.remove()")


def test_a_number_field_takes_no_letters_and_the_number_of_a_pasted_text(open_visit: Visit) -> None:
    page = open_visit.page
    taken = """(data) => document.querySelector("#txt2img_seed input").dispatchEvent(
        new InputEvent("beforeinput", {bubbles: true, cancelable: true, inputType: "insertText", data}))"""
    assert [page.evaluate(taken, letter) for letter in ("x", " ", "7", "-", "e")] == [False, False, True, True, True]
    assert page.evaluate(taken.replace("#txt2img_seed input", "#txt2img_prompt textarea"), "x")
    for text, number in (("Seed: 12345,", "12345"), (" -1 ", "-1"), ("640", "640")):
        page.evaluate(COPY, text)
        page.click("#txt2img_seed input")
        page.keyboard.press("Control+a")
        page.keyboard.press("Control+v")
        assert open_visit.value("txt2img_seed") == number


def test_the_fields_are_kept_before_the_page_goes(open_visit: Visit) -> None:
    """Firefox loses what is stored as it goes, where the next page is of another site."""
    open_visit.set("txt2img_prompt", "typed before leaving")
    open_visit.page.evaluate("window.dispatchEvent(new Event('beforeunload'))")
    assert open_visit.page.evaluate("JSON.parse(sessionStorage.getItem('txt2img_form')).txt2img_prompt") == "typed before leaving"


def test_a_browser_that_keeps_nothing_stops_no_script(no_storage: Visit) -> None:
    assert no_storage.page.evaluate("[webui.isReloaded(), webui.keptForm('txt2img'), localGet('x', 'usual'), localRemove('x')]") == [False, {}, "usual", None]
