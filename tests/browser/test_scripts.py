"""The Script list on the page: a plot with two axes, chosen, filled in and drawn."""
from __future__ import annotations

import base64
import json
from collections.abc import Callable

from PIL import Image

from tests.browser.conftest import RealServer, Visit, drop

SMALL = {"steps": 2, "width": 64, "height": 64, "seed": 7}


def choose(browser: Visit, box: str, option: str) -> None:
    """An entry of a dropdown, as a person picks it."""
    field = browser.page.locator(f"#tab_txt2img {box} input").first
    field.click()
    field.fill(option)
    own = browser.page.locator(f"[id='{field.get_attribute('aria-controls')}']")     # the list before may still be fading
    own.get_by_role("option", name=option, exact=True).click()


def test_a_plot_with_two_axes(real_server: RealServer, open_real_visit: Visit) -> None:
    browser = open_real_visit
    page, ids = browser.page, "#script_txt2img_xyz_plot_"
    assert not page.is_visible(f"{ids}x_type")
    choose(browser, "#script_list", "X/Y/Z plot")
    page.wait_for_selector(f"{ids}x_type", state="visible")
    assert not page.is_visible("#script_txt2img_prompt_matrix_put_at_start")
    choose(browser, f"{ids}x_type", "Steps")
    page.fill(f"{ids}x_values textarea", "1-3 (+2)")
    choose(browser, f"{ids}y_type", "Sampler")
    page.wait_for_selector(f"{ids}y_values_dropdown", state="visible")
    for sampler in ("Euler", "DDIM"):
        choose(browser, f"{ids}y_values_dropdown", sampler)
    for here, there in ("zy", "yz"):        # and back: what was chosen goes along
        page.click("#yz_grid_swap_axes_button >> visible=true")
        page.wait_for_selector(f"{ids}{there}_values_dropdown", state="hidden")
        page.wait_for_function("(box) => ['Euler', 'DDIM'].every((name) => document.querySelector(box).innerText.includes(name))", arg=f"{ids}{here}_values_dropdown")
    before = set(real_server.pictures())
    browser.generate("a red circle", **SMALL)
    page.wait_for_selector("#txt2img_gallery img")
    browser.wait_idle()
    shown = browser.infotext()
    assert 'Script: X/Y/Z plot, X Type: Steps, X Values: 1-3 (+2), Y Type: Sampler, Y Values: "Euler,DDIM"' in shown
    made = [Image.open(path) for path in set(real_server.pictures()) - before]
    assert not any("Script:" in image.info["parameters"] for image in made), "of a picture alone no plot is pasted"
    assert {image.info["parameters"].split("Sampler: ")[1].split(",")[0] for image in made} == {"Euler", "DDIM"}
    sheet = page.locator("#txt2img_gallery img").first.evaluate("(image) => [image.naturalWidth, image.naturalHeight]")
    assert sheet[0] == 64 * 2 + 48 and sheet[1] > 64 * 2, "two columns, two rows, and room for words"


def test_a_list_of_prompts_is_dropped_on_its_place(open_real_visit: Visit) -> None:
    page, ids = open_real_visit.page, "#script_txt2img_prompts_from_file_or_textbox_"
    choose(open_real_visit, "#script_list", "Prompts from file or textbox")
    page.wait_for_selector(f"{ids}file", state="visible")
    for words in ("ein Bär\nzwei", "another list"):
        page.wait_for_selector(f"{ids}file input[type=file]", state="attached")
        drop(open_real_visit, f"{ids}file button", "list.txt", "text/plain", base64.b64encode(words.encode()).decode())
        page.wait_for_function("([box, words]) => document.querySelector(box).value === words", arg=[f"{ids}prompt_txt textarea", words])


def test_the_defaults_page_keeps_a_scripts_field(real_server: RealServer, visit: Callable[..., Visit]) -> None:
    page, kept = visit(real_server.url).page, real_server.folder / "ui-config.json"
    said = "document.querySelector('#ui_defaults_result').textContent"
    page.evaluate("document.querySelector('#ui_defaults_view').click()")
    page.wait_for_function(f"{said}.includes('No field differs')")
    margin = page.locator("#script_txt2img_prompt_matrix_margin_size input[type=number]")
    margin.evaluate("(field) => { field.value = 12; field.dispatchEvent(new Event('input', {bubbles: true})); }")
    try:
        page.evaluate("document.querySelector('#ui_defaults_apply').click()")
        page.wait_for_function(f"{said}.includes('Grid margins')")
        assert json.loads(kept.read_text(encoding="utf-8")) == {"customscript/prompt_matrix.py/txt2img/Grid margins (px)/value": 12}
    finally:
        kept.write_text("{}", encoding="utf-8")
