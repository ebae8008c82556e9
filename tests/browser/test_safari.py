"""What Safari does otherwise, played in Chromium: the page works there, too."""
from __future__ import annotations

from pathlib import Path

from PIL import Image

from tests.browser.conftest import FakePage, Visit
from tests.browser.test_jobs import SMALL, hold

NO_FOCUS = """addEventListener("mousedown", window.withoutFocus = (event) => {
    if (event.target.closest("button, input[type=range]")) { event.preventDefault(); document.activeElement.blur(); }
})"""
FOCUS_AGAIN = "removeEventListener('mousedown', window.withoutFocus)"
LATE_SOUND_IS_REFUSED = """() => {
    const loaded = new WeakSet(), {load, play} = HTMLMediaElement.prototype;
    window.heard = 0;
    window.asBefore = () => Object.assign(HTMLMediaElement.prototype, {load, play});
    Object.assign(HTMLMediaElement.prototype, {
        load() { window.event?.isTrusted && loaded.add(this); },
        async play() { if (!loaded.has(this)) { throw new DOMException("no gesture", "NotAllowedError"); } window.heard += 1; },
    });
    webui.boot.notificationSound = true;
    webui.notify.player = null;
}"""


def test_what_was_clicked_is_asked_by_the_keys_where_a_click_gives_no_focus(open_visit: Visit) -> None:
    page = open_visit.page
    page.evaluate(NO_FOCUS)
    try:
        page.click("#webui_queue_button")
        page.click("#webui_notify")
        page.keyboard.press("Escape")
        assert page.locator("#webui_queue").count() == 0
        before = int(open_visit.value("txt2img_steps"))
        page.click("#txt2img_steps input[type=range]")
        page.keyboard.press("ArrowRight")
        assert int(open_visit.value("txt2img_steps")) == before + 1
    finally:
        page.evaluate(FOCUS_AGAIN)


def test_escape_that_ends_a_japanese_word_interrupts_nothing(fake_page: FakePage, open_visit: Visit) -> None:
    """Safari sends the key after the word's end: no longer as composing, but under the number 229."""
    hold(fake_page, open_visit, "runs")
    open_visit.page.evaluate("""webui.field("txt2img_prompt").dispatchEvent(
        new KeyboardEvent("keydown", {key: "Escape", keyCode: 229, bubbles: true, cancelable: true}))""")
    open_visit.page.wait_for_timeout(300)
    running = fake_page.app.jobs.running()
    assert running is not None and not running.cancel.stopping and not running.cancel.interrupted
    fake_page.engine.gate.set()
    open_visit.wait_idle()


def test_the_sound_is_heard_long_after_the_click(fake_page: FakePage, open_visit: Visit) -> None:
    page = open_visit.page
    page.evaluate(LATE_SOUND_IS_REFUSED)
    try:
        open_visit.generate("a bell", **SMALL)
        page.wait_for_function("window.heard === 1")
    finally:
        page.evaluate("() => { window.asBefore(); webui.boot.notificationSound = false; webui.notify.player = null; }")


def test_a_pinch_on_a_macs_touchpad_magnifies_the_picture_and_not_the_page(open_visit: Visit, tmp_path: Path) -> None:
    page = open_visit.page
    Image.new("RGB", (96, 64), "teal").save(tmp_path / "teal.png")
    page.click("#tab_img2img-button")
    page.set_input_files("#img2img_image input[type=file]", tmp_path / "teal.png")
    page.wait_for_selector("#img2img_image.has-picture")
    before, after, kept = page.evaluate("""() => {
        const {view} = webui.canvases.img2img_image, before = view.scale;
        const told = ["gesturestart", "gesturechange", "gesturechange"].map((kind, at) => {
            const event = Object.assign(new Event(kind, {bubbles: true, cancelable: true}), {scale: [1, 1.5, 2][at], clientX: 200, clientY: 300});
            return view.viewport.dispatchEvent(event);
        });
        return [before, view.scale, told];
    }""")
    assert abs(after / before - 2) < 1e-6 and kept == [False, False, False]


def test_an_iphone_does_not_magnify_the_page_for_a_field(open_visit: Visit) -> None:
    page = open_visit.page
    content = "document.querySelector('meta[name=viewport]').content"
    assert "maximum-scale" not in page.evaluate(content), "elsewhere that would take away two fingers' zoom"
    page.evaluate("() => { CSS.supports = () => true; webui.keepFieldsInPlace(); delete CSS.supports; }")
    assert "maximum-scale=1" in page.evaluate(content)
    assert page.get_attribute("#txt2img_prompt textarea", "autocapitalize") == "off"
