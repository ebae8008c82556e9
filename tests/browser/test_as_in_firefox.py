"""What Firefox does otherwise than Chromium, brought about here: by the event that it sends, or the answer that it gives."""
from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.conftest import Visit
from tests.browser.test_jobs import SMALL

PICTURE = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR4nGP8z4AdMOEQH6QSAM1BAQ/oQeJvAAAAAElFTkSuQmCC"

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


def test_a_fraction_may_be_typed_with_a_comma(open_visit: Visit) -> None:
    field = open_visit.page.locator("#txt2img_cfg_scale input[type=number]")
    field.click()
    open_visit.page.keyboard.press("Control+a")
    open_visit.page.keyboard.type("7,5")
    assert field.input_value() == "7.5"


def test_the_fields_are_kept_before_the_page_goes(open_visit: Visit) -> None:
    """Firefox loses what is stored as it goes, where the next page is of another site."""
    open_visit.set("txt2img_prompt", "typed before leaving")
    open_visit.page.evaluate("window.dispatchEvent(new Event('beforeunload'))")
    assert open_visit.page.evaluate("JSON.parse(sessionStorage.getItem('txt2img_form')).txt2img_prompt") == "typed before leaving"


def test_a_browser_that_keeps_nothing_stops_no_script(no_storage: Visit) -> None:
    assert no_storage.page.evaluate("[webui.isReloaded(), webui.keptForm('txt2img'), localGet('x', 'usual'), localRemove('x')]") == [False, {}, "usual", None]


def test_alt_over_a_canvas_is_for_zooming_and_elsewhere_the_browsers(open_visit: Visit) -> None:
    """Firefox opens its menu when Alt is let go, also after the wheel."""
    page = open_visit.page
    page.evaluate(f"fetch('{PICTURE}').then((answer) => answer.blob()).then((blob) => webui.canvases.img2img_image.put(blob))")
    page.click("#tab_img2img-button")
    page.evaluate("addEventListener('keydown', (event) => { window.kept = event.key === 'Alt' ? event.defaultPrevented : window.kept; })")
    for place, is_ours in (("#img2img_image .canvas-viewport", True), ("#img2img_neg_prompt", False)):
        page.hover(place)
        page.keyboard.press("Alt")
        assert page.evaluate("window.kept") is is_ours, place
    page.evaluate("webui.canvases.img2img_image.remove()")
    page.click("#tab_txt2img-button")
