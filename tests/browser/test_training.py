"""The Train tab as a person uses it, with the server that users start."""
from __future__ import annotations

from pathlib import Path

from PIL import Image

from modules.loading.embeddings import load_embedding
from tests.browser.conftest import RealServer, Visit

SECONDS = 60_000
ENDED = "document.querySelector('#ti_output textarea').value.startsWith('Training finished at 4 steps')"


def test_an_embedding_is_created_trained_and_chosen_by_its_name(real_server: RealServer, open_real_visit: Visit, tmp_path: Path) -> None:
    for colour in ("red", "green"):
        Image.new("RGB", (64, 64), colour).save(tmp_path / f"{colour} wall.png")
    page = open_real_visit.page
    page.click("#tab_train-button")
    page.click("#train_create_embedding")
    page.wait_for_selector("#ti_error .error")
    page.fill("#train_new_embedding_name textarea, #train_new_embedding_name input", "browser-word")
    page.click("#train_create_embedding")
    page.wait_for_function("document.querySelector('#ti_output textarea').value.startsWith('Created: ')", timeout=SECONDS)
    page.click("#train_train_tab-button")
    assert page.input_value("#train_embedding input") == "browser-word", "what was just created is chosen"
    page.click("#train_train_embedding")
    page.wait_for_selector(".webui-toast.error")
    page.fill("#train_dataset_directory textarea, #train_dataset_directory input", str(tmp_path))
    for name, value in {"steps": 4, "create_image_every": 4, "save_embedding_every": 2, "training_width": 64, "training_height": 64}.items():
        page.fill(f"#train_{name} input[type=number]", str(value))
        page.keyboard.press("Tab")
    page.check("#train_preview_from_txt2img input")
    page.click("#tab_txt2img-button")
    page.fill("#txt2img_prompt textarea", "browser-word at night")
    for name, value in {"steps": 2, "width": 72, "height": 64}.items():
        page.fill(f"#txt2img_{name} input[type=number]", str(value))
        page.keyboard.press("Tab")
    page.click("#tab_train-button")
    page.click("#train_train_embedding")
    page.wait_for_function(ENDED, timeout=SECONDS)
    page.wait_for_selector("#ti_gallery img")
    assert page.locator(".webui-toast.error").count() == 0 and page.is_enabled("#train_train_embedding")
    assert load_embedding(real_server.folder / "embeddings" / "browser-word.pt").step == 4      # type: ignore[union-attr]
    (drawn,) = (real_server.folder / "textual_inversion").glob("*/browser-word/images/*.png")
    with Image.open(drawn) as picture:
        assert picture.size == (72, 64) and picture.text["parameters"].startswith("browser-word at night")      # type: ignore[attr-defined]
