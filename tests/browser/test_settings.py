"""The Settings tab in a browser: lists keep their order, Reload UI builds the page anew, what is chosen arranges and translates it."""
from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modules.application import translations
from modules.application.settings_store import SettingsStore
from modules.schema.settings.table import SETTINGS
from tests.browser.conftest import FakePage, Visit


@pytest.fixture
def clean(fake_page: FakePage) -> Iterator[FakePage]:
    before = fake_page.app.settings.as_dict()
    yield fake_page
    fake_page.app.settings.update({key: value for key, value in before.items() if fake_page.app.settings.get(key) != value})


def reload_ui(browser: Visit) -> None:
    browser.page.click("#tab_settings-button")
    with browser.page.expect_navigation():
        browser.page.click("#settings_restart_gradio")
    browser.page.wait_for_selector("html.webui-ready", state="attached")


def test_lists_keep_their_order_and_reload_builds_the_page_anew(clean: FakePage, visit: Callable[..., Visit]) -> None:
    browser, other = visit(clean.url), visit(clean.url)
    page = browser.page
    page.click("#tab_settings-button")
    page.fill("#settings_search textarea, #settings_search input", "jpeg quality")
    page.wait_for_selector("#setting_jpeg_quality", state="visible")
    assert not page.is_visible("#setting_quicksettings_list")  # although its list offers jpeg_quality
    assert not page.is_visible("#settings >> text=No setting matches.")
    before = page.evaluate("opts.jpeg_quality")
    page.fill("#setting_jpeg_quality input[type=number]", "900")
    page.click("#settings_submit")
    page.wait_for_selector(".webui-toast.error")
    page.wait_for_timeout(200)                          # one word of the server, and none of a number that is set now: it stays
    assert browser.toasts().count("cannot be 900") == 1 and page.evaluate("opts.jpeg_quality") == before
    page.fill("#setting_jpeg_quality input[type=number]", str(before))
    browser.clear_toasts()
    page.fill("#settings_search textarea, #settings_search input", "nothing is called so")
    page.wait_for_selector("#settings >> text=No setting matches.", state="visible")
    page.fill("#settings_search textarea, #settings_search input", "")
    assert not page.is_visible("#settings >> text=No setting matches.")
    page.click("[data-section=ui]")
    for key in ("samples_save", "CLIP_stop_at_last_layers"):
        page.select_option("#setting_quicksettings_list select", key)
    page.click("#setting_quicksettings_list .setting-token[data-value=sd_model_checkpoint]")
    page.click("#settings_submit")
    page.wait_for_function("opts.quicksettings_list.length === 2")
    assert SettingsStore(clean.app.settings.path, SETTINGS).get("quicksettings_list") == ["samples_save", "CLIP_stop_at_last_layers"]
    clean.app.settings.set("gallery_height", "333px")
    reload_ui(browser)
    assert page.evaluate("document.getElementById('txt2img_gallery').offsetHeight") == 333
    assert page.locator("#quicksettings #setting_samples_save").count() == 1
    assert page.locator("#quicksettings #setting_sd_model_checkpoint").count() == 0
    page.click("#quicksettings #setting_samples_save input")
    page.wait_for_function("opts.samples_save === false")
    assert clean.app.settings.get("samples_save") is False
    other.page.evaluate("webui.takeFreshSettings()")  # what another window does when it is looked at
    other.page.wait_for_function("opts.samples_save === false")
    clean.app.settings.update({"quicksettings_list": ["sd_model_checkpoint"], "gallery_height": ""})
    reload_ui(browser)
    assert page.evaluate("document.getElementById('txt2img_gallery').offsetHeight") != 333
    assert page.locator("#quicksettings #setting_sd_model_checkpoint").count() == 1
    browser.generate("after the reload", steps=1, width=64, height=64)
    page.wait_for_selector("#txt2img_gallery img")
    browser.wait_idle()
    other.page.evaluate("window.isOfBefore = true")
    other.fill("in a window of before", steps=1, width=64, height=64)
    other.page.click("#txt2img_generate")
    other.page.wait_for_function("!window.isOfBefore")  # its buttons are no longer there: it comes anew by itself, with what was typed
    other.page.wait_for_selector("html.webui-ready", state="attached")
    other.wait_idle()
    other.page.wait_for_function("document.querySelector('#html_info_txt2img')?.innerText.includes('in a window of before')")       # and with the click
    assert other.value("txt2img_prompt") == "in a window of before" and other.toasts() == ""
    assert other.page.evaluate("webui.sentCount") == 1


def test_a_list_in_the_row_above_the_tabs_keeps_its_button_beside_it(clean: FakePage, visit: Callable[..., Visit]) -> None:
    keys = ["sd_model_checkpoint", "CLIP_stop_at_last_layers", "sd_vae", "eta_noise_seed_delta", "sd_lora"]
    before = clean.app.settings.get("quicksettings_list")
    clean.app.settings.set("quicksettings_list", keys)
    browser = visit(clean.url)
    reload_ui(browser)
    beside = """(key) => { const [list, button] = [`setting_${key}`, `refresh_${key}`].map((id) => document.getElementById(id).getBoundingClientRect());
        return button.left - list.right < 20 && button.left >= list.right && Math.abs(button.bottom - list.bottom) < 3 }"""
    for width in (1300, 1000, 800, 600, 390):
        browser.page.set_viewport_size({"width": width, "height": 600})
        assert [key for key in ("sd_model_checkpoint", "sd_vae", "sd_lora") if not browser.page.evaluate(beside, key)] == [], width
    browser.page.fill("#setting_CLIP_stop_at_last_layers input[type=number]", "2")     # by Ctrl+Enter the field is not left
    browser.page.keyboard.press("Control+Enter")
    browser.page.wait_for_selector("#txt2img_gallery img")
    assert clean.engine.requests[-1].options.clip_skip == 2
    clean.app.settings.set("quicksettings_list", before)
    reload_ui(browser)


def test_tabs_parts_and_columns_follow_the_settings(clean: FakePage, visit: Callable[..., Visit]) -> None:
    clean.app.settings.update(
        {"hidden_tabs": ["PNG Info", "Settings"], "ui_tab_order": ["img2img"], "ui_reorder_list": ["seed", "cfg"], "txt2img_settings_accordion": True}
    )
    page = visit(clean.url).page
    assert not page.is_visible("#tab_pnginfo-button") and page.is_visible("#tab_settings-button")
    left = "(name) => document.getElementById(`tab_${name}-button`).getBoundingClientRect().x"
    page.wait_for_function(f"() => ({left})('img2img') < ({left})('txt2img')")      # on a busy machine the first paint comes before the order
    assert page.is_visible("#tab_img2img")
    clean.app.paths.ui_config_file.write_text('{"webui/Tabs@tabs/selected": "extras", "extras/Tabs@mode_extras/selected": "batch_from_directory", "img2img/Tabs@mode_img2img/selected": "inpaint"}')
    try:
        page.evaluate("sessionStorage.clear()")
        page.reload()
        page.wait_for_selector("#tab_extras", state="visible")
        assert page.is_visible("#extras_batch_directory_tab") and not page.is_visible("#extras_single_tab")
        page.click("#tab_img2img-button")
        page.wait_for_selector("#img2img_inpaint_tab", state="visible")
    finally:
        clean.app.paths.ui_config_file.unlink()
    page.click("#tab_txt2img-button")
    assert not page.is_visible("#txt2img_seed")
    page.click("#txt2img_settings .fold-settings")
    top = [page.locator(f"#{name}").bounding_box()["y"] for name in ("txt2img_seed", "txt2img_cfg_scale", "txt2img_sampling")]  # type: ignore[index]
    assert top == sorted(top)


def test_prompts_in_the_column_are_a_part_that_is_ordered_and_counters_and_galleries_go_at_once(clean: FakePage, visit: Callable[..., Visit]) -> None:
    clean.app.settings.update({"compact_prompt_box": True, "ui_reorder_list": ["cfg", "prompt"]})
    page = visit(clean.url).page
    top = [page.locator(f"#{name}").bounding_box()["y"] for name in ("txt2img_cfg_scale", "txt2img_prompt", "txt2img_seed")]  # type: ignore[index]
    assert top == sorted(top)
    assert page.is_visible("#txt2img_token_counter")
    for hidden in (True, False):
        clean.app.settings.update({"disable_token_counters": hidden, "do_not_show_images": hidden})
        page.evaluate("webui.takeFreshSettings()")
        for place in ("token_counter", "gallery"):
            page.wait_for_selector(f"#txt2img_{place}", state="hidden" if hidden else "visible")
        page.fill("#txt2img_prompt textarea", "a cat")
    page.wait_for_selector("#txt2img_token_counter >> text=2/75")


def test_the_settings_of_tabs_hold_in_every_language(clean: FakePage, visit: Callable[..., Visit], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test-language.json").write_text(json.dumps({"Extras": "Extra", "Settings": "Einstellungen", "img2img": "Bild zu Bild"}))
    monkeypatch.setattr(translations, "_files", lambda _app: iter([tmp_path / "test-language.json"]))
    clean.app.settings.update({"localization": "test-language", "hidden_tabs": ["Extras"], "ui_tab_order": ["Settings", "img2img"]})
    page = visit(clean.url).page
    assert not page.is_visible("#tab_extras-button") and page.inner_text("#tab_settings-button") == "Einstellungen"
    left = [page.locator(f"#tab_{name}-button").bounding_box()["x"] for name in ("settings", "img2img", "txt2img")]  # type: ignore[index]
    assert left == sorted(left)
    offered = page.eval_on_selector_all("#setting_hidden_tabs option", "all => all.map((each) => each.value)")
    assert {"Extras", "Settings", "img2img"} <= set(offered)


def test_the_page_speaks_another_language(
    clean: FakePage, visit: Callable[..., Visit], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {"Generate": "Erzeugen", "Sampling steps": "Schritte", "Hires steps": "Schritte", "Seed": "Startwert", "Negative prompt": "Negativ", "Random seed: sets it to -1": "Zufall", "Edit metadata": "Bearbeiten", "DPM++ 2M": "X", "rtl": True}
    file = tmp_path / "test-language.json"
    file.write_text(json.dumps(texts))
    monkeypatch.setattr(translations, "_files", lambda _app: iter([file]))
    clean.app.settings.set("localization", "test-language")
    page = visit(clean.url).page
    assert page.inner_text("#txt2img_generate") == "Erzeugen"
    assert page.get_attribute("#txt2img_neg_prompt textarea", "placeholder") == "Negativ"
    assert page.get_attribute("#txt2img_random_seed", "title") == "Zufall"
    assert page.evaluate("document.documentElement.dir") == "rtl"
    page.wait_for_function("Array.from(document.querySelectorAll('#txt2img_seed span')).some((each) => each.textContent.trim() === 'Startwert' && each.title.includes('same seed'))")
    page.wait_for_function("document.querySelector('#txt2img_estimate')")
    direction = "(selector) => getComputedStyle(document.querySelector(selector)).direction"
    page.evaluate("document.querySelector('#tab_settings-button').click()")
    page.wait_for_selector("#settings .settings-sections button", state="visible")
    assert {page.evaluate(direction, each) for each in ("#txt2img_sampling", "#txt2img_steps span", "#settings")} == {"rtl"}
    assert page.evaluate("getComputedStyle(document.querySelector('#settings .settings-sections button')).textAlign") == "start"
    read_from_left = ("#txt2img_prompt textarea", "#txt2img_steps input[type=number]", "#txt2img_steps input[type=range]", "#txt2img_estimate", "#txt2img_gallery")
    assert {page.evaluate(direction, each) for each in read_from_left} == {"ltr"}, "an estimate of '≈ 2.9 s · 0.8 GB' reads as written"
    page.evaluate("document.querySelector('#tab_txt2img-button').click()")
    page.evaluate("const late = document.createElement('button'); late.textContent = 'Generate'; late.id = 'late'; document.body.append(late)")
    page.wait_for_function("document.getElementById('late').textContent === 'Erzeugen'")
    page.fill("#txt2img_prompt textarea", "Generate")
    assert page.input_value("#txt2img_prompt textarea") == "Generate"


def test_extensions_stay_as_they_are_until_their_table_is_there(clean: FakePage, visit: Callable[..., Visit]) -> None:
    clean.app.settings.set("disabled_extensions", ["one of mine"])
    try:
        page = visit(clean.url).page
        assert page.evaluate("webui.extensionsSwitchedOff()") == '["one of mine"]'
        colour = "document.querySelector('{}').computedStyleMap().get('color').toString()"
        assert page.evaluate(colour.format("#settings a.dialog-button")) == page.evaluate(colour.format("#ui_defaults_view"))
    finally:
        clean.app.settings.set("disabled_extensions", [])
