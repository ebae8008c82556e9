"""Hands that are faster than the page, or than the line to the server: what was clicked is done, with what the user then sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from PIL import Image, PngImagePlugin

from tests.browser.conftest import FakePage, Visit
from tests.browser.painting import stroke

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

WAITS_FOR_MORE = "addEventListener('DOMContentLoaded', () => { webui.boot.awaited = [...(webui.boot.awaited || []), 'comes_late']; })"
MORE_COMES = "() => { const late = document.createElement('div'); late.id = 'comes_late'; document.body.append(late); }"
HAS_ITS_FIELDS = "() => document.querySelector('#txt2img_token_counter') && document.querySelector('#txt2img_steps input')"


@pytest.mark.parametrize("way", ["click", "key"])
def test_generate_waits_until_the_page_is_ready_and_its_fields_are_back(way: str, fake_page: FakePage, visit: Callable[..., Visit]) -> None:
    browser = visit(fake_page.url)
    page = browser.page
    browser.fill("of before", width=64, height=64, steps=3)
    page.add_init_script(WAITS_FOR_MORE)
    page.reload()
    page.wait_for_function(HAS_ITS_FIELDS)
    assert not page.evaluate("webui.ready")
    for _ in range(2):                      # impatient, and yet one job
        if way == "click":
            page.click("#txt2img_generate")
        else:
            page.press("#txt2img_prompt textarea", "Control+Enter")
    assert "waits" in (page.get_attribute("#txt2img_generate", "class") or "")
    page.evaluate(MORE_COMES)
    page.wait_for_selector("#txt2img_gallery img")
    browser.wait_idle()
    assert browser.infotext().startswith("of before") and "Steps: 3" in browser.infotext()
    assert page.evaluate("webui.sentCount") == 1
    assert "waits" not in (page.get_attribute("#txt2img_generate", "class") or "")


def test_buttons_clicked_before_the_page_is_ready_do_their_work_when_it_is(fake_page: FakePage, visit: Callable[..., Visit]) -> None:
    browser = visit(fake_page.url)
    page = browser.page
    browser.fill("of before", width=64, height=128)
    page.add_init_script(WAITS_FOR_MORE)
    page.reload()
    page.wait_for_function(HAS_ITS_FIELDS)
    for name in ("txt2img_res_switch_btn", "txt2img_prompt_history", "tab_extras-button"):
        page.click(f"#{name}")
    page.evaluate(MORE_COMES)
    page.wait_for_selector("#tab_extras-button.selected")
    page.wait_for_selector("dialog#prompt_history[open]")
    page.wait_for_function("webui.field('txt2img_width').value === '128' && webui.field('txt2img_height').value === '64'")
    assert page.locator("button.waits").count() == 0


def test_who_types_on_while_the_page_is_reloaded_keeps_the_prompt(fake_page: FakePage, visit: Callable[..., Visit]) -> None:
    browser = visit(fake_page.url)
    page = browser.page
    browser.fill("half a", width=64, height=64, steps=3)
    page.add_init_script(WAITS_FOR_MORE)
    page.reload()
    page.wait_for_function("document.querySelector('#txt2img_prompt textarea')?.value")
    page.click("#txt2img_prompt textarea")
    page.keyboard.press("End")
    page.keyboard.type(" word")
    page.evaluate(MORE_COMES)
    page.wait_for_selector("html.webui-ready", state="attached")
    page.keyboard.type(", and more")
    page.click("#txt2img_generate")
    page.wait_for_selector("#txt2img_gallery img")
    browser.wait_idle()
    assert fake_page.engine.requests[-1].prompt == "half a word, and more"


@contextmanager
def slow_line(page: Page) -> Iterator[None]:
    line = page.context.new_cdp_session(page)
    line.send("Network.enable")
    line.send("Network.emulateNetworkConditions", {"offline": False, "latency": 800, "downloadThroughput": -1, "uploadThroughput": -1})
    yield
    line.detach()


@pytest.mark.parametrize("button", ["generate", "upscale"])
def test_generate_and_hires_fix_right_after_a_paste_draw_what_was_pasted(button: str, fake_page: FakePage, open_visit: Visit) -> None:
    page = open_visit.page
    if button == "upscale":
        open_visit.generate("before", width=64, height=64, steps=3)
        page.wait_for_selector("#txt2img_gallery img")
        open_visit.wait_idle()
    open_visit.fill("a pasted cat\nNegative prompt: dog\nSteps: 4, Sampler: Euler a, CFG scale: 5, Seed: 77, Size: 64x128")
    before = page.evaluate("webui.sentCount")
    with slow_line(page):
        page.click("#paste")
        page.click(f"#txt2img_{button}")
        page.wait_for_function(f"webui.sentCount > {before}")
    open_visit.wait_idle()
    request = fake_page.engine.requests[-1]
    assert (request.prompt, request.negative_prompt) == ("a pasted cat", "dog")
    assert button == "upscale" or (request.steps, request.width, request.height) == (4, 64, 128)


def test_generate_right_after_a_picture_was_sent_draws_from_it(fake_page: FakePage, open_visit: Visit) -> None:
    page = open_visit.page
    open_visit.generate("a sent cat", width=64, height=64, steps=3)
    page.wait_for_selector("#txt2img_gallery img")
    open_visit.wait_idle()
    with slow_line(page):
        page.click("#txt2img_send_to_img2img")
        page.click("#tab_img2img-button")
        open_visit.click_generate("img2img")
    page.wait_for_function("webui.jobs.img2img.ids.length === 0")
    request = fake_page.engine.requests[-1]
    assert request.prompt == "a sent cat" and open_visit.toasts() == ""


FIRST_ANSWER_LATE = """() => { const at_once = window.fetch; let late = false; window.fetch = async(...asked) => {
    if (!late && String(asked[0]).endsWith("/run/predict")) {
        late = true;
        await new Promise((resolve) => setTimeout(resolve, 1500));
        window.fetch = at_once;
    }
    return at_once(...asked);
}; }"""


def test_generate_right_after_another_checkpoint_was_chosen_draws_with_it(fake_page: FakePage, open_visit: Visit) -> None:
    page = open_visit.page
    open_visit.fill("a cat", width=64, height=64, steps=3)
    before = page.input_value("#setting_sd_model_checkpoint input")
    for name in ("second", before.partition(".")[0]):
        page.click("#setting_sd_model_checkpoint input")
        page.wait_for_timeout(300)              # the counters have asked
        page.evaluate(FIRST_ANSWER_LATE)
        page.click(f"#setting_sd_model_checkpoint [role=option]:has-text('{name}')")
        open_visit.click_generate("txt2img")
        page.wait_for_function("webui.jobs.txt2img.ids.length === 0")
        assert fake_page.engine.loaded[-1].startswith(name)


def test_interrupt_right_after_generate_stops_the_job_that_is_still_on_its_way(fake_page: FakePage, open_visit: Visit) -> None:
    page = open_visit.page
    open_visit.fill("not wanted", width=64, height=64, steps=3)
    page.wait_for_timeout(300)                  # the counters have asked
    fake_page.engine.gate.clear()
    page.evaluate(FIRST_ANSWER_LATE)
    open_visit.click_generate("txt2img")
    page.click("#txt2img_interrupt")
    page.wait_for_function("webui.jobs.txt2img.ids.length === 0", timeout=20_000)
    job = fake_page.app.jobs.recent(1)[0]
    assert (job.state.value, job.payload["request"]["prompt"]) == ("interrupted", "not wanted")


def test_generate_forever_draws_one_picture_after_the_other_while_its_own_is_still_sent(fake_page: FakePage, open_visit: Visit, tmp_path: Path) -> None:
    page = open_visit.page
    page.click("#tab_img2img-button")
    page.click("#img2img_img2img_tab-button")
    put(page, "img2img_image", tmp_path / "picture.png", "olive")
    before = page.evaluate("webui.sentCount")
    fake_page.engine.started.clear()
    fake_page.engine.gate.clear()
    with slow_line(page):
        page.evaluate("webui.generateForever('img2img')")
        assert fake_page.engine.started.wait(20)
        page.evaluate("webui.stopForever('img2img')")
        page.wait_for_timeout(1000)
    assert page.evaluate("webui.sentCount") == before + 1
    fake_page.engine.gate.set()
    page.wait_for_function("webui.jobs.img2img.ids.length === 0")


def test_what_is_sent_from_png_info_right_after_the_picture_came_there_is_drawn(fake_page: FakePage, open_visit: Visit, tmp_path: Path) -> None:
    page, text = open_visit.page, PngImagePlugin.PngInfo()
    text.add_text("parameters", "a cat from a file\nSteps: 4, Sampler: Euler a, CFG scale: 5, Seed: 77, Size: 64x128")
    Image.new("RGB", (64, 64)).save(tmp_path / "told.png", pnginfo=text)
    before = page.evaluate("webui.sentCount")
    page.click("#tab_pnginfo-button")
    with slow_line(page):
        page.set_input_files("#pnginfo_image input[type=file]", tmp_path / "told.png")
        page.click("#txt2img_tab")
        page.click("#txt2img_generate")
        page.wait_for_function(f"webui.sentCount > {before}")
    open_visit.wait_idle()
    assert open_visit.toasts() == ""
    request = fake_page.engine.requests[-1]
    assert (request.prompt, request.steps, request.height) == ("a cat from a file", 4, 128)


def test_a_style_that_is_saved_right_after_it_was_chosen_keeps_its_own_text(fake_page: FakePage, open_visit: Visit) -> None:
    page, file = open_visit.page, fake_page.app.paths.data_dir / "styles.csv"
    before = file.read_bytes() if file.exists() else None
    file.write_text("name,prompt,negative_prompt\none,text of one,\nother,text of the other,\n", "utf-8")
    page.click("#txt2img_styles_edit_button")

    def choose(name: str) -> None:
        page.click("#txt2img_styles_edit_select input")
        page.click(f"#txt2img_styles_edit_select [role=option] >> text={name}")

    choose("one")
    page.wait_for_function("webui.field('txt2img_edit_style_prompt').value === 'text of one'")
    with slow_line(page):
        choose("other")
        page.click("#txt2img_edit_style_save")
        page.wait_for_selector(".webui-toast >> text=Saved style other")
    assert "text of the other" in file.read_text("utf-8-sig")
    page.click("#txt2img_edit_style_close")
    file.write_bytes(before or b"name,prompt,negative_prompt\n")
    page.click("#refresh_txt2img_styles")


def test_a_file_let_go_beside_the_places_for_files_does_not_replace_the_page(open_visit: Visit) -> None:
    asked = """(place) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File(["x"], "x.png", {type: "image/png"}));
        return ["dragover", "drop"].map((kind) => !document.querySelector(place).dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: transfer})));
    }"""
    assert open_visit.page.evaluate(asked, "#txt2img_steps") == [True, True]
    assert "Nothing takes a file there" in open_visit.toasts()


def put(page: Page, canvas: str, path: Path, colour: str) -> None:
    Image.new("RGB", (64, 64), colour).save(path)
    page.set_input_files(f"#{canvas} input[type=file]", path)
    page.wait_for_function("(id) => webui.canvases[id].arriving?.then(() => true)", arg=canvas)


def test_a_sub_tab_chosen_while_the_picture_is_on_its_way_does_not_change_what_was_asked_for(fake_page: FakePage, open_visit: Visit, tmp_path: Path) -> None:
    page = open_visit.page
    page.click("#tab_img2img-button")
    for mode, canvas, colour in (("inpaint", "img2maskimg", "black"), ("img2img", "img2img_image", "white")):
        page.click(f"#img2img_{mode}_tab-button")
        put(page, canvas, tmp_path / "picture.png", colour)
    before = page.evaluate("webui.sentCount")
    with slow_line(page):
        page.click("#img2img_generate")
        page.click("#img2img_inpaint_tab-button")
        page.wait_for_function(f"webui.sentCount > {before}")
    page.wait_for_function("webui.jobs.img2img.ids.length === 0")
    init = fake_page.engine.requests[-1].init
    assert open_visit.toasts() == ""
    assert init.pictures[0].convert("RGB").getpixel((9, 9)) == (255, 255, 255)


def test_copying_a_picture_and_taking_its_size_wait_for_the_one_that_is_still_being_read(fake_page: FakePage, open_visit: Visit) -> None:
    page = open_visit.page
    page.click("#tab_img2img-button")
    page.click("#img2img_inpaint_tab-button")
    page.evaluate("webui.canvases.img2maskimg.remove()")
    page.click("#img2img_img2img_tab-button")
    before = page.evaluate("webui.sentCount")
    page.evaluate("""async() => {
        const paper = webui.newCanvas(128, 192);
        paper.getContext("2d").fillRect(0, 0, 9, 9);
        const picture = await new Promise((resolve) => paper.toBlob(resolve));
        webui.canvases.img2img_image.remove();
        webui.canvases.img2img_image.putOrTell(new Promise((resolve) => setTimeout(() => resolve(picture), 700)));
        ["detect_image_size_btn", "copy_img2img_to_inpaint", "generate"].forEach((name) => document.getElementById(`img2img_${name}`).click());
    }""")
    page.wait_for_function(f"webui.sentCount > {before} && webui.jobs.img2img.ids.length === 0")
    request = fake_page.engine.requests[-1]
    assert open_visit.toasts() == ""
    assert request.init.inpaint and (request.width, request.height) == (128, 192)
    page.click("#img2img_img2img_tab-button")


def test_generate_right_after_a_reload_sends_the_picture_and_the_mask_that_come_back(fake_page: FakePage, visit: Callable[..., Visit], tmp_path: Path) -> None:
    browser = visit(fake_page.url)
    page = browser.page
    page.click("#tab_img2img-button")
    page.click("#img2img_inpaint_tab-button")
    put(page, "img2maskimg", tmp_path / "picture.png", "teal")
    stroke(page, "img2maskimg", [(0.2, 0.5), (0.8, 0.5)])
    page.wait_for_function("!webui.canvases.img2maskimg.keeping")
    page.add_init_script("""addEventListener("DOMContentLoaded", () => { const kept = webui.keptBlob;
        webui.keptBlob = async(...what) => { await new Promise((resolve) => setTimeout(resolve, 1500)); return kept(...what); }; })""")
    page.reload()
    page.wait_for_selector("html.webui-ready", state="attached")
    page.click("#tab_img2img-button")
    page.click("#img2img_inpaint_tab-button")
    browser.click_generate("img2img")
    page.wait_for_function("webui.jobs.img2img.ids.length === 0")
    assert browser.toasts() == ""
    assert fake_page.engine.requests[-1].init.inpaint.mask.getchannel("A").getbbox() is not None


def test_a_setting_that_is_typed_on_after_apply_stays_and_is_applied_next(fake_page: FakePage, open_visit: Visit) -> None:
    page = open_visit.page
    page.click("#tab_settings-button")
    page.fill("#settings_search textarea, #settings_search input", "jpeg_quality")
    field = "#settings .setting[data-key=jpeg_quality] input[type=number]"
    page.fill(field, "66")
    with slow_line(page):
        page.click("#settings_submit")
        page.fill(field, "55")
        page.wait_for_selector(".webui-toast:has-text('1 setting changed')")
    assert page.input_value(field) == "55"
    open_visit.clear_toasts()
    page.click("#settings_submit")
    page.wait_for_selector(".webui-toast:has-text('1 setting changed')")
    assert fake_page.app.settings.get("jpeg_quality") == 55
    page.fill(field, "80")
    page.click("#settings_submit")
    page.wait_for_function("opts.jpeg_quality === 80")
