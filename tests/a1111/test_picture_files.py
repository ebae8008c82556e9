"""A1111's functions for pictures, their names and their noise, as extensions call them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from PIL import Image, ImageChops

from modules.a1111.infotext_names import get_override_settings
from modules.a1111.noise_names import ImageRNG
from modules.a1111.picture_files import (
    FilenameGenerator,
    GridAnnotation,
    draw_grid_annotations,
    draw_prompt_matrix,
    get_sampler_scheduler_str,
    image_grid,
)
from modules.a1111.process_images import get_fixed_seed
from modules.application.app import App


def test_a_name_knows_its_base_the_archive_and_the_schedule_that_automatic_is(a1111: App) -> None:
    p = SimpleNamespace(batch_size=2, n_iter=1, all_seeds=[1, 2], cfg_scale=7, sampler_name="Restart", scheduler="Automatic", batch_index=1)
    names = FilenameGenerator(p, 1, "a cat", Image.new("RGB", (8, 8)), basename="grid")
    assert names.apply("[basename] [cfg] [scheduler]-[batch_number]") == "grid 7 Karras-2"
    assert FilenameGenerator(p, 1, "a cat", Image.new("RGB", (8, 8)), zip=True).apply("[seed]-[batch_number]") == "1"
    assert get_sampler_scheduler_str("Euler a", "Automatic") == "Euler a Automatic" and get_sampler_scheduler_str("DPM++ 2M", "SGM Uniform") == "DPM++ 2M Sgm uniform"


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


@pytest.mark.parametrize("seed", [None, "", "-1", -1, "a word", "1.5"])
def test_what_is_no_seed_becomes_a_random_one(seed: object) -> None:
    assert get_fixed_seed(seed) >= 0


def test_a_seed_stays_what_it_is() -> None:
    assert (get_fixed_seed("12"), get_fixed_seed(0), get_fixed_seed([3, "4"])) == (12, 0, [3, 4])


def test_a_read_text_changes_the_checkpoint_only_where_the_setting_lets_it(a1111: App) -> None:
    assert get_override_settings({"Model hash": "abc", "Clip skip": "2"}) == [("Clip skip", "CLIP_stop_at_last_layers", 2)]
    a1111.settings.update({"disable_weights_auto_swap": False})
    assert ("Model hash", "sd_model_checkpoint", "abc") in get_override_settings({"Model hash": "abc"})
