"""What makes prompts easy to write: keys, styles, dropped pictures, recent prompts, the menu of the Generate button, the full-page viewer."""
from __future__ import annotations

import base64
from pathlib import Path

from tests.browser.conftest import FakePage, Visit, drop
from tests.browser.test_jobs import SMALL

UP, DOWN, LEFT, RIGHT = "Control+ArrowUp", "Control+ArrowDown", "Alt+ArrowLeft", "Alt+ArrowRight"


def typed(browser: Visit, marked: str, *keys: str) -> str:
    """The prompt after ``keys``. marked: the prompt with | around what is chosen, or one | where the cursor stands."""
    parts = marked.split("|")
    start, end = len(parts[0]), len(parts[0]) + (len(parts[1]) if len(parts) == 3 else 0)
    field = browser.page.locator("#txt2img_prompt textarea")
    field.fill("".join(parts))
    field.evaluate("(field, [start, end]) => { field.focus(); field.setSelectionRange(start, end); }", [start, end])
    for key in keys:
        browser.page.keyboard.press(key)
    return field.input_value()


def test_keys_change_weights_and_move_parts(open_visit: Visit) -> None:
    browser = open_visit
    for marked, keys, expected in (
        ("a red c|at, dog", [UP], "a red (cat:1.1), dog"),
        ("a red c|at, dog", [UP, UP, UP], "a red (cat:1.3), dog"),
        ("a red c|at, dog", [UP, DOWN], "a red cat, dog"),
        ("a |red cat|, dog", [DOWN], "a (red cat:0.9), dog"),
        ("a (red c|at:1.2), dog", [UP], "a (red cat:1.3), dog"),
        ("a (red c|at:1.1), dog", [DOWN], "a red cat, dog"),
        ("a ((c|at)), dog", [UP], "a (cat:1.3), dog"),
        ("a [c|at], dog", [UP], "a cat, dog"),
        ("a [[c|at]], dog", [DOWN], "a (cat:0.7), dog"),
        ("a [red c|at:dog:0.5]", [UP, UP], "a [(red cat:1.2):dog:0.5]"),
        ("a [cat:do|g:0.5]", [UP, DOWN], "a [cat:dog:0.5]"),
        ("a [cat:dog:0.|5]", [UP], "a [cat:dog:0.5]"),
        ("a [c|at:5]", [UP], "a [(cat:1.1):5]"),
        ("x <lora:na|me:0.8>", [UP], "x <lora:name:0.85>"),
        ("x <lora:na|me:1>", [DOWN, DOWN], "x <lora:name:0.9>"),
        ("x <lora:name:1>|", [UP, UP], "x <lora:name:1.1>"),
        ("one, tw|o, three", [RIGHT], "one, three, two"),
        ("one, tw|o, three", [LEFT], "two, one, three"),
        ("one, tw|o, three", [LEFT, LEFT, RIGHT, RIGHT], "one, three, two"),
        ("one, (t|wo, three:1.2), four", [LEFT], "(two, three:1.2), one, four"),
        (" | ", [UP, DOWN, LEFT, RIGHT], "  "),
    ):
        assert typed(browser, marked, *keys) == expected, marked


def test_keys_weigh_one_side_of_an_alternation(open_visit: Visit) -> None:
    """[cat|dog] stays one: its brackets are no weight. (``typed`` marks places by the same letter.)"""
    field = open_visit.page.locator("#txt2img_prompt textarea")
    for start, end, expected in ((3, 3, "[(cat:1.1)|dog]"), (6, 6, "[cat|(dog:1.1)]"), (0, 9, "([cat|dog]:1.1)")):
        field.fill("[cat|dog]")
        field.evaluate("(field, place) => { field.focus(); field.setSelectionRange(...place); }", [start, end])
        open_visit.page.keyboard.press(UP)
        assert field.input_value() == expected


def test_the_browsers_undo_takes_back_what_the_keys_did(open_visit: Visit) -> None:
    page = open_visit.page
    field = page.locator("#txt2img_prompt textarea")
    field.fill("")
    field.click()
    page.keyboard.type("a dog, a cat")
    seen = []
    for key in (UP, UP, LEFT, "Control+z", "Control+z", "Control+z", "Control+Shift+z"):
        page.keyboard.press(key)
        seen.append(field.input_value())
    assert seen[:3] == ["a dog, a (cat:1.1)", "a dog, a (cat:1.2)", "a (cat:1.2), a dog"]
    assert seen[3:] == ["a dog, a (cat:1.2)", "a dog, a (cat:1.1)", "a dog, a cat", "a dog, a (cat:1.1)"]
    page.wait_for_function("document.querySelector('#txt2img_token_counter').textContent.trim() !== '0/75'")


def test_a_style_is_made_used_pasted_and_deleted(fake_page: FakePage, open_visit: Visit) -> None:
    browser = open_visit
    page = browser.page
    with page.expect_response("**/run/predict*"):     # what the dialog shows at first
        page.click("#txt2img_styles_edit_button")
    page.wait_for_timeout(200)
    page.fill("#txt2img_styles_edit_select input", "ink")
    page.keyboard.press("Enter")
    page.fill("#txt2img_edit_style_prompt textarea", "ink drawing of {prompt}, paper")
    page.fill("#txt2img_edit_style_neg_prompt textarea", "colour")
    page.click("#txt2img_edit_style_save")
    page.wait_for_selector(".webui-toast >> text=Saved style ink")
    assert "ink drawing of {prompt}, paper" in (fake_page.app.paths.data_dir / "styles.csv").read_text("utf-8-sig")
    page.click("#txt2img_edit_style_close")
    page.click("#tab_img2img-button")
    page.click("#img2img_styles input")
    page.wait_for_selector("#img2img_styles [role=option] >> text=ink")     # the other tab offers it, too
    page.keyboard.press("Escape")
    page.click("#tab_txt2img-button")
    browser.set("txt2img_prompt", "ink drawing of a cat, paper\nNegative prompt: dog, colour\nSteps: 7, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x64")
    page.wait_for_timeout(100)
    page.click("#paste")
    page.wait_for_function("webui.field('txt2img_prompt').value === 'a cat'")
    assert browser.value("txt2img_neg_prompt") == "dog" and page.inner_text("#txt2img_styles .token >> nth=0").strip().startswith("ink")
    page.click("#txt2img_styles_edit_button")
    page.wait_for_function("webui.field('txt2img_edit_style_neg_prompt').value === 'colour'")
    page.click("#txt2img_style_apply_dialog")
    page.wait_for_function("webui.field('txt2img_prompt').value === 'ink drawing of a cat, paper'")
    page.wait_for_selector("#txt2img_styles .token", state="detached")      # else Generate would write it a second time
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("#txt2img_edit_style_delete")
    page.wait_for_selector(".webui-toast >> text=Deleted style ink")
    page.wait_for_function("['prompt', 'neg_prompt'].every((name) => webui.field(`txt2img_edit_style_${name}`).value === '')")
    page.keyboard.press("Escape")


def test_a_dropped_picture_recent_prompts_viewer_and_menu(fake_page: FakePage, open_visit: Visit) -> None:
    browser = open_visit
    page = browser.page
    assert page.is_hidden("#lightboxModal .modalControls") and page.locator("#modalImage").count() == 1, "extensions look for the viewer before it is shown"
    page.evaluate("""() => {
        window.screenLocks = [0, 0];        // held, ever
        const request = () => new Promise((resolve) => setTimeout(() => {
            window.screenLocks = window.screenLocks.map((count) => count + 1);
            resolve({release: () => { window.screenLocks[0] -= 1; }});
        }, 300));
        Object.defineProperty(navigator, "wakeLock", {value: {request}, configurable: true});
    }""")
    browser.generate("a dropped heron", **{**SMALL, "seed": 77, "batch_count": 2})
    page.wait_for_selector("#txt2img_gallery img")
    browser.wait_idle()
    page.wait_for_function("screenLocks[0] === 0 && screenLocks[1] > 0")        # the screen may go to sleep again
    signs = page.locator("#txt2img_gallery .icon-button-wrapper").first     # on a dark picture
    assert signs.evaluate("(bar) => getComputedStyle(bar).backgroundColor") == "rgb(255, 255, 255)"
    page.click("#txt2img_gallery .preview img")
    page.wait_for_selector("#lightboxModal[style*=flex]")
    shown = [page.get_attribute("#modalImage", "src")]
    for _ in range(2):
        page.keyboard.press("ArrowRight")
        page.wait_for_function("document.activeElement.matches('.thumbnail-item.selected')")        # Gradio's, a moment after the step
        shown.append(page.get_attribute("#modalImage", "src"))
    assert len(set(shown)) == 3, "the grid and both pictures"
    page.evaluate("""() => {
        const modal = document.getElementById("lightboxModal");
        const touch = (x) => new Touch({identifier: 1, target: modal, clientX: x, clientY: 300});
        modal.dispatchEvent(new TouchEvent("touchstart", {touches: [touch(200)]}));
        modal.dispatchEvent(new TouchEvent("touchend", {changedTouches: [touch(300)]}));
    }""")
    assert page.get_attribute("#modalImage", "src") == shown[1], "a finger drawn to the right"
    page.evaluate("document.getElementById('txt2img_generate').click()")
    page.wait_for_function("(before) => !before.includes(document.getElementById('modalImage').src)", arg=shown)    # the new picture, without a click
    browser.wait_idle()
    for follows in ("true", "false"):
        page.click("#modal_toggle_live_preview")
        assert page.get_attribute("#modal_toggle_live_preview", "aria-pressed") == str(page.evaluate("opts.js_live_preview_in_modal_lightbox")).lower() == follows
    page.click("#modalImage")
    assert page.is_hidden("#lightboxModal"), "a click on the picture closes it"
    page.click("#txt2img_gallery .preview img")
    page.keyboard.press("Escape")
    assert page.is_hidden("#lightboxModal") and page.is_visible("#txt2img_gallery .preview")
    with page.context.expect_page() as opened:
        page.locator("#txt2img_gallery .preview img").first.click(button="middle")
    opened.value.wait_for_url("**/*.png")
    assert "/txt2img-" in opened.value.url and page.is_hidden("#lightboxModal"), "the middle button opens a picture in a tab of its own"
    opened.value.close()
    page.evaluate("document.querySelector('#txt2img_settings').style.minHeight = '3000px'; window.scrollTo(0, 1500)")
    top = "document.querySelector('#txt2img_results').getBoundingClientRect().top"
    page.wait_for_function(f"scrollY === 1500 && {top} >= 0 && {top} < 20")        # beside long fields the results stay in sight
    page.click("#txt2img_gallery [aria-label='Fullscreen']")
    page.wait_for_function("document.querySelector('#txt2img_gallery').clientHeight > innerHeight - 10 && document.querySelector('#txt2img_gallery').clientWidth > innerWidth - 20")
    page.click("#txt2img_gallery [aria-label='Exit fullscreen mode']")
    page.evaluate("document.querySelector('#txt2img_settings').style.minHeight = ''; window.scrollTo(0, 0)")
    job = fake_page.app.jobs.recent(1)[0]
    data = base64.b64encode(Path(job.summary["images"][0]["path"]).read_bytes()).decode()
    browser.set("txt2img_prompt", "something else")
    browser.set("txt2img_seed", -1)
    drop(browser, "#txt2img_prompt textarea", "x.png", "image/png", data)
    page.wait_for_function("webui.field('txt2img_prompt').value === 'a dropped heron' && webui.field('txt2img_seed').value === '77'")
    text = "a written heron\nNegative prompt: blur\nSteps: 5, Sampler: Euler, CFG scale: 7, Seed: 78, Size: 64x64"
    drop(browser, "#txt2img_prompt textarea", "x.txt", "text/plain", base64.b64encode(text.encode()).decode())
    page.wait_for_function("webui.field('txt2img_prompt').value === 'a written heron' && webui.field('txt2img_seed').value === '78'")
    drop(browser, "#txt2img_prompt textarea", "x.safetensors", "", base64.b64encode(b"\x40\0\0").decode())
    page.wait_for_selector(".webui-toast >> text=x.safetensors is neither a picture nor a text")
    assert browser.value("txt2img_prompt") == "a written heron"
    browser.set("txt2img_prompt", "")
    page.click("#txt2img_prompt_history")
    page.click("#prompt_history button >> text=a dropped heron")
    assert browser.value("txt2img_prompt") == "a dropped heron"
    page.click("#txt2img_generate", button="right")
    page.click("#context-menu >> text=Generate forever >> nth=0")
    before = len(fake_page.app.jobs.recent(500))
    page.wait_for_function("document.querySelector('#txt2img_generate').classList.contains('forever')")
    while len(fake_page.app.jobs.recent(500)) < before + 2:
        page.wait_for_timeout(100)
    page.evaluate("""() => {
        const button = document.getElementById("txt2img_generate");
        const touches = [1, 2].map((identifier) => new Touch({identifier, target: button, clientX: 300, clientY: 300}));
        button.dispatchEvent(new TouchEvent("touchstart", {touches, bubbles: true, cancelable: true}));
    }""")                                                               # two fingers of a phone
    page.click("#context-menu >> text=Cancel generate forever")
    browser.wait_idle()
    assert not page.evaluate("'txt2img' in webui.menus.forever")


def test_the_border_beside_the_results_is_drawn_aside_and_stays_so(open_visit: Visit) -> None:
    """A1111's, where its extensions look for it."""
    page = open_visit.page
    widths = "() => ['settings', 'results'].map((name) => Math.round(document.getElementById(`txt2img_${name}`).getBoundingClientRect().width))"
    page.evaluate("webui.showTab('tab_txt2img')")
    first, second = page.evaluate(widths)
    border = page.locator("#txt2img_work > .resize-handle")
    box = border.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 8, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 108, box["y"] + 50, steps=3)
    page.mouse.up()
    assert page.evaluate(widths) == [first + 100, second - 100]
    page.mouse.move(box["x"] + 300, box["y"] + 50)      # the button is up: it does not follow any more
    border.press("ArrowLeft")
    share = int(border.get_attribute("aria-valuenow") or 0)     # what a screen reader says of it
    assert share == round(100 * float(page.evaluate("localStorage.getItem('webui-columns-txt2img_work')"))) > 50
    assert page.evaluate(widths) == [first + 80, second - 80] and float(page.evaluate("localStorage.getItem('webui-columns-txt2img_work')")) > 0.5
    border.dblclick(position={"x": 8, "y": 50})
    assert page.evaluate(widths) == [first, second] and page.evaluate("localStorage.getItem('webui-columns-txt2img_work')") == ""
