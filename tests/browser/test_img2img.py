"""img2img in a real browser: paint, and only that is drawn anew; send, copy, reload, and the server gets what the page shows."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from modules.imaging.metadata import png_bytes
from tests.browser.conftest import SECONDS, FakePage, RealServer, Visit
from tests.browser.painting import stroke
from tests.short_form import one_in

if TYPE_CHECKING:
    from playwright.sync_api import Page as BrowserPage

BLUE = (20, 60, 200)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "blue.png"
    Image.new("RGB", (96, 64), BLUE).save(path)
    return path


def to_img2img(page: BrowserPage, mode: str = "img2img") -> None:
    page.click("#tab_img2img-button")
    page.click(f"#img2img_{mode}_tab-button")


def put(page: BrowserPage, canvas: str, path: Path) -> None:
    page.set_input_files(f"#{canvas} input[type=file]", path)
    page.evaluate("(id) => webui.canvases[id].arriving", canvas)        # there may be an earlier one to see meanwhile
    page.wait_for_selector(f"#{canvas}.has-picture")


def covered(page: BrowserPage, canvas: str) -> int:
    """How many pixels of the drawing are opaque."""
    return page.evaluate(
        """(id) => { const layer = webui.canvases[id].drawing.layer;
        const data = layer.getContext("2d").getImageData(0, 0, layer.width, layer.height).data;
        let count = 0; for (let at = 3; at < data.length; at += 4) count += data[at] > 128; return count; }""",
        canvas,
    )


def generate(browser: Visit, **fields: Any) -> None:
    for name, value in fields.items():
        browser.set(f"img2img_{name}", value)
    browser.click_generate("img2img")
    browser.page.wait_for_function("webui.jobs.img2img.ids.length === 0", timeout=SECONDS * 1000)


def test_only_what_was_painted_is_drawn_anew(real_server: RealServer, visit: Callable[..., Visit], picture: Path) -> None:
    browser = visit(real_server.url)
    to_img2img(browser.page, "inpaint")
    put(browser.page, "img2maskimg", picture)
    stroke(browser.page, "img2maskimg", [(0.1, 0.2), (0.2, 0.7)])
    browser.page.click("#img2img_detect_image_size_btn")
    generate(browser, steps=4, mask_blur=0, denoising_strength=1, seed=3)
    assert browser.toasts() == ""
    (saved,) = sorted((real_server.folder / "outputs" / "img2img-images").rglob("*.png"))
    made = np.asarray(Image.open(saved).convert("RGB")).astype(int)
    assert made.shape == (64, 96, 3)
    changed = np.abs(made - np.array(BLUE)).max(axis=2) > 8
    assert changed[:, :32].any() and not changed[:, 40:].any()
    assert "Denoising strength: 1" in Image.open(saved).info["parameters"]


def test_a_picture_goes_from_txt2img_to_inpainting_with_its_parameters(fake_page: FakePage, open_visit: Visit) -> None:
    browser = open_visit
    browser.generate("a sent cat", steps=3, width=96, height=64, seed=77)
    browser.page.wait_for_selector("#txt2img_gallery img")
    browser.wait_idle()
    browser.page.click("#txt2img_send_to_inpaint")
    browser.page.wait_for_selector("#img2maskimg.has-picture")
    browser.page.wait_for_function("webui.field('img2img_prompt').value === 'a sent cat' && webui.field('img2img_width').value === '96'")
    assert browser.page.is_visible("#img2maskimg .canvas-viewport") and browser.page.is_visible("#img2img_mask_blur")
    assert (browser.value("img2img_steps"), browser.value("img2img_seed"), browser.value("img2img_height")) == ("3", "77", "64")
    stroke(browser.page, "img2maskimg", [(0.5, 0.5), (0.6, 0.5)])
    generate(browser)
    request = fake_page.engine.requests[-1]
    assert (request.prompt, request.width, request.height) == ("a sent cat", 96, 64)
    assert request.init.pictures[0].size == (96, 64) and request.init.inpaint.mask is not None


def test_a_sent_picture_leaves_img2img_its_own_sampler_and_cfg_scale_and_a_random_seed_random(open_visit: Visit) -> None:
    browser = open_visit
    browser.set("img2img_cfg_scale", 4)
    browser.set("img2img_seed", 5)
    browser.generate("a sent cat", steps=3, width=96, height=64, cfg_scale=9, seed=-1)
    browser.page.wait_for_selector("#txt2img_gallery img")
    browser.wait_idle()
    browser.page.fill("#txt2img_prompt textarea", "a cat as the field has it")
    browser.page.click("#txt2img_send_to_img2img")
    browser.page.wait_for_function("webui.field('img2img_prompt').value === 'a cat as the field has it' && webui.field('img2img_width').value === '96'")
    assert [browser.value(f"img2img_{name}") for name in ("steps", "seed", "cfg_scale")] == ["3", "-1", "4"]
    generate(browser, prompt="another cat", steps=2, width=64)
    browser.page.wait_for_selector("#img2img_gallery img")
    browser.page.click("#img2img_send_to_inpaint")
    browser.page.wait_for_selector("#img2maskimg.has-picture")
    assert [browser.value(f"img2img_{name}") for name in ("prompt", "steps", "seed")] == ["another cat", "2", "-1"]


def test_a_sketch_arrives_as_it_is_seen(fake_page: FakePage, open_visit: Visit, picture: Path) -> None:
    browser = open_visit
    page = browser.page
    to_img2img(page, "img2img_sketch")
    put(page, "img2img_sketch", picture)
    page.fill("#img2img_sketch input[type=color]", "#ff0000")
    stroke(page, "img2img_sketch", [(0.1, 0.5), (0.9, 0.5)])
    page.click("#img2img_copy_sketch_to_img2img")
    page.wait_for_selector("#img2img_image.has-picture")
    page.click("#img2img_tab_resize_by-button")
    browser.set("img2img_scale", "1.5")
    assert "from 96x64 to 144x96" in page.inner_text("#img2img_scale_resolution_preview")
    generate(browser, steps=1)
    request = fake_page.engine.requests[-1]
    seen = request.init.pictures[0].convert("RGB")
    assert seen.getpixel((48, 32)) == (255, 0, 0) and seen.getpixel((48, 5)) == BLUE
    assert (request.width, request.height) == (144, 96) and request.init.inpaint.mask is None


def test_undo_redo_eraser_fill_and_keys(fake_page: FakePage, visit: Callable[..., Visit], picture: Path) -> None:
    page = visit(fake_page.url).page
    to_img2img(page, "inpaint")
    put(page, "img2maskimg", picture)
    stroke(page, "img2maskimg", [(0.2, 0.2), (0.8, 0.2)])
    first = covered(page, "img2maskimg")
    assert first > 0
    page.keyboard.press("Control+z")
    assert covered(page, "img2maskimg") == 0
    page.keyboard.press("Control+y")
    assert covered(page, "img2maskimg") == first
    page.keyboard.press("e")
    stroke(page, "img2maskimg", [(0.5, 0.0), (0.5, 0.9)])
    assert 0 < covered(page, "img2maskimg") < first
    page.click("#img2maskimg .canvas-fill")
    stroke(page, "img2maskimg", [(0.5, 0.9), (0.5, 0.9)])
    assert covered(page, "img2maskimg") > 96 * 64 * 0.9
    page.click("#img2maskimg .canvas-clear")
    assert covered(page, "img2maskimg") == 0
    page.click("#img2maskimg .canvas-brush")
    page.focus("#img2maskimg .canvas-viewport")
    for key in ("Space", "ArrowRight", "ArrowRight", "Space"):
        page.keyboard.press(key)
    assert covered(page, "img2maskimg") > 0
    before = page.evaluate("webui.canvases.img2maskimg.tools.brushSize")
    page.keyboard.press("]")
    assert page.evaluate("webui.canvases.img2maskimg.tools.brushSize") > before
    scale = page.evaluate("webui.canvases.img2maskimg.view.scale")
    page.hover("#img2maskimg .canvas-viewport")
    page.keyboard.down("Alt")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Alt")
    page.wait_for_function("(scale) => webui.canvases.img2maskimg.view.scale > scale", arg=scale)
    page.keyboard.press("r")
    assert page.evaluate("webui.canvases.img2maskimg.view.scale") == scale
    page.evaluate("webui.canvases.img2maskimg.view.zoom(2)")
    page.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'к', code: 'KeyR'}))")
    assert page.evaluate("webui.canvases.img2maskimg.view.scale") == scale, "the same key of a Russian keyboard"
    page.focus("#img2img_prompt textarea")
    for blurs, prompt in ((False, "r"), (True, "r")):       # the second one is the canvas's
        page.evaluate("(blurs) => { opts.canvas_blur_prompt = blurs; webui.canvases.img2maskimg.view.zoom(2); }", blurs)
        page.keyboard.press("r")
        assert page.input_value("#img2img_prompt textarea") == prompt
        assert (page.evaluate("webui.canvases.img2maskimg.view.scale") == scale) == blurs


def test_the_canvas_s_help_tells_no_function_that_is_turned_off(open_visit: Visit) -> None:
    page = open_visit.page
    assert "R: fit" in page.evaluate("webui.canvasHelp()")
    told = page.evaluate("(() => { const before = opts.canvas_disabled_functions; opts.canvas_disabled_functions = ['Reset Zoom', 'Moving canvas']; "
                         "const help = webui.canvasHelp(); opts.canvas_disabled_functions = before; return help; })()")
    assert "fit" not in told and "F held" not in told and "Wheel with Alt: zoom" in told


def test_a_frame_shows_which_part_of_the_picture_has_the_chosen_proportions(open_visit: Visit, picture: Path) -> None:
    page = open_visit.page
    to_img2img(page)
    put(page, "img2img_image", picture)
    page.evaluate("webui.aspectSeconds = 60")
    open_visit.set("img2img_height", 128)
    open_visit.set("img2img_width", 256)
    shown = "document.querySelector('#img2img_image #imageARPreview').style"
    assert page.evaluate(f"['left', 'top', 'width', 'height'].map((side) => parseFloat({shown}[side]))") == [0, 8, 96, 48]
    page.evaluate("webui.aspectSeconds = 0.1")
    open_visit.set("img2img_width", 264)
    page.wait_for_selector("#imageARPreview", state="detached")


def test_keys_work_in_the_whole_window_and_escape_leaves_it(fake_page: FakePage, visit: Callable[..., Visit], picture: Path) -> None:
    page = visit(fake_page.url).page
    to_img2img(page, "inpaint")
    put(page, "img2maskimg", picture)
    page.focus("#img2img_prompt textarea")
    page.click("#img2maskimg .canvas-full")
    stroke(page, "img2maskimg", [(0.2, 0.2), (0.8, 0.2)])
    assert covered(page, "img2maskimg") > 0
    page.keyboard.press("Control+z")
    assert covered(page, "img2maskimg") == 0
    page.keyboard.press("e")
    assert page.evaluate("webui.canvases.img2maskimg.tools.tool") == "eraser" and page.input_value("#img2img_prompt textarea") == ""
    page.keyboard.press("Escape")
    assert page.locator(".webui-canvas.canvas-full").count() == 0
    page.hover("#img2maskimg .canvas-viewport")
    for shown in (1, 0):
        page.keyboard.press("s")
        assert page.locator(".webui-canvas.canvas-full").count() == shown


NO_BLOBS = """() => {
    const put = IDBObjectStore.prototype.put;
    IDBObjectStore.prototype.put = function(value, key) {
        return put.call(this, Object.values(value).some((each) => each instanceof Blob) ? () => "cannot be kept" : value, key);
    };
}"""    # as in Safari's private windows


def test_a_drawing_survives_a_reload_and_a_new_tab_starts_empty(fake_page: FakePage, visit: Callable[..., Visit], picture: Path) -> None:
    browser = visit(fake_page.url)
    page = browser.page
    page.evaluate(NO_BLOBS)
    to_img2img(page, "inpaint")
    put(page, "img2maskimg", picture)
    stroke(page, "img2maskimg", [(0.2, 0.5), (0.8, 0.5)])
    before = covered(page, "img2maskimg")
    page.wait_for_function("!webui.canvases.img2maskimg.keeping")
    page.reload()
    page.wait_for_selector("html.webui-ready", state="attached")
    page.wait_for_function("webui.canvases.img2maskimg.drawing.touched")
    assert covered(page, "img2maskimg") == before
    page.click("#tab_img2img-button")
    assert page.is_visible("#img2maskimg .canvas-viewport")
    generate(browser, steps=1)
    assert fake_page.engine.requests[-1].init.inpaint.mask.getchannel("A").getbbox() is not None
    fresh = visit(fake_page.url, context=page.context)
    assert fresh.page.evaluate("webui.canvases.img2maskimg.restoring.then(() => Boolean(webui.canvases.img2maskimg.picture))") is False


@pytest.mark.parametrize("mode", ["img2img", "inpaint"])
@pytest.mark.parametrize("way", one_in(3, [6, 3, 7, 8, 5]))
def test_a_webp_that_lies_on_its_side_is_seen_and_drawn_upright(fake_page: FakePage, open_visit: Visit, tmp_path: Path, way: int, mode: str) -> None:
    """What is shown, painted on, measured and drawn are the same way round."""
    browser, canvas = open_visit, "img2maskimg" if mode == "inpaint" else "img2img_image"
    side, picture = Image.Exif(), Image.new("RGB", (96, 64), BLUE)
    side[0x0112] = way
    picture.paste((250, 0, 0), (0, 0, 48, 32))
    picture.save(tmp_path / "side.webp", exif=side, lossless=True)
    to_img2img(browser.page, mode)
    put(browser.page, canvas, tmp_path / "side.webp")
    if mode == "inpaint":
        stroke(browser.page, canvas, [(0.3, 0.5), (0.6, 0.5)])
    generate(browser, steps=1)
    assert browser.toasts() == ""
    drawn = fake_page.engine.requests[-1].init.pictures[0].convert("RGB")
    assert (drawn.height, drawn.width) == ((64, 96) if way < 5 else (96, 64))
    assert browser.page.evaluate(f"webui.canvases.{canvas}.size") == list(drawn.size)
    corners = [(x, y) for x in (8, drawn.width - 8) for y in (8, drawn.height - 8)]
    shown = browser.page.evaluate(
        """([id, corners]) => { const {picture, size} = webui.canvases[id], flat = webui.newCanvas(...size), paint = flat.getContext("2d");
        paint.drawImage(picture, 0, 0); return corners.map(([x, y]) => Array.from(paint.getImageData(x, y, 1, 1).data).slice(0, 3)); }""", [canvas, corners])
    assert [tuple(each) for each in shown] == [drawn.getpixel(each) for each in corners]


def test_generate_waits_for_a_picture_that_is_still_being_read_and_the_last_of_two_stays(fake_page: FakePage, open_visit: Visit, tmp_path: Path) -> None:
    page, paths = open_visit.page, {name: tmp_path / f"{name}.png" for name in ("white", "black", "teal")}
    for name, path in paths.items():
        Image.new("RGB", (64, 64), name).save(path)
    to_img2img(page)
    put(page, "img2img_image", paths["white"])
    page.evaluate("""() => { const read = webui.decodedPicture, waits = [600, 300];
        webui.decodedPicture = async(blob) => { await new Promise((resolve) => setTimeout(resolve, waits.shift() || 0)); return read(blob); }; }""")
    for name in ("black", "teal"):
        page.set_input_files("#img2img_image input[type=file]", paths[name])
    generate(open_visit, steps=1)
    assert fake_page.engine.requests[-1].init.pictures[0].convert("RGB").getpixel((9, 9)) == (0, 128, 128)
    page.wait_for_timeout(400)                          # by then the first is read too
    generate(open_visit, steps=1)
    assert fake_page.engine.requests[-1].init.pictures[0].convert("RGB").getpixel((9, 9)) == (0, 128, 128)


def test_the_picture_goes_to_the_server_once(fake_page: FakePage, open_visit: Visit, picture: Path) -> None:
    browser = open_visit
    to_img2img(browser.page, "inpaint_upload")
    put(browser.page, "img_inpaint_base", picture)
    generate(browser, steps=1)
    assert "a mask" in browser.toasts()
    put(browser.page, "img_inpaint_mask", picture)
    browser.clear_toasts()
    generate(browser, steps=1)
    sent = len([each for each in browser.requests if "/upload" in each])
    generate(browser, steps=1)
    assert len([each for each in browser.requests if "/upload" in each]) == sent
    assert fake_page.engine.requests[-1].init.inpaint.mask is not None and browser.toasts() == ""


def test_png_info_sends_picture_and_text_to_img2img(open_visit: Visit, tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(png_bytes(Image.new("RGB", (80, 72)), "an old cat\nSteps: 9, Sampler: Euler a, CFG scale: 4.5, Seed: 31, Size: 40x36, Denoising strength: 0.4"))
    browser = open_visit
    browser.page.click("#tab_pnginfo-button")
    browser.page.set_input_files("#pnginfo_image input[type=file]", path)
    browser.page.wait_for_function("document.querySelector('#html_info_pnginfo').innerText.includes('Steps: 9')")
    browser.page.click("#img2img_tab")
    browser.page.wait_for_selector("#img2img_image.has-picture")
    browser.page.wait_for_function("webui.field('img2img_prompt').value === 'an old cat' && webui.field('img2img_width').value === '80'")
    assert (browser.value("img2img_denoising_strength"), browser.value("img2img_steps"), browser.value("img2img_height")) == ("0.4", "9", "72")


def test_fingers_paint_and_the_page_stays_in_its_width(fake_page: FakePage, visit: Callable[..., Visit], picture: Path) -> None:
    browser = visit(fake_page.url, viewport={"width": 390, "height": 844}, has_touch=True)
    page = browser.page
    to_img2img(page, "inpaint_sketch")
    put(page, "inpaint_sketch", picture)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#inpaint_sketch .canvas-viewport").scroll_into_view_if_needed()
    box = page.locator("#inpaint_sketch .canvas-viewport").bounding_box()
    assert box is not None
    wire = page.context.new_cdp_session(page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": number} for number, (x, y) in enumerate(places)]
        wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (0.3, 0.5))
    touch("touchMove", (0.6, 0.5))
    touch("touchEnd")
    page.wait_for_function("webui.canvases.inpaint_sketch.drawing.done.length === 1")
    painted, scale = covered(page, "inpaint_sketch"), page.evaluate("webui.canvases.inpaint_sketch.view.scale")
    touch("touchStart", (0.4, 0.5))
    touch("touchStart", (0.4, 0.5), (0.6, 0.5))
    touch("touchMove", (0.2, 0.5), (0.8, 0.5))
    touch("touchEnd")
    page.wait_for_function("(scale) => webui.canvases.inpaint_sketch.view.scale > 1.5 * scale", arg=scale)
    assert covered(page, "inpaint_sketch") == painted > 0


def test_a_batch_of_files_and_of_a_folder_fills_the_gallery(fake_page: FakePage, open_visit: Visit, tmp_path: Path) -> None:
    for name, side in (("one.png", 64), ("two.png", 96)):
        Image.new("RGB", (side, 64), BLUE).save(tmp_path / name)
    browser = open_visit
    page = browser.page
    to_img2img(page, "batch")
    generate(browser, steps=1)
    assert "no pictures in this batch" in browser.toasts()
    browser.clear_toasts()
    page.set_input_files("#img2img_batch_upload input[type=file]", [tmp_path / "one.png", tmp_path / "two.png"])
    page.wait_for_function("document.querySelector('#img2img_batch_upload').textContent.replace(/\\s/g, '').includes('two.png')")
    generate(browser, steps=1)
    assert [each.init.pictures[0].width for each in fake_page.engine.requests[-2:]] == [64, 96] and browser.toasts() == ""
    assert page.locator("#img2img_gallery .thumbnails img").count() == 2
    page.click("#img2img_batch_from_dir_tab-button")
    page.fill("#img2img_batch_input_dir textarea", str(tmp_path))
    page.fill("#img2img_batch_output_dir textarea", str(tmp_path / "out"))
    generate(browser, steps=1)
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["one.png", "two.png"]


def test_a_picture_that_the_browser_cannot_show_is_shown_by_the_server_and_an_iphones_is_called_by_its_name(fake_page: FakePage, open_visit: Visit, tmp_path: Path) -> None:
    browser = open_visit
    page = browser.page
    to_img2img(page)
    for name, kind in (("scan.tiff", "TIFF"), ("old.tga", "TGA"), ("art.jp2", "JPEG2000")):
        path = tmp_path / name
        Image.new("RGB", (96, 64), BLUE).save(path, kind)
        page.set_input_files("#img2img_image input[type=file]", path)
        page.wait_for_function("webui.canvases.img2img_image.size[0] === 96 && webui.canvases.img2img_image.root.matches('.has-picture')")
        page.evaluate("webui.canvases.img2img_image.size = [0, 0]")
    assert browser.toasts() == ""
    heic = tmp_path / "IMG_0001.HEIC"
    heic.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 400)
    page.set_input_files("#img2img_image input[type=file]", heic)
    page.wait_for_selector(".webui-toast")
    assert "HEIC" in browser.toasts() and "Most Compatible" in browser.toasts()
    browser.clear_toasts()
