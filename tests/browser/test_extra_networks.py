"""Cards beside "Generation": written into the prompt and taken out, edited, and only as many in the page as are in sight."""
from __future__ import annotations

import json

import pytest

from tests.application.test_network_pages import network
from tests.browser.conftest import FakePage, Visit

MANY = 450


@pytest.fixture(scope="module")
def many_loras(_fake_page: FakePage) -> None:
    folder = _fake_page.app.catalogue.roots.loras[0].folder
    for number in range(MANY):
        network(folder / f"part{number // 100}" / f"net_{number:04}.safetensors")
    _fake_page.app.catalogue.refresh()


@pytest.fixture
def cards_page(many_loras: None, open_visit: Visit) -> Visit:
    open_visit.page.click("#txt2img_lora-button")
    open_visit.page.wait_for_selector("#txt2img_lora_cards .card .name")
    return open_visit


def test_a_card_is_written_into_the_prompt_and_taken_out_again(cards_page: Visit) -> None:
    page = cards_page.page
    first, second = (page.locator("#txt2img_lora_cards .card").nth(number) for number in (0, 1))
    cards_page.set("txt2img_prompt", "a cat")
    first.click()
    second.click()
    assert cards_page.value("txt2img_prompt") == "a cat <lora:net_0000:1> <lora:net_0001:1>"
    cards_page.set("txt2img_prompt", "a cat <lora:net_0000:0.35> <lora:net_0001:1>")
    first.click()  # whatever its weight
    assert cards_page.value("txt2img_prompt") == "a cat <lora:net_0001:1>"
    second.click()
    assert cards_page.value("txt2img_prompt") == "a cat"


def test_thousands_of_cards_scroll_with_a_screenful_in_the_page(cards_page: Visit) -> None:
    page = cards_page.page
    assert page.locator("#txt2img_lora_extra_count").inner_text() == f"{MANY} cards"
    page.evaluate("const cards = document.getElementById('txt2img_lora_cards'); cards.scrollTop = cards.scrollHeight")
    page.wait_for_selector(f"#txt2img_lora_cards .card[data-name=net_{MANY - 1:04}]")
    assert page.locator("#txt2img_lora_cards .card").count() < 150
    page.fill("#txt2img_lora_extra_search", "0123")
    page.wait_for_function("document.querySelectorAll('#txt2img_lora_cards .card').length === 1")
    page.fill("#txt2img_lora_extra_search", "")
    page.click("#txt2img_lora_dirs button[data-folder=part4]")
    page.wait_for_function("document.getElementById('txt2img_lora_extra_count').textContent === '50 cards'")
    page.click("#txt2img_lora_dirs button[data-folder=part4]")      # again: all of them
    page.wait_for_function(f"document.getElementById('txt2img_lora_extra_count').textContent === '{MANY} cards'")


def test_what_is_written_in_the_dialog_is_kept(cards_page: Visit, fake_page: FakePage) -> None:
    page = cards_page.page
    sidecar = fake_page.app.catalogue.roots.loras[0].folder / "part0" / "net_0002.json"
    sidecar.write_text('{"modelId": 5}')
    card = page.locator("#txt2img_lora_cards .card").nth(2)
    digits = fake_page.app.loras.short_hash(next(file for file in fake_page.app.catalogue.loras() if file.stem == "net_0002"))    # as if it had been used
    card.hover()
    card.locator(".edit-button").click()
    page.wait_for_selector("dialog[open]")
    above, below = page.evaluate("(({top, bottom}) => [top, innerHeight - bottom])(document.querySelector('dialog[open]').getBoundingClientRect())")
    assert above == pytest.approx(below, abs=1) and below > 5, "in the middle, not at the lower edge"
    assert f"Hash\n{digits}" in page.inner_text("dialog .file-metadata")
    page.fill("dialog [name=activation_text]", "glowing")
    page.fill("dialog [name=preferred_weight]", "0.6")
    page.fill("dialog [name=negative_text]", "bad hands")
    page.fill("dialog [name=description]", "<i>my words</i>")
    page.click("dialog button[type=submit]")
    page.wait_for_selector("dialog", state="detached")
    assert json.loads(sidecar.read_text())["modelId"] == 5
    assert page.locator("#txt2img_lora_cards .card").nth(2).locator(".description").inner_text() == "<i>my words</i>"
    page.fill("#txt2img_lora_extra_search", "my words")
    page.wait_for_function("document.querySelectorAll('#txt2img_lora_cards .card').length === 1")
    card = page.locator("#txt2img_lora_cards .card")
    cards_page.set("txt2img_neg_prompt", "ugly")
    card.click()
    assert cards_page.value("txt2img_prompt").endswith("<lora:net_0002:0.6> glowing")
    assert cards_page.value("txt2img_neg_prompt") == "ugly (bad hands:1)"
    for negative in ("ugly (bad hands:1)", "ugly (bad hands:1.3)", "ugly bad hands"):
        cards_page.set("txt2img_neg_prompt", negative)
        card.click()
        assert cards_page.value("txt2img_neg_prompt") == "ugly"
        card.click()
    card.click()
    page.fill("#txt2img_lora_extra_search", "")
    page.wait_for_function(f"document.getElementById('txt2img_lora_extra_count').textContent === '{MANY} cards'")


def test_what_a_lora_was_trained_with_is_clicked_into_its_activation_text(cards_page: Visit, fake_page: FakePage) -> None:
    page = cards_page.page
    network(fake_page.app.catalogue.roots.loras[0].folder / "part0" / "net_0003.safetensors", ss_tag_frequency='{"1_a": {"red hat (s)": 7, "<b>x</b>": 2}}', ss_sd_model_name="<i>base</i>")
    card = page.locator("#txt2img_lora_cards .card").nth(3)
    card.hover()
    card.locator(".edit-button").click()
    page.wait_for_selector("dialog .training-tags button")
    page.fill("dialog [name=activation_text]", "glowing")
    assert "<i>base</i>" in page.locator("dialog .card-head dd").all_inner_texts(), "how it was trained"
    for _ in range(2):
        drawn = page.input_value("dialog .random-prompt")
        assert "red hat \\(s\\)" in drawn.split(", "), "the most frequent tag always"
        page.get_by_role("button", name="Generate", exact=True).locator("visible=true").last.click()
    for tag in ("red hat", "<b>x</b>", "red hat"):
        page.get_by_role("button", name=tag).click()
    assert page.input_value("dialog [name=activation_text]") == "glowing, <b>x</b>"
    assert page.locator("dialog .training-tags [aria-pressed=true]").all_inner_texts() == ["<b>x</b>"]
    page.mouse.click(5, 5)
    assert page.input_value("dialog [name=activation_text]") == "glowing, <b>x</b>", "a click beside the dialog does not throw away what was typed"
    page.click("dialog .dialog-close")
    page.wait_for_selector("dialog", state="detached")


def test_an_empty_page_says_where_files_belong(cards_page: Visit, fake_page: FakePage) -> None:
    page = cards_page.page
    page.click("#txt2img_textual_inversion-button")
    page.wait_for_selector("#txt2img_textual_inversion_cards .nocards", state="visible")
    assert str(fake_page.app.catalogue.roots.embeddings[0].folder) in page.inner_text("#txt2img_textual_inversion_cards .nocards")


def test_a_checkpoints_card_chooses_it_and_what_it_asks_for_is_offered(cards_page: Visit, fake_page: FakePage) -> None:
    page = cards_page.page
    page.click("#txt2img_checkpoints-button")
    page.click("#txt2img_checkpoints_cards .card[data-name=second]")
    page.wait_for_function("(opts.sd_model_checkpoint || '').startsWith('second')")
    assert page.locator("#setting_sd_model_checkpoint input").input_value().startswith("second")
    card = page.locator("#txt2img_checkpoints_cards .card[data-name=first]")
    card.hover()
    card.locator(".edit-button").click()
    page.select_option("dialog [name=sampler_name]", "DDIM")
    page.fill("dialog [name=steps]", "11")
    page.click("dialog button[type=submit]")
    page.wait_for_selector("dialog", state="detached")
    card.click()
    bar = page.wait_for_selector("#checkpoint_wishes_bar")
    assert bar is not None and "Sampling method: DDIM, Steps: 11" in bar.inner_text()
    page.click("#checkpoint_wishes_bar button:has-text('Apply')")
    page.wait_for_function("webui.field('txt2img_steps').value === '11' && webui.field('img2img_sampling').value === 'DDIM'")
    page.click("#txt2img_checkpoints_cards .card[data-name=second]")
    page.click("#checkpoint_wishes_bar button:has-text('Apply')")          # what was there before
    page.wait_for_function("webui.field('txt2img_steps').value === '20'")
    fake_page.app.settings.set("sd_model_checkpoint", None)


def test_a_model_is_downloaded_from_the_page(cards_page: Visit, fake_page: FakePage) -> None:
    """What is wrong with the address is said; a file that cannot come is listed with its reason."""
    page = cards_page.page
    page.click("#txt2img_lora_extra_download")
    dialog = page.locator("dialog.webui-dialog:has(.download-form)")
    assert dialog.locator("select").input_value() == "lora"
    dialog.locator("[name=source]").fill("just words")
    dialog.get_by_role("button", name="Download", exact=True).click()
    page.wait_for_function("document.body.innerText.includes('neither an address nor a file on the hub')")
    dialog.locator("[name=source]").fill("http://127.0.0.1:9/some.safetensors")
    dialog.get_by_role("button", name="Download", exact=True).click()
    dialog.locator(".download.failed").wait_for()
    assert "from which nothing is fetched" in dialog.locator(".download-message").inner_text()
    page.keyboard.press("Escape")
    assert not (fake_page.app.downloads.folders["lora"] / "some.safetensors").exists()


def test_the_tree_has_files_as_leaves_that_do_what_cards_do(cards_page: Visit, fake_page: FakePage) -> None:
    """In place of the row of folders, as with the setting "Directory view of cards": Tree."""
    page = cards_page.page
    page.evaluate("""const pane = webui.networks.pane("txt2img", "lora");
        pane.pane.classList.replace("dirs", "tree");
        pane.folders.className = "extra-network-folders extra-network-tree";
        webui.LEAVES = 60;
        pane.tree = new webui.NetworkTree(pane, pane.folders);
        pane.reload();""")
    tree = page.locator("#txt2img_lora_pane .extra-network-tree")
    folder, leaves = tree.locator("button[data-folder=part1]"), tree.locator("details[data-folder=part1] .tree-file")
    folder.click()
    tree.locator(".tree-more", has_text="40 more").click()
    leaves.nth(99).wait_for()
    page.wait_for_function("document.getElementById('txt2img_lora_extra_count').textContent === '100 cards'")
    cards_page.set("txt2img_prompt", "a cat")
    leaves.first.locator("span").click()
    assert cards_page.value("txt2img_prompt") == "a cat <lora:net_0100:1>"
    leaves.first.locator("span").click()
    assert cards_page.value("txt2img_prompt") == "a cat"
    leaves.first.hover()
    leaves.first.locator(".edit-button").click()
    page.fill("dialog [name=activation_text]", "shining")
    page.click("dialog button[type=submit]")
    page.wait_for_selector("dialog", state="detached")
    leaves.first.locator("span").click()
    assert cards_page.value("txt2img_prompt") == "a cat <lora:net_0100:1> shining"
    folder.click()                                                  # the chosen one: closed, and all cards again
    page.wait_for_function(f"document.getElementById('txt2img_lora_extra_count').textContent === '{MANY} cards'")
    assert leaves.first.is_hidden()
