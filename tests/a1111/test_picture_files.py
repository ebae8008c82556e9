"""A1111's functions for pictures, their names and their noise, as extensions call them."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image, ImageChops

from modules.a1111.infotext_names import get_override_settings
from modules.a1111.noise_names import ImageRNG, get_noise_source_type
from modules.a1111.picture_files import (
    FilenameGenerator,
    GridAnnotation,
    draw_grid_annotations,
    draw_prompt_matrix,
    get_sampler_scheduler_str,
    image_grid,
    save_image,
)
from modules.a1111.process_images import get_fixed_seed
from modules.application.app import App
from modules.compute.noise import ImageNoise, NoiseSpec
from modules.families.flux2 import KLEIN_4B
from modules.gradio_ui.png_info_tab import picture_info
from modules.rest_api.build import add_api


def test_a_name_knows_its_base_the_archive_and_the_schedule_that_automatic_is(a1111: App) -> None:
    p = SimpleNamespace(batch_size=2, n_iter=1, all_seeds=[1, 2], cfg_scale=7, sampler_name="Restart", scheduler="Automatic", batch_index=1)
    names = FilenameGenerator(p, 1, "a cat", Image.new("RGB", (8, 8)), basename="grid")
    assert names.apply("[basename] [cfg] [scheduler]-[batch_number]") == "grid 7 Karras-2"
    assert FilenameGenerator(p, 1, "a cat", Image.new("RGB", (8, 8)), zip=True).apply("[seed]-[batch_number]") == "1"
    assert get_sampler_scheduler_str("Euler a", "Automatic") == "Euler a Automatic" and get_sampler_scheduler_str("DPM++ 2M", "SGM Uniform") == "DPM++ 2M Sgm uniform"


def test_a_sheet_that_no_one_model_drew_is_named_by_the_checkpoint_in_use(a1111: App, tmp_path: Path) -> None:
    chosen = a1111.catalogue.checkpoints()[0]
    a1111.settings.update({"samples_filename_pattern": "[model_name]-[seed]", "sd_model_checkpoint": chosen.title})
    for p in (None, SimpleNamespace(sd_model_name=None), SimpleNamespace(sd_model_name="other")):
        path, _ = save_image(Image.new("RGB", (8, 8)), str(tmp_path / "sheets"), "xyz_grid", 5, "a cat", grid=True, p=p, save_to_dirs=False)
        assert f"-{'other' if p and p.sd_model_name else chosen.path.stem}-5" in Path(path).name


def test_a_picture_is_saved_whatever_an_extension_takes_for_its_seed(a1111: App, tmp_path: Path) -> None:
    """Anti Burn hands over seed and prompt one place too late: no picture of a step was saved."""
    path, _ = save_image(Image.new("RGB", (8, 8)), str(tmp_path / "steps"), 7, "a red/cube", "png", forced_filename="step-1", p=None)  # type: ignore[arg-type]
    assert Path(path).name == "step-1.png"
    path, _ = save_image(Image.new("RGB", (8, 8)), str(tmp_path / "steps"), "", "a red/../cube", "a cat", p=None, save_to_dirs=False)
    assert Path(path).parent == tmp_path / "steps" and "a_red" in Path(path).name
    path, _ = save_image(Image.new("RGB", (8, 8)), str(tmp_path / "steps"), 12, 5.0, "a cat", p=None, save_to_dirs=False)  # type: ignore[arg-type]
    assert Path(path).name.startswith("12") and "-5-" in Path(path).name


@pytest.mark.skipif(os.sep == "\\", reason="there it is what a folder is written with")
def test_folders_of_a_config_json_from_windows_are_the_same_folders_here(a1111: App) -> None:
    """A1111 writes "outputs\\txt2img-images" there, into every config.json."""
    paths = a1111.paths
    assert paths.output_folder("outputs\\txt2img-images") == paths.outputs_dir / "txt2img-images"
    assert paths.is_code_folder(paths.output_folder(".\\extensions\\new"))
    assert paths.output_folder("/mnt/a\\b") == Path("/mnt/a\\b")


def test_a_grid_has_no_more_rows_than_pictures(a1111: App) -> None:
    assert image_grid([Image.new("RGB", (8, 8))] * 2, rows=5).size == (8, 16)


def test_headings_of_a_grid_are_broken_into_lines_and_those_of_what_is_off_struck_through(a1111: App) -> None:
    grid = Image.new("RGB", (128, 64), "#3060ff")
    short, long = ([[GridAnnotation(words)], [GridAnnotation()]] for words in ("a cat", "a very long heading that does not stand in one line"))
    low, high = (draw_grid_annotations(grid, 64, 64, each, [[GridAnnotation()]], 4) for each in (short, long))
    assert low.width == high.width == 132 and 64 < low.height < high.height
    assert low.crop((0, low.height - 64, 64, low.height)).tobytes() == grid.crop((0, 0, 64, 64)).tobytes()
    sheet = draw_prompt_matrix(grid, 64, 64, ["a", "b"])
    struck, plain = (ImageChops.difference(part, Image.new("RGB", part.size, "#999999")).getcolors(99999) or [] for part in (sheet.crop((0, 0, 64, sheet.height - 64)), sheet.crop((64, 0, 128, sheet.height - 64))))
    assert any(colour == (0, 0, 0) for _, colour in struck) and not any(colour == (0, 0, 0) for _, colour in plain)


def test_variation_seeds_that_are_missing_are_zero(a1111: App) -> None:
    missing, said = (ImageRNG((4, 8, 8), [1, 2], subseeds, 0.5).next() for subseeds in ([7], [7, 0]))
    assert missing.equal(said)


def test_noise_for_flux2_is_drawn_as_the_engine_draws_it(a1111: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(a1111.checkpoints), "components", property(lambda _: SimpleNamespace(family=KLEIN_4B)))
    engine, plain = (ImageNoise(NoiseSpec(shape=(32, 8, 8), seeds=(7,), variation_seeds=(7,), source=get_noise_source_type(), by_patches=patched)).first() for patched in (True, False))
    assert ImageRNG((32, 8, 8), [7]).next().equal(engine) and not engine.equal(plain)
    assert ImageRNG((4, 8, 8), [7]).next().shape == (1, 4, 8, 8)


@pytest.mark.parametrize("seed", [None, "", "-1", -1, "a word", "1.5"])
def test_what_is_no_seed_becomes_a_random_one(seed: object) -> None:
    assert get_fixed_seed(seed) >= 0


def test_a_seed_stays_what_it_is() -> None:
    assert (get_fixed_seed("12"), get_fixed_seed(0), get_fixed_seed([3, "4"])) == (12, 0, [3, 4])


def test_a_read_text_changes_the_checkpoint_only_where_the_setting_lets_it(a1111: App) -> None:
    assert get_override_settings({"Model hash": "abc", "Clip skip": "2"}) == [("Clip skip", "CLIP_stop_at_last_layers", 2)]
    a1111.settings.update({"disable_weights_auto_swap": False})
    assert ("Model hash", "sd_model_checkpoint", "abc") in get_override_settings({"Model hash": "abc"})


def test_who_replaces_the_reading_of_pictures_is_asked_by_png_info_the_api_and_what_is_dropped(a1111: App, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from modules import images  # pyright: ignore[reportAttributeAccessIssue]

    original, hidden = images.read_info_from_image, "a hidden cat\nSteps: 7, Seed: 1, Size: 8x8"

    def mine(image: Image.Image) -> tuple[str | None, dict[str, object]]:
        text, items = original(image)
        return text or (hidden if image.getpixel((0, 0)) == (1, 2, 3, 254) else None), items

    monkeypatch.setattr(images, "read_info_from_image", mine)
    file = tmp_path / "hidden.png"
    Image.new("RGBA", (8, 8), (1, 2, 3, 254)).save(file)
    assert "a hidden cat" in picture_info(str(file))[0] and picture_info(str(file))[1] == hidden
    server = FastAPI()
    add_api(server, a1111, full=True)
    sent = {"image": base64.b64encode(file.read_bytes()).decode()}
    with TestClient(server, base_url="http://127.0.0.1", client=("127.0.0.1", 1)) as client:
        answer = client.post("/sdapi/v1/png-info", json=sent).json()
        assert answer["info"] == hidden and answer["parameters"]["Steps"] == "7"
        assert client.post("/internal/infotext", json=sent).json() == {"infotext": hidden}
    assert images.image_data(file.read_bytes())[0] == hidden
    monkeypatch.setattr(images, "read_info_from_image", lambda image: 1 / 0)
    assert picture_info(str(file))[1] == "" and any("read_info_from_image" in each.place for each in a1111.extensions.troubles.found)
