"""The whole road, with the server that users start: a prompt typed, a picture drawn, saved with its parameters and shown with them."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.browser.conftest import A_USERS_LINE, RealServer, Visit, started_server

SMALL = {"steps": 4, "width": 64, "height": 64, "seed": 7}


def test_a_typed_prompt_becomes_a_saved_picture_with_its_parameters(real_server: RealServer, visit: Callable[..., Visit]) -> None:
    before = set(real_server.pictures())
    browser = visit(real_server.url)
    browser.generate("a red potion on a blue background", **SMALL)
    picture = browser.page.wait_for_selector("#txt2img_gallery img")
    browser.wait_idle()
    assert picture is not None and picture.evaluate("(image) => image.naturalWidth") == 64
    shown = browser.infotext()
    (saved,) = set(real_server.pictures()) - before
    written = Image.open(saved).info["parameters"]
    assert shown == written
    assert browser.page.locator("#html_info_txt2img .infotext-text").evaluate("each => each.textContent").strip() == written      # as extensions read it
    assert written.startswith("a red potion on a blue background\nSteps: 4, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 7, Size: 64x64,")
    assert "Time taken" in browser.page.inner_text("#html_log_txt2img")
    assert browser.page.title() == "Stable Diffusion"
    browser.page.wait_for_function("document.getElementById('txt2img_estimate').textContent.startsWith('≈')")


def test_each_flag_of_the_line_that_it_was_started_with_is_explained(real_server: RealServer, open_real_visit: Visit) -> None:
    """In one line at the start, and on the Settings tab beside what was chosen for this machine."""
    browser = open_real_visit
    browser.page.click("#tab_settings-button")
    browser.page.click('[data-section="tab_sysinfo"]')
    shown = browser.page.inner_text("#compute_policy")
    assert all(topic in shown for topic in ("Device", "Number types", "Memory", "Attention"))
    for flag in A_USERS_LINE.split():
        assert len([line for line in real_server.log().splitlines() if line.startswith(f"{flag}: ")]) == 1 and flag in shown


def test_nothing_is_asked_of_another_machine(real_server: RealServer, visit: Callable[..., Visit]) -> None:
    browser = visit(real_server.url)
    for tab in ("pnginfo", "settings", "txt2img"):
        browser.page.click(f"#tab_{tab}-button")
    browser.generate("x", **SMALL)
    browser.wait_idle()
    outside = [each for each in browser.requests if not each.startswith((real_server.url, "data:", "blob:"))]
    assert outside == []
    assert len(browser.requests) > 20


def test_a_refused_value_is_told_and_the_next_job_runs(real_server: RealServer, open_real_visit: Visit) -> None:
    before = len(real_server.pictures())
    browser = open_real_visit
    browser.generate("x", **(SMALL | {"width": 7}))
    browser.page.wait_for_selector(".webui-toast.error")
    assert "Width" in browser.toasts()
    assert "Width" in browser.page.inner_text("#html_log_txt2img")
    browser.wait_idle()
    browser.generate("x", **SMALL)
    browser.page.wait_for_selector("#txt2img_gallery img")
    browser.wait_idle()
    assert len(real_server.pictures()) == before + 1 and "Width" not in browser.toasts(), "the error leaves with the next click"


def test_a_number_put_back_into_its_range_is_told(open_real_visit: Visit) -> None:
    browser = open_real_visit
    width = browser.page.locator("#txt2img_width input[type=number]")
    width.fill("7")
    width.press("Tab")
    browser.page.wait_for_selector(".webui-toast.error")
    assert "Width cannot be 7: the smallest is 64" in browser.toasts()
    assert width.input_value() == "64"


@pytest.mark.long
def test_pictures_are_shown_below_a_subpath(visit: Callable[..., Visit], tmp_path: Path) -> None:
    """A proxy hands on only what lies below the prefix: each address must have it."""
    with started_server(tmp_path, "--subpath", "sd") as server:
        browser = visit(f"{server.url}sd/")
        browser.generate("a red potion", steps=1, width=64, height=64)
        browser.wait_idle()
        browser.page.wait_for_selector("#txt2img_gallery img")
        addresses = browser.page.evaluate("[...document.querySelectorAll('#txt2img_gallery img')].map((each) => new URL(each.src).pathname)")
    assert addresses
    assert [each for each in addresses if not each.startswith("/sd/")] == []
