"""A ControlNet unit in a real browser: from the upload over the preprocessor's preview to the picture."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from modules.imaging.metadata import read_infotext_from
from tests.browser.conftest import SECONDS, RealServer, Visit

UNIT = "#txt2img_controlnet_ControlNet-0"


def test_a_unit_from_upload_to_picture(real_server: RealServer, visit: Callable[..., Visit], tmp_path: Path) -> None:
    from tests.golden_cn.stored import control_folder

    control_folder()
    drawing = Image.new("RGB", (64, 96), "white")
    drawing.paste((0, 0, 0), (16, 24, 48, 72))
    path = tmp_path / "square.png"
    drawing.save(path)
    page = visit(real_server.url).page
    page.click("#txt2img_controlnet #controlnet > button")
    page.set_input_files(f"{UNIT}_input_image input[type=file]", path)
    page.wait_for_selector(f"{UNIT}_input_image.has-picture")
    page.click(f"{UNIT}_controlnet_type_filter_radio label:has-text('Canny')")
    page.click(f"{UNIT}_controlnet_refresh_models")
    page.wait_for_function(f"document.querySelector('{UNIT}_controlnet_preprocessor_dropdown input').value === 'canny'")
    page.click(f"{UNIT}_controlnet_trigger_preprocessor")
    preview = page.wait_for_selector(f"{UNIT}_generated_image img", timeout=SECONDS * 1000)
    assert preview is not None
    seen = Image.open(io.BytesIO(page.request.get(preview.evaluate("image => image.src")).body())).convert("L")
    lit = np.asarray(seen) > 127
    assert 0.001 < lit.mean() < 0.1, "the edges of one square"
    page.click(f"{UNIT}_controlnet_type_filter_radio label:has-text('Canny')")
    page.locator(f"{UNIT}_controlnet_enable_checkbox input").check()
    page.click(f"{UNIT}_controlnet_send_dimen_button")
    page.wait_for_function("document.querySelector('#txt2img_width input').value === '64'")
    known = set(real_server.pictures())
    page.fill("#txt2img_prompt textarea", "a square")
    page.click("#txt2img_generate")
    page.wait_for_selector("#html_info_txt2img:has-text('ControlNet 0')", timeout=SECONDS * 1000)
    (made,) = set(real_server.pictures()) - known
    assert "Module: canny" in (read_infotext_from(made)[0] or "")
