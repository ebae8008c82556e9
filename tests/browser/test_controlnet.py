"""A ControlNet unit in a real browser: picture in, preprocessor looked at, picture made; a unit with a picture for each run; its text pasted back."""
from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.browser.conftest import RealServer, Visit
from tests.browser.painting import stroke
from tests.golden_cn.stored import control_folder

UNIT = "#txt2img_controlnet_ControlNet-0"


# As the 3D Openpose Editor sends pictures: the unit is the picture's place of that number; what is there goes first, and it waits until the new one is seen.
SENT_BY_AN_EDITOR = """async ([number]) => {
    const place = document.querySelector("#img2img_script_container #controlnet").querySelectorAll("div[data-testid='image']")[number];
    const until = async (is) => { while (!is()) await new Promise((resolve) => setTimeout(resolve, 20)); };
    const clear = () => place.querySelector("button[aria-label='Clear']");
    for (const width of [32, 48]) {
        clear()?.click();
        await until(() => !clear());
        const canvas = Object.assign(document.createElement("canvas"), {width, height: 64});
        const given = new DataTransfer();
        given.items.add(new File([await new Promise((resolve) => canvas.toBlob(resolve))], "pose.png", {type: "image/png"}));
        const input = place.querySelector("input[type='file']");
        input.value = "";
        input.files = given.files;
        input.dispatchEvent(new Event("change", {bubbles: true, composed: true}));
        await until(clear);
    }
}"""


# As "Send to ControlNet" of QR code and depth extensions finds a unit's picture: its file input is the one of twice its number.
SENT_BY_NUMBER = """async ([tab, unit]) => {
    const input = document.querySelector(`#${tab}_script_container #controlnet`).querySelectorAll("input[type='file']")[unit * 2];
    const canvas = Object.assign(document.createElement("canvas"), {width: 40, height: 56});
    const given = new DataTransfer();
    given.items.add(new File([await new Promise((resolve) => canvas.toBlob(resolve))], "code.png", {type: "image/png"}));
    input.files = given.files;
    input.dispatchEvent(new Event("change", {bubbles: true, composed: true}));
}"""


@pytest.fixture
def drawings(tmp_path: Path) -> list[Path]:
    """Two pictures with edges; the tiny control networks lie in the models folder meanwhile."""
    control_folder()
    found = []
    for number in (1, 2):
        picture = Image.new("RGB", (64, 96), "navy")
        ImageDraw.Draw(picture).ellipse((8, 8 * number, 48, 40 + 8 * number), fill="gold")
        picture.save(tmp_path / f"{number}.png")
        found.append(tmp_path / f"{number}.png")
    return found


def test_a_unit_from_upload_to_picture(real_server: RealServer, visit: Callable[..., Visit], drawings: list[Path]) -> None:
    browser = visit(real_server.url)
    page = browser.page
    before = len(real_server.pictures())
    page.click("#txt2img_controlnet #controlnet > button")
    page.set_input_files(f"{UNIT}_input_image div[data-testid='image'] input[type='file']", drawings[0])      # where extensions put it
    page.wait_for_selector(f"{UNIT}_input_image.has-picture")
    title, label = page.locator("#txt2img_controlnet_tabs [role=tab]").first, page.locator("#txt2img_controlnet #controlnet > .label-wrap")
    page.wait_for_selector("#txt2img_controlnet .cnet-unit-active")                 # the picture has switched the unit on, and that is seen from outside
    assert page.is_checked(f"{UNIT}_controlnet_enable_checkbox input") and "1 unit" in label.inner_text()
    page.click(f"{UNIT}_controlnet_send_dimen_button")
    assert (browser.value("txt2img_width"), browser.value("txt2img_height")) == ("64", "96")
    page.click(f'{UNIT}_controlnet_type_filter_radio label:has-text("Canny")')
    page.wait_for_function(f"document.querySelector('{UNIT}_controlnet_preprocessor_dropdown input').value === 'canny'")
    page.click(f"{UNIT}_controlnet_model_dropdown input")
    page.click('[role=option]:has-text("control-tiny-canny")')
    assert title.inner_text().split() == ["ControlNet", "Unit", "0", "[Canny]"]
    page.check(f"{UNIT}_controlnet_pixel_perfect_checkbox input")
    page.click(f"{UNIT}_controlnet_trigger_preprocessor")
    preview = page.wait_for_selector(f"{UNIT}_generated_image img")
    assert preview is not None and page.is_checked(f"{UNIT}_controlnet_preprocessor_preview_checkbox input")
    size = page.wait_for_function(f"(() => {{ const found = document.querySelector('{UNIT}_generated_image img'); return found.naturalWidth && [found.naturalWidth, found.naturalHeight]; }})()")
    assert size.json_value() == [64, 96]
    browser.generate("a gold circle", steps=2, seed=5)
    browser.wait_idle()
    assert browser.toasts() == "" and 'ControlNet 0: "Module: canny, Model: control-tiny-canny' in browser.infotext()
    page.wait_for_function("document.querySelectorAll('#txt2img_gallery .thumbnails > .thumbnail-item').length === 2")       # the picture and the detected map
    (single,) = real_server.pictures()[before:]

    # what the preprocessor made is the unit's picture; a pose drawn from its text is, too
    page.check(f"{UNIT}_controlnet_preview_as_input_checkbox input")
    browser.generate("a gold circle", steps=2, seed=5)
    browser.wait_idle()
    assert 'ControlNet 0: "Module: none, Model: control-tiny-canny' in browser.infotext()
    assert np.array_equal(np.asarray(Image.open(real_server.pictures()[-1])), np.asarray(Image.open(single)))
    page.click(f'{UNIT}_controlnet_type_filter_radio label:has-text("OpenPose")')
    page.wait_for_selector(f"{UNIT}_render_pose", state="visible")
    page.fill(f"{UNIT}_pose_json textarea", json.dumps({"people": [{"pose_keypoints_2d": [20, 20, 1, 30, 40, 1]}], "canvas_width": 128, "canvas_height": 64}))
    page.click(f"{UNIT}_render_pose")
    page.wait_for_function(f"document.querySelector('{UNIT}_generated_image img')?.naturalWidth === 128")
    page.set_input_files(f"{UNIT}_input_image div[data-testid='image'] input[type='file']", drawings[1])
    page.wait_for_function(f"!document.querySelector('{UNIT}_controlnet_preview_as_input_checkbox input').checked")          # of another picture
    page.fill(f"{UNIT}_pose_json textarea", "{}")
    page.click(f"{UNIT}_render_pose")
    page.wait_for_function(f"document.querySelector('{UNIT}_words').innerText.includes('no pose')")
    assert not page.is_checked(f"{UNIT}_controlnet_preview_as_input_checkbox input")
    page.click(f'{UNIT}_controlnet_type_filter_radio label:has-text("Canny")')
    page.wait_for_function(f"document.querySelector('{UNIT}_controlnet_preprocessor_dropdown input').value === 'canny'")
    page.click(f"{UNIT}_controlnet_model_dropdown input")
    page.click('[role=option]:has-text("control-tiny-canny")')
    before += 1

    page.click(f"{UNIT}_batch_tab-button")
    page.set_input_files(f"{UNIT}_batch_files input[type=file]", drawings)
    page.wait_for_function(f"document.querySelectorAll('{UNIT}_batch_files .file').length >= 2 || document.querySelectorAll('{UNIT}_batch_files tr').length >= 2")
    browser.generate("a gold circle", steps=2, seed=5)
    browser.wait_idle()
    assert "pictures from 2 control images" in browser.toasts()
    first, second = (np.asarray(Image.open(each)) for each in real_server.pictures()[before + 1 :])
    assert np.array_equal(first, np.asarray(Image.open(single))) and not np.array_equal(first, second)

    page.fill("#txt2img_prompt textarea", 'x\nSteps: 3, Sampler: Euler, Seed: 1, ControlNet 0: "Module: canny, Model: control-tiny-canny, Weight: 0.6, Resize Mode: Resize and Fill, Processor Res: 512, '
              'Threshold A: 60.0, Threshold B: 120.0, Guidance Start: 0.1, Guidance End: 0.9, Pixel Perfect: False, Control Mode: My prompt is more important"')
    page.click("#paste")
    page.wait_for_function(f"document.querySelector('{UNIT}_controlnet_control_weight_slider input[type=number]').value === '0.6'")
    assert page.is_checked(f'{UNIT}_controlnet_resize_mode_radio input[value="Resize and Fill"]')
    assert not page.is_checked(f"{UNIT}_controlnet_pixel_perfect_checkbox input")
    page.wait_for_function(f"document.querySelector('{UNIT}_controlnet_threshold_A_slider input').value === '60'")
    page.wait_for_selector(f"{UNIT}_controlnet_preprocessor_resolution_slider", state="visible")

    # a blank canvas: what is drawn on it is the hint
    page.click(f"{UNIT}_single_tab-button")
    page.click(f"{UNIT}_controlnet_open_new_canvas_button")
    for side, value in (("width", "128"), ("height", "192")):
        page.fill(f"{UNIT}_controlnet_canvas_{side} input[type=number]", value)
        page.keyboard.press("Tab")
    page.click(f"{UNIT}_controlnet_canvas_create_button")
    canvas = f"{UNIT[1:]}_input_image"
    page.wait_for_function("(id) => webui.canvases[id].size.join() === '128,192'", arg=canvas)
    stroke(page, canvas, [(0.3, 0.5), (0.7, 0.5)])
    page.click(f'{UNIT}_controlnet_type_filter_radio label:has-text("All")')
    page.wait_for_function(f"document.querySelector('{UNIT}_controlnet_preprocessor_dropdown input').value === 'none'")
    page.click(f"{UNIT}_controlnet_trigger_preprocessor")
    page.wait_for_function(f"document.querySelector('{UNIT}_generated_image img')?.naturalWidth === 128")
    data = page.evaluate("""async (url) => Array.from(new Uint8Array(await (await fetch(url)).arrayBuffer()))""", page.get_attribute(f"{UNIT}_generated_image img", "src"))
    shares = np.asarray(Image.open(io.BytesIO(bytes(data))).convert("L")) > 127
    assert shares[96, 64] and 0 < shares.mean() < 0.3

    # on img2img, where units take the tab's picture, one that an extension sends counts at once
    theirs = UNIT.replace("txt2img", "img2img").replace("Net-0", "Net-1")
    page.evaluate(SENT_BY_AN_EDITOR, [1])
    page.wait_for_function(f"document.querySelector('{theirs}_controlnet_enable_checkbox input').checked && document.querySelector('{theirs}_controlnet_same_img2img_checkbox input').checked")
    assert page.evaluate("(id) => webui.canvases[id].size", f"{theirs[1:]}_input_image") == [48, 64]
    page.wait_for_selector("#img2img_controlnet .cnet-badge", state="attached")
    page.evaluate(SENT_BY_NUMBER, ["img2img", 2])
    page.wait_for_function("(id) => webui.canvases[id].size.join() === '40,56'", arg=f"{UNIT[1:].replace('txt2img', 'img2img').replace('Net-0', 'Net-2')}_input_image")
    page.uncheck(f"{UNIT}_controlnet_enable_checkbox input")
    page.wait_for_selector("#txt2img_controlnet .cnet-badge", state="detached")

    # a region whose box is unticked is gone
    page.check(f"{UNIT}_controlnet_mask_upload_checkbox input")
    page.set_input_files(f"{UNIT}_mask_image input[type=file]", drawings[0])
    page.wait_for_selector(f"{UNIT}_mask_image.has-picture")
    page.uncheck(f"{UNIT}_controlnet_mask_upload_checkbox input")
    page.wait_for_function(f"!document.querySelector('{UNIT}_mask_image').classList.contains('has-picture')")
