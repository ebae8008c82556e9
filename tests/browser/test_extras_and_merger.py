"""Extras and Checkpoint Merger as a person uses them, with the server that users start."""
from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page

from modules.library.upscaler_names import published_upscaler
from tests.browser.conftest import RealServer, Visit
from tests.families import tiny_flow

SECONDS = 60_000


def choose(page: Page, elem_id: str, text: str) -> None:
    """An entry of a dropdown, by typing it."""
    page.click(f"#{elem_id} input")
    page.keyboard.press("Control+A")
    page.keyboard.type(text)                        # by keys: a text that is filled in chooses only what is called exactly that
    page.wait_for_selector("[role=option].active")
    page.keyboard.press("Enter")
    page.wait_for_function(f"document.querySelector('#{elem_id} input').value.startsWith({text!r})")


def test_a_picture_is_enlarged_by_a_model_and_sent_round_again(real_server: RealServer, open_real_visit: Visit, tmp_path: Path) -> None:
    Image.linear_gradient("L").resize((48, 32)).convert("RGB").save(tmp_path / "small.png")
    page = open_real_visit.page
    page.click("#tab_extras-button")
    page.set_input_files("#extras_image .canvas-file", tmp_path / "small.png")
    choose(page, "extras_upscaler_1", "4x-Tiny")
    page.click("#extras_generate")
    page.wait_for_function("(document.querySelector('#html_info_extras .infotext-text') || {}).textContent?.includes('4x-Tiny')", timeout=SECONDS)
    assert page.inner_text("#html_info_extras").strip() == "Postprocess upscale by: 4, Postprocess upscaler: 4x-Tiny"
    (saved,) = (real_server.folder / "outputs" / "extras-images").glob("*.png")
    assert Image.open(saved).size == (192, 128)
    page.click("#extras_send_to_extras")
    page.wait_for_function("webui.canvases.extras_image.size[0] === 192")
    page.click("#extras_send_to_img2img")
    page.wait_for_function("webui.canvases.img2img_image.size[0] === 192")
    assert page.is_visible("#tab_img2img")


def test_a_new_upscaler_file_shows_after_a_refresh(real_server: RealServer, open_real_visit: Visit, tmp_path: Path) -> None:
    page = open_real_visit.page
    page.click("#tab_extras-button")
    shutil.copyfile(real_server.folder / "upscalers" / "4x-Tiny.pth", real_server.folder / "upscalers" / "4x-Late.pth")
    page.click("#extras_refresh_upscalers")
    page.wait_for_timeout(500)
    choose(page, "extras_upscaler_2", "4x-Late")


def test_a_well_known_upscaler_is_listed_and_its_message_downloads_it(open_real_visit: Visit, tmp_path: Path) -> None:
    """A1111 downloads it unasked. Here nothing leaves the machine until the button is pressed; what it asks for is answered by the test."""
    Image.new("RGB", (16, 16)).save(tmp_path / "small.png")
    page = open_real_visit.page
    asked: list[Any] = []
    page.click("#tab_extras-button")
    page.set_input_files("#extras_image .canvas-file", tmp_path / "small.png")
    choose(page, "extras_upscaler_1", "SwinIR 4x")
    page.click("#extras_generate")

    def answer(route: Any) -> None:
        if route.request.method == "POST":
            asked.append(route.request.post_data_json)
        mine = {"id": 7, "name": "SwinIR_4x.pth", "state": "done" if asked else "running", "total": 4, "there": 2, "message": ""}
        route.fulfill(json=mine if route.request.method == "POST" else {"downloads": [mine], "folders": {}})

    page.route("**/internal/downloads", answer)
    page.click("p.webui-message.error button:has-text('Download SwinIR_4x.pth')")
    page.wait_for_selector("p.webui-message.error button:has-text('It is here: try again')")
    assert asked == [{"source": published_upscaler("SwinIR 4x").address, "kind": "published"}]      # pyright: ignore[reportOptionalMemberAccess]
    page.unroute("**/internal/downloads")
    choose(page, "extras_upscaler_1", "None")
    page.evaluate("document.querySelectorAll('.webui-toast').forEach((each) => each.remove())")


def test_what_is_missing_is_told_on_the_page(open_real_visit: Visit, tmp_path: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "small.png")
    browser = open_real_visit
    page = browser.page
    page.click("#tab_extras-button")
    page.set_input_files("#extras_image .canvas-file", tmp_path / "small.png")
    page.click("#input-accordion-0-checkbox input")
    page.click("#extras_generate")
    page.wait_for_selector(".webui-toast.error")
    assert "GFPGANv1.4.pth" in browser.toasts() and "https://github.com/TencentARC" in browser.toasts()
    page.wait_for_selector("p.webui-message.error button:has-text('Download GFPGANv1.4.pth and 1 more')")       # the face detector's


@pytest.mark.long
def test_two_checkpoints_are_merged_and_the_result_draws_and_so_does_one_of_another_family(real_server: RealServer, visit: Callable[..., Visit]) -> None:
    write_tiny_flux(real_server.folder / "checkpoints" / "tiny-flux.safetensors")
    browser = visit(real_server.url)
    page = browser.page
    page.click("#tab_modelmerger-button")
    page.click("#modelmerger_merge")
    page.wait_for_selector(".webui-toast.error")
    choose(page, "modelmerger_primary_model_name", "sd15-tiny.safetensors")
    choose(page, "modelmerger_secondary_model_name", "sd15-tiny.safetensors")
    page.locator("#modelmerger_custom_name textarea, #modelmerger_custom_name input").fill("browser-merge")
    page.click("#modelmerger_merge")
    page.wait_for_function("document.querySelector('#modelmerger_result').textContent.includes('saved to')", timeout=SECONDS)
    assert page.locator(".webui-toast.error").count() == 0, "what is mended is complained of no more"
    page.click("#tab_txt2img-button")
    for name in ("tiny-flux", "browser-merge"):
        choose(page, "setting_sd_model_checkpoint", f"{name}.safetensors")
        browser.generate("x", steps=2, width=64, height=64, seed=7)
        browser.wait_idle()
        page.wait_for_selector("#txt2img_gallery img")
        assert f"Model: {name}" in browser.infotext()


def write_tiny_flux(path: Path) -> None:
    """FLUX.1 schnell, random and tiny, with everything inside as ComfyUI writes it."""
    family = "FLUX.1 schnell"
    tensors = {f"model.diffusion_model.{name}": tensor for name, tensor in tiny_flow.original_transformer(family, tiny_flow.transformer_of(family).state_dict()).items()}
    tensors |= {f"vae.{name}": tensor for name, tensor in tiny_flow.original_vae(tiny_flow.vae_of(family).state_dict()).items()}
    for part, module in tiny_flow.text_encoders_of(family).items():
        tensors |= {f"text_encoders.{part}.transformer.{name}": tensor for name, tensor in tiny_flow.text_state(part, module).items()}
    tiny_flow.write(path, tensors)
