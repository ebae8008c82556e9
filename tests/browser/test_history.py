"""The History tab finds what was made, hands it on, compares and deletes."""
from __future__ import annotations

from collections.abc import Callable

from tests.browser.conftest import FakePage, Visit
from tests.browser.test_jobs import SMALL


def test_pictures_are_searched_compared_sent_and_deleted(fake_page: FakePage, visit: Callable[..., Visit]) -> None:
    browser = visit(fake_page.url)
    for number, prompt in enumerate(("a zebra in the rain", "a zebra in the sun", "an okapi"), 1):
        browser.generate(prompt, **SMALL)
        browser.page.wait_for_function("(count) => webui.jobs.txt2img.ids.length === 0 && document.querySelectorAll('#html_info_txt2img p').length > 0", arg=number)
        browser.wait_idle()
    page = browser.page
    page.click("#tab_history-button")
    page.fill("#history_words", "zebra")
    page.wait_for_selector("#history_count >> text=2 pictures")
    for number in (1, 2):
        page.check(f"#history_grid .history-card:nth-child({number}) input")
    page.click("#history_choice .compare")
    page.wait_for_selector("#history_compare td >> text=a zebra in the rain")
    look = "([place, kind]) => getComputedStyle(document.querySelector(place))[kind]"
    assert page.evaluate(look, ["#history_grid .history-card input", "appearance"]) == "auto", "a box of no colour is not seen on a picture, nor its tick"
    assert page.evaluate(look, ["#history_compare .above", "backgroundColor"]) != "rgba(0, 0, 0, 0)", "a picture of another shape would show beside it"
    page.keyboard.press("Escape")
    page.click("#history_choice >> text=Clear choice")
    page.fill("#history_words", "zebra rain")
    page.wait_for_selector("#history_count >> text=1 picture")
    page.click("#history_grid .history-open")
    page.evaluate("""() => {
        Object.defineProperty(navigator, "clipboard", {value: undefined, configurable: true});      // as at http:// of another machine
        document.addEventListener("copy", () => { window.copied = getSelection().toString(); }, {once: true});
    }""")
    page.click("#history_view >> text=Copy text")
    page.wait_for_function("window.copied?.startsWith('a zebra in the rain')")
    page.click("#history_view >> text=Send to txt2img")
    page.wait_for_function("webui.field('txt2img_prompt').value === 'a zebra in the rain'")
    page.click("#tab_history-button")
    page.click("#history_grid .history-open")
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("#history_view >> text=Delete")
    page.wait_for_selector("#history_count >> text=Nothing fits")
    assert len(list((fake_page.app.paths.data_dir / "trash").rglob("*.png"))) == 1
    page.fill("#history_words", "")
    page.wait_for_function("document.querySelector('#history_grid .history-card img')?.naturalWidth > 0")
