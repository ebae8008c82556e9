"""Extensions on the real page: a good one with all its parts, and beside it one for each way to misbehave."""
from __future__ import annotations

import base64
import io
import json
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests.browser.conftest import RealServer, Visit, kept_open, started_server, taken_up

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FIXTURES = Path(__file__).parents[1] / "extensions"
BAD = ("bad-raises", "bad-exits", "bad-syntax", "bad-imports", "bad-hooks", "bad-preload", "bad-metadata", "bad-patches", "needs")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    folder = tmp_path_factory.mktemp("extensions-server")
    for name in ("hooks", "sampling", *BAD):
        shutil.copytree(FIXTURES / name, folder / "extensions" / name)
    with started_server(folder, "--hooks-on") as server:
        yield server


@pytest.fixture(scope="module")
def _shown(chromium: Browser, server: RealServer) -> Iterator[Visit]:
    with kept_open(chromium, server.url) as browser:
        yield browser


@pytest.fixture
def shown(_shown: Visit) -> Iterator[Visit]:
    """Its page, open as long as this file's tests run: with so many extensions opening it takes seconds."""
    yield from taken_up(_shown)


def asked(server: RealServer, path: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(server.url + path, timeout=120) as answer:
        return json.load(answer)


def test_an_extension_has_its_tab_scripts_styles_and_events(shown: Visit) -> None:
    page = shown.page
    assert page.evaluate("hooksOrder") == ["a", "b", "loaded, all is there"]
    page.wait_for_function("window.hooksModule === true")
    page.click("#tab_hooks-button")
    assert page.evaluate("get_uiCurrentTabContent().id") == "tab_hooks"
    assert page.locator("#hooks_field").evaluate("(field) => getComputedStyle(field).outlineColor") == "rgb(1, 2, 3)"
    assert page.locator("#hooks_bridge").count() == 1 and not page.locator("#hooks_bridge").is_visible()
    assert not page.locator("#hooks_inside").is_visible()
    assert page.locator("#hooks_interrupting").count() == 1 and not page.locator("#hooks_interrupting").is_visible()  # Deforum's, always in sight
    for words in ("a slider's tooltip", "a nameless button's tooltip"):
        assert page.locator(f'#tab_hooks [title="{words}"]').is_visible()
    page.fill("#hooks_field > label > textarea", "hello")
    page.click("#hooks_button")
    page.wait_for_function("document.querySelector('#hooks_field textarea').value === 'hello!NoneFalse'")
    tabs = page.locator("#hooks_tabs > .tab-wrapper .tab-nav > button")
    assert tabs.all_inner_texts() == ["one", "two", "three"]  # though something else stands before them
    assert page.evaluate("getComputedStyle(hooks_row_one).display") == "none"
    tabs.last.click()
    page.wait_for_function("[...hooks_tabs.querySelectorAll('.tabitem')].map((each) => each.style.display).join() === 'none,none,block'")
    page.locator("#hooks_row_three").wait_for(state="visible")  # the button has shown it
    assert page.evaluate("opts.hooks_words") == "some"


def test_what_an_extension_does_when_its_page_is_loaded_finds_what_stands_in_folds_and_tabs(shown: Visit) -> None:
    """Panorama Tools draws on canvases in its tabs: it looked for them before they were there, and its previews stayed empty."""
    assert shown.page.evaluate("hooksAtLoad") == [True, True, True]


def test_an_extension_that_asks_which_of_its_tabs_is_chosen_is_told_the_one_that_shows(shown: Visit) -> None:
    """Model Converter took the last of its tabs for the chosen one, whose folder was empty: the page opens each once, unseen."""
    page = shown.page
    page.wait_for_function("document.querySelector('#hooks_told_tab textarea').value === document.querySelector('#hooks_tabs .tab-nav button.selected').innerText")
    assert page.input_value("#hooks_told_tab textarea") in ("one", "three")     # the first, unless another test has chosen the last


def test_pictures_of_a_gallery_stand_beside_each_other_and_a_table_without_headings_is_seen(shown: Visit) -> None:
    page = shown.page
    page.click("#tab_hooks-button")
    page.locator("#hooks_gallery .grid-container .thumbnail-item").nth(2).wait_for()
    before = "(button) => { let n = 0; while ((button = button.previous%s)) n += button.matches('.thumbnail-item'); return n; }"
    for way in ("Sibling", "ElementSibling"):  # images-browser tells the clicked picture, which Delete deletes, by what stands before it
        assert page.locator("#hooks_gallery .thumbnail-item").evaluate_all(f"(all) => all.map({before % way})") == [0, 1, 2]
    assert page.locator("#hooks_gallery .thumbnail-item").last.evaluate("(last) => last.nextSibling") is None
    page.wait_for_function("document.querySelector('#hooks_table [data-testid=cell-0-1]')?.offsetWidth > 20")


def test_a_gallery_carries_the_number_of_what_is_selected(shown: Visit) -> None:
    """FABRIC's "Like" found no picture: its script sends selected_gallery_index() in the place of the gallery itself."""
    page = shown.page
    page.click("#tab_hooks-button")
    page.click("#hooks_which")
    page.wait_for_function("document.querySelector('#hooks_which_answer textarea').value === '2 of 3'")


def test_a_picture_that_an_extension_s_script_draws_is_shown_and_read(shown: Visit) -> None:
    """Tiled Diffusion's "Create txt2img canvas" showed nothing: its script gives a data URL."""
    page = shown.page
    page.click("#tab_hooks-button")
    page.click("#hooks_draw")
    page.wait_for_function("document.querySelector('#hooks_drawn img')?.naturalWidth === 11")
    page.wait_for_function("document.querySelector('#hooks_which_answer textarea').value === '(11, 7)'")


def test_choices_in_the_page_s_description_do_as_texts(shown: Visit) -> None:
    """enable-checker looks for "None" among them; an error at every click told it that they are pairs."""
    found = shown.page.evaluate("""() => window.gradio_config.components.find((each) => each.props.elem_id === "hooks_chosen").props.choices
        .map((choice) => [choice.toLowerCase() === choice[0], choice == choice[0], `${choice}`, choice.includes("a"), [...choice].length])""")
    assert found == [[True, True, "a", True, 2], [True, True, "b", False, 2]]


CALM = """() => {
    if (get_uiCurrentTabContent().id !== "tab_txt2img") {        // a button's second switch of the tab came late
        webui.showTab("tab_txt2img");
        window.calmSince = performance.now();
    }
    return performance.now() - window.calmSince > 700;
}"""


@pytest.mark.parametrize(("goal", "canvas", "tab"), [("img2img", "img2img_image", "img2img"), ("inpaint", "img2maskimg", "img2img"), ("extras", "extras_image", "extras")])
def test_a_send_button_of_an_extension_takes_the_picture_along(shown: Visit, goal: str, canvas: str, tab: str) -> None:
    """infinite-image-browsing's "Send to img2img" filled the prompt and left the picture behind."""
    page = shown.page
    page.click("#tab_hooks-button")
    page.click(f"#hooks_to_{goal}")
    page.wait_for_function("(id) => String(webui.canvases[id].size) === '40,24'", arg=canvas, timeout=5000)
    page.wait_for_function("(tab) => get_uiCurrentTabContent().id === `tab_${tab}`", arg=tab)
    if tab == "img2img":
        page.wait_for_function("document.querySelector('#img2img_prompt textarea').value === 'a sent cat'")
    page.evaluate("() => { switch_to_img2img_tab(0); webui.showTab('tab_txt2img'); window.calmSince = performance.now(); }")      # where the other tests expect the page
    page.wait_for_function(CALM)


def test_the_output_panel_of_an_extension_saves_packs_and_sends_what_is_chosen_there(shown: Visit) -> None:
    """It had no Save and no Zip, and its Send buttons took the first picture."""
    page = shown.page
    page.click("#tab_hooks-button")
    page.click("#save_hooks_panel")
    page.locator("#html_log_hooks_panel").get_by_text("There is no picture to save yet").wait_for()
    page.click("#hooks_fill")
    page.locator("#hooks_panel_gallery .thumbnail-item").nth(1).click()
    page.locator("#hooks_panel_gallery .thumbnail-small.selected").wait_for()
    page.click("#save_hooks_panel")
    page.locator("#html_log_hooks_panel").get_by_text("-8.png").wait_for()
    page.click("#save_zip_hooks_panel")
    page.locator("#html_log_hooks_panel").get_by_text("Saved 2 pictures").wait_for()
    assert "".join(page.inner_text("#download_files_hooks_panel").split()).count(".zip") == 1
    page.click("#hooks_panel_send_to_img2img")
    page.wait_for_function("String(webui.canvases.img2img_image.size) === '32,16'", timeout=5000)
    page.evaluate("() => { switch_to_img2img_tab(0); webui.showTab('tab_txt2img'); }")


def test_what_extensions_take_for_the_sign_of_a_complete_page_comes_when_it_is_complete(shown: Visit) -> None:
    page = shown.page
    page.wait_for_function("hooksSigns.length > 3")
    assert sorted(page.evaluate("hooksSigns")) == ["frame IFRAME: ", "looked inside: ", "options some: ", "polled: "]
    assert page.locator("#settings_json").count() == 1 and not page.locator("#settings_json").is_visible()


def test_an_extensions_own_page_runs_in_a_frame_on_its_tab(shown: Visit) -> None:
    """openOutpaint and Panorama Viewer are such pages; they call the API, so that they have to be pages of this server."""
    assert shown.page.evaluate("""async () => {
        const frame = document.createElement("iframe");
        frame.src = "file=extensions/hooks/own_page.html";
        document.body.append(frame);
        await new Promise((done) => frame.addEventListener("load", done));
        const words = frame.contentDocument?.body.dataset.words;
        frame.remove();
        return words;
    }""") == "the script ran"


def test_the_tab_that_is_shown_is_found_as_in_gradio_3(shown: Visit) -> None:
    """QR Toolkit and openOutpaint look for the chosen picture below it."""
    assert shown.page.evaluate("""() => Array.from(document.querySelectorAll('[style="display: block;"].tabitem'), (each) => each.id)""")[0] == "tab_txt2img"


def test_the_head_of_a_box_with_a_checkbox_is_found_as_in_a1111(shown: Visit) -> None:
    """Enable Checker colours it; it failed at each click on the page."""
    heads = "(all) => all.map((each) => { const head = each.querySelector('div.label-wrap'); return [head.innerText.trim(), head.querySelector('input[type=checkbox]').checked]; })"
    assert shown.page.locator("#txt2img_accordions > .input-accordion").evaluate_all(heads) == [["Hires. fix", False], ["Refiner", False]]


def test_a_fold_s_checkbox_answers_to_a1111s_names(shown: Visit) -> None:
    """Input Accordion Highlight marks what is :checked, State Manager and others click #...-visible-checkbox."""
    state = "() => [document.querySelector('#txt2img_hr.input-accordion-open:has(.input-accordion-checkbox:checked)') !== null, webui.find('#txt2img_hr').visibleCheckbox.checked]"
    for act in ("webui.find('#txt2img_hr-visible-checkbox').click()", "webui.find('#txt2img_hr').onChecked(true)"):
        shown.page.evaluate(act)
        shown.page.wait_for_function(f"({state})().every((each) => each)")
        shown.page.wait_for_selector("#txt2img_hr-extra", state="visible")
        shown.page.evaluate("inputAccordionChecked('txt2img_hr', false)")
        shown.page.wait_for_selector("#txt2img_hr-extra", state="hidden")
        assert shown.page.evaluate(state) == [False, False]


def test_a_fold_with_a_checkbox_that_an_extension_brings_shows_what_a_pasted_picture_says(shown: Visit) -> None:
    """NegPiP, Regional Prompter and LoRA Block Weight have a box of their own in the fold's head; it stayed empty while they were on."""
    assert shown.page.evaluate("""() => {
        const fold = webui.make("div", {id: "own_fold"});
        document.body.append(fold);
        fold.visibleCheckbox = webui.make("input", {type: "checkbox"});
        inputAccordionChecked("own_fold", true);
        fold.remove();
        inputAccordionChecked("hooks_more", true);
        inputAccordionChecked("nothing_here", true);
        return [fold.visibleCheckbox.checked, document.querySelector("#hooks_more-checkbox input").checked];
    }""") == [True, True]
    shown.page.evaluate("inputAccordionChecked('hooks_more', false)")


def test_labels_and_choices_say_what_they_mean_where_the_mouse_rests(shown: Visit) -> None:
    """Also those that an extension has words for, and those that come late: the list of a dropdown."""
    page = shown.page
    page.evaluate("titles['Hint me'] = 'As you wish', document.body.append(webui.make('button', {id: 'hint_me', text: 'Hint me'}))")
    page.wait_for_selector("#hint_me[title='As you wish']")
    page.evaluate("document.getElementById('hint_me').remove()")
    page.wait_for_selector("#txt2img_cfg_scale span[title*='follows the prompt']")
    page.click("#txt2img_sampling input")
    page.wait_for_selector("li[title*='no effect']:has-text('DPM adaptive')")
    page.keyboard.press("Escape")
    assert page.locator("#resize_mode span[title]").count() == 4


def test_a_column_whose_only_button_is_taken_out_has_a_last_thing_left_to_stand_before(shown: Visit) -> None:
    assert shown.page.evaluate("""() => {
        const button = document.getElementById("txt2img_res_switch_btn"), column = button.parentNode;
        button.remove();
        column.insertBefore(button, column.lastChild.previousElementSibling);
        return [column.firstElementChild.id, column.lastChild.id];
    }""") == ["txt2img_res_switch_btn"] * 2


def test_a_change_of_tabs_is_told_as_a_change_of_the_page(shown: Visit) -> None:
    """Scripts fill their tab when they hear of the page and find it shown: sd-dynamic-prompts' list of wildcards was "Loading..." for good."""
    page = shown.page
    page.evaluate("window.hooksSeen = [], onAfterUiUpdate(() => hooksSeen.push(get_uiCurrentTabContent().id))")
    page.wait_for_timeout(600)  # what the page still has to tell of its start
    for tab in ("hooks", "txt2img"):
        page.click(f"#tab_{tab}-button")
        page.wait_for_function(f"hooksSeen.at(-1) === 'tab_{tab}'", timeout=5000)


def test_folds_of_an_extension_have_an_edge_and_groups_no_grey(shown: Visit) -> None:
    page = shown.page
    page.click("#tab_hooks-button")
    fold = page.locator("#hooks_fold").evaluate("(fold) => [getComputedStyle(fold).borderTopWidth, getComputedStyle(fold).borderTopStyle, parseInt(getComputedStyle(fold).paddingLeft) > 4]")
    assert fold == ["1px", "solid", True]
    colours = page.evaluate("[...document.querySelectorAll('#hooks_group, #hooks_group .styler')].map((each) => getComputedStyle(each).backgroundColor)")
    assert set(colours) == {"rgba(0, 0, 0, 0)"}


def test_styles_and_scripts_find_a_tab_built_as_in_a1111(shown: Visit) -> None:
    """"#tab_txt2img > div" was each part of the tab: a side panel's grid for all of it squeezed the prompts into a column one letter wide."""
    page = shown.page
    box = page.locator("#txt2img_prompt textarea").bounding_box()
    assert box and box["width"] > 600 and box["height"] < 100
    assert page.evaluate("document.getElementById('txt2img_settings').parentNode.parentNode.parentNode.id") == "txt2img_generation"
    page.click("#txt2img_lora-button")
    page.click("#txt2img_generation-button")
    assert page.evaluate("hooksMoved.slice(-2)") == ["txt2img,txt2img_lora", "txt2img,"]
    assert page.evaluate("get_img2img_tab_index(7, 'a', 8, 9)") == [0, "a"]
    assert page.evaluate("localSet('hooks', 'kept'), [localGet('hooks'), localRemove('hooks'), localGet('hooks', 'none')]") == ["kept", None, "none"]


def test_its_routes_flags_and_settings_are_there(server: RealServer) -> None:
    found = asked(server, "hooks/hello")
    assert found["flag"] is True and found["dir"].endswith("hooks") and found["setting"] == "some"
    assert asked(server, "sdapi/v1/options")["hooks_choice"] == "b"


def test_the_fields_of_the_page_are_found_by_their_key_in_ui_config(server: RealServer, shown: Visit) -> None:
    page = shown.page
    fields = asked(server, "hooks/fields")
    known = {"customscript/sampler.py/txt2img/Sampling steps/value": "txt2img_steps", "img2img/Denoising strength/value": "img2img_denoising_strength", "hooks/Field/value": "hooks_field"}
    for key, elem_id in known.items():
        assert page.evaluate("(id) => gradio_config.components.find((each) => each.id === id).props.elem_id", fields[key][0]) == elem_id
    assert fields["customscript/sampler.py/txt2img/Sampling steps/value"][1] == 20
    assert "customscript/prompt_matrix.py/txt2img/Grid margins (px)/value" in fields


def test_its_button_stands_beside_each_tabs_paste_in_the_row_of_tools(shown: Visit) -> None:
    page = shown.page
    row = """(tab) => { const row = document.querySelector(`#${tab}_tools`), form = row.querySelector('div:first-of-type');
        form.insertBefore(row.querySelector('.hooks-tool'), form.firstChild);
        return [...form.children].map((each) => each.id).slice(1, 3); }"""
    assert page.evaluate(row, "txt2img") == ["paste", "txt2img_clear_prompt"]
    assert page.evaluate(row, "img2img") == ["img2img_paste", "img2img_clear_prompt"]
    layout = page.evaluate("[getComputedStyle(img2img_tools).columnGap, getComputedStyle(img2img_tools.querySelector('.form')).display]")
    assert layout == ["4px", "contents"]        # else its six stand in two rows


def test_buttons_of_an_extension_s_own_tab_swap_sides_and_forget_the_seed(shown: Visit) -> None:
    page = shown.page
    shown.set("txt2img_width", 128)
    shown.set("txt2img_seed", 5)
    page.evaluate("[switchWidthHeight('txt2img'), setRandomSeed('txt2img_seed')]")
    assert page.evaluate("['width', 'height', 'seed'].map((name) => webui.field(`txt2img_${name}`).value)")[1:] == ["128", "-1"]
    page.evaluate("switchWidthHeight('txt2img')")


def test_generate_works_whatever_an_extension_makes_of_submit(shown: Visit) -> None:
    """One that is async made Generate do nothing, and so did one that failed, without a word."""
    for theirs in ("async (...values) => original(...values)", "async () => null.hash", "(...values) => values", "(...values) => { original(...values); }"):
        shown.page.evaluate(f"() => {{ const original = webui.replaced.submit; submit = {theirs}; }}")
        shown.generate(f"a red circle {theirs}", steps=1, width=64, height=64)
        shown.wait_idle()
        assert shown.infotext().startswith("a red circle")
        told = shown.page.locator(".webui-toast:has-text('replaced submit')").count()
        assert told == (0 if theirs.endswith("original(...values)") else 1), theirs
        shown.clear_toasts()
    shown.page.evaluate("() => { submit = webui.replaced.submit; }")


@pytest.mark.group("R14")
def test_bad_ones_are_named_and_stop_nothing(server: RealServer, shown: Visit) -> None:
    notice = shown.page.locator("#webui_notices").inner_text()
    for name in BAD:
        assert name in server.log(), name
        assert name in notice, name
    assert "loaded although something is missing" in server.log()      # as in A1111, which tells of it
    assert shown.page.locator("#tab_bad_tab").count() == 0
    shown.generate("a red circle", steps=2, width=64, height=64)
    shown.wait_idle()
    assert shown.page.locator("#txt2img_gallery img").count() > 0


def test_the_box_above_the_extensions_ticks_them_all(shown: Visit) -> None:
    page = shown.page
    ticked = lambda: set(page.evaluate("Array.from(document.querySelectorAll('#extensions input[data-name]'), (box) => box.checked)"))
    page.click("#tab_extensions-button")
    page.wait_for_function("document.querySelector('#extensions_all')?.checked")
    page.click("#extensions_all")
    assert ticked() == {False}
    page.locator("#extensions input[data-name]").first.check()
    assert page.evaluate("document.querySelector('#extensions_all').indeterminate")
    page.click("#extensions_all")
    assert ticked() == {True}
    page.click("#tab_txt2img-button")


def drawn(server: RealServer, which: str) -> tuple[str, str]:
    """(the picture, its text) with the fixture ``sampling`` told to change something, or nothing."""
    body = {"prompt": "a house", "steps": 3, "width": 64, "height": 64, "seed": 1, "sampler_name": "DPM++ 2M", "alwayson_scripts": {"sampling": {"args": [which]}}}
    request = urllib.request.Request(server.url + "sdapi/v1/txt2img", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120) as answer:
        found = json.load(answer)
    return found["images"][0], json.loads(found["info"])["infotexts"][0]


def pixels(picture: str) -> bytes:
    return Image.open(io.BytesIO(base64.b64decode(picture))).tobytes()


def test_what_is_done_to_the_denoiser_and_the_sampler_shows_in_the_picture(server: RealServer) -> None:
    plain = drawn(server, "")[0]
    changed = {which: drawn(server, which) for which in ("sigma", "x", "denoised")}
    assert all("Seen: 3" in text for _, text in changed.values())
    assert len({pixels(plain), *(pixels(picture) for picture, _ in changed.values())}) == 4, "each changes the picture, and otherwise"
    assert pixels(drawn(server, "")[0]) == pixels(plain)


def test_a_script_sees_its_folder_and_its_settings_hold_for_its_own_job(server: RealServer) -> None:
    assert "Folder: True" in drawn(server, "folder")[1]
    before = len(server.pictures())
    drawn(server, "quietly")
    assert len(server.pictures()) == before


def test_late_settings_and_models_of_pydantic_1_are_taken(server: RealServer) -> None:
    assert asked(server, "sdapi/v1/options")["sampling_late"] == "wished"
    assert asked(server, "sampling/answer") == {"title": "some", "words": None}


def test_an_extension_draws_through_the_api_object(server: RealServer) -> None:
    found = asked(server, "sampling/drawn")
    assert found["page"] is True and json.loads(found["info"])["infotexts"][0].startswith("a house")


def test_a_picture_of_a_gallery_is_dropped_on_gradio_s_own_picture_field(shown: Visit) -> None:
    page = shown.page
    page.click("#tab_hooks-button")
    source = page.locator("#hooks_gallery img").first.get_attribute("src")
    page.click("#tab_pnginfo-button")
    page.wait_for_selector("#pnginfo_image input[type=file]", state="attached")
    taken = page.evaluate("""(address) => ["dragover", "drop"].map((kind) => {
        const given = new DataTransfer();
        given.setData("text/uri-list", address);
        return !document.querySelector("#pnginfo_image").dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: given}));
    })""", source)
    assert taken == [True, True]
    page.wait_for_function("document.querySelector('#pnginfo_image img')?.naturalWidth === 8")
    page.click("#pnginfo_image button[aria-label*=emove]")


def test_a_picture_field_of_an_extension_is_zoomed_and_fitted_as_by_canvas_zoom(shown: Visit) -> None:
    page = shown.page
    page.click("#tab_hooks-button")
    page.evaluate("applyZoomAndPanIntegration('#tab_hooks', ['#hooks_drawn', '#not_there'])")
    page.evaluate("applyZoomAndPan('#hooks_drawn')")        # once is enough
    width = "document.querySelector('#hooks_drawn').getBoundingClientRect().width"
    page.hover("#hooks_drawn")              # waits until it stands still
    before = page.evaluate(width)
    page.keyboard.down("Alt")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Alt")
    page.wait_for_function(f"Math.abs({width} / {before} - 1.15) < 0.01")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("r")
    page.wait_for_function(f"{width} === {before}")


def test_functions_of_extensions_are_called_when_cards_were_read_anew(shown: Visit) -> None:
    page = shown.page
    page.click("#tab_txt2img-button")
    page.locator("#txt2img_extra_tabs").get_by_role("tab", name="Lora", exact=True).click()
    page.wait_for_selector("#txt2img_lora_extra_refresh")
    page.evaluate("extraNetworksApplyFilter.txt2img_lora = () => { window.hooksFiltered = true; }")
    page.evaluate("extraNetworksControlRefreshOnClick(null, 'txt2img', 'lora')")
    page.wait_for_function("window.hooksFiltered")
    page.evaluate("delete extraNetworksApplyFilter.txt2img_lora")


def test_what_an_extension_lays_over_the_prompt_is_seen(shown: Visit) -> None:
    """PromptsBrowser has a row of buttons there, half of which lay behind the field."""
    assert shown.page.evaluate("""() => {
        const button = document.createElement('button'), row = document.getElementById('txt2img_prompt_row');
        button.textContent = 'Styles'; button.style = 'position: absolute; top: 5px; left: 50px; min-width: 0; width: 60px; height: 20px';
        row.append(button);
        const box = button.getBoundingClientRect(), seen = document.elementFromPoint(box.left + 30, box.top + 10) === button;
        button.remove();
        return seen; }""")


def test_a_small_button_that_gets_words_is_as_wide_as_they_need(shown: Visit) -> None:
    """Boomer writes "Send to inpaint" on it and takes its class away: the words stood across their neighbours."""
    fits = """(id) => { const button = document.getElementById(id), [before, words] = [button.offsetWidth, button.textContent];
        button.textContent = 'Send to inpaint'; button.classList.remove('tool');
        const fits = before < 50 && button.scrollWidth <= button.clientWidth && button.offsetHeight < 50;
        button.textContent = words; button.classList.add('tool');
        return fits; }"""
    for elem_id in ("txt2img_send_to_inpaint", "save_txt2img"):
        assert shown.page.evaluate(fits, elem_id)


def test_its_settings_stand_on_the_settings_page(server: RealServer, visit: Callable[..., Visit]) -> None:
    """The last one here: the page that is kept is an old one afterwards, and loads itself again."""
    page = visit(server.url).page
    page.click("#tab_settings-button")
    page.click("#settings button[data-section=hooks]")
    assert page.locator("#setting_hooks_words textarea").is_visible()
    assert "(said)" in page.locator("#setting_hooks_words label").inner_text()
    assert page.locator("#refresh_hooks_choice").count() == 1
    chosen = "#setting_hooks_place label.selected > span"       # as Moar Generate's script reads it
    assert page.inner_text(chosen) == "below"
    for gallery in ("window.txt2img_gallery", "img2img_gallery"):       # Photopea asks for the first, others for the name alone
        assert page.evaluate(f"{gallery}?.id") == gallery.removeprefix("window.")
    page.check("#setting_hooks_place input[value=beside]")
    assert page.locator(chosen).all_inner_texts() == ["beside"]
    page.click("#settings_submit")
    page.wait_for_function("opts.hooks_place === 'beside'")
    assert page.evaluate("document.querySelector('#setting_hooks_choice input').value") == "b"      # as Extended Style Saver reads and writes it
    page.evaluate("() => { const field = document.querySelector('#setting_hooks_choice input'); field.value = 'a'; updateInput(field); }")
    assert page.input_value("#setting_hooks_choice select") == "a"
    page.select_option("#setting_hooks_choice select", "b")
    assert page.evaluate("document.querySelector('#setting_hooks_choice input').value") == "b"
    page.click("#setting_hooks_place .setting-reset")
    assert page.locator(chosen).all_inner_texts() == ["below"]
    page.click("#webui_reload")      # Reload UI: extensions see the page that is built anew, and their routes are there once
    page.wait_for_function("!window.webui || !webui.ready")
    page.wait_for_selector("html.webui-ready", state="attached")
    assert asked(server, "hooks/hello")["starts"] == 2
