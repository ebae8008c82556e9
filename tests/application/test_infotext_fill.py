"""A request that is only an old picture's text: it asks for what drew that picture, whoever wrote the text and however long ago."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modules.application.infotext_fill import fill_from_infotext
from modules.application.paths import paths_from_flags
from modules.application.settings_store import SettingsStore
from modules.schema.flags import parse_flags
from modules.schema.settings.table import SETTINGS
from modules.schema.table import IMG2IMG, TXT2IMG

OLD = "a [b:c:3]\nNegative prompt: bad\nSteps: 8, Sampler: DPM++ 2M Karras, CFG Scale: 5, Seed: 9, Size: 64x96, Model hash: 0123456789, Clip skip: 2, Version: v1.5.1"
PATHS = paths_from_flags(parse_flags(["--styles-file", "no-such-styles.csv"], {}).flags)
HIRES = "a\nSteps: 8, Sampler: Euler, Seed: 9, Size: 64x96, Denoising strength: 0.4, Hires upscale: 1.5, Hires steps: 3, Hires upscaler: Latent, Version: v1.10.1"


@pytest.fixture
def settings(tmp_path: Path) -> SettingsStore:
    return SettingsStore(tmp_path / "config.json", SETTINGS)


def filled(settings: SettingsStore, text: str, table: Any = TXT2IMG, **given: Any) -> dict[str, Any]:
    return fill_from_infotext(settings, PATHS, table, {"infotext": text, **given})


def test_old_spellings_and_the_behaviour_of_its_version(settings: SettingsStore) -> None:
    found = filled(settings, OLD)
    assert (found["sampler_name"], found["scheduler"], found["cfg_scale"], found["width"], found["height"]) == ("DPM++ 2M", "Karras", 5.0, 64, 96)
    old = {"CLIP_stop_at_last_layers": 2, "use_old_scheduling": True, "use_downcasted_alpha_bar": True}
    assert found["override_settings"] == old and not found["enable_hr"]
    settings.set("auto_backcompat", False)
    assert filled(settings, OLD)["override_settings"] == {"CLIP_stop_at_last_layers": 2}


def test_what_the_text_leaves_unsaid_was_a1111s_default(settings: SettingsStore) -> None:
    settings.set("CLIP_stop_at_last_layers", 3)
    assert filled(settings, HIRES)["override_settings"] == {"CLIP_stop_at_last_layers": 1}


def test_the_checkpoint_is_exchanged_only_where_that_is_wanted(settings: SettingsStore) -> None:
    settings.set("disable_weights_auto_swap", False)
    assert filled(settings, OLD)["override_settings"]["sd_model_checkpoint"] == "0123456789"


def test_hires_fix_is_on_when_the_text_says_so_and_what_was_given_wins(settings: SettingsStore) -> None:
    found = filled(settings, HIRES, steps=2, enable_hr=True, override_settings={"eta_ancestral": 0.5})
    assert (found["hr_scale"], found["hr_second_pass_steps"], found["hr_upscaler"], found["denoising_strength"]) == (1.5, 3, "Latent", 0.4)
    assert "steps" not in found and "enable_hr" not in found and found["override_settings"] == {"eta_ancestral": 0.5}
    assert filled(settings, HIRES)["enable_hr"] is True and "enable_hr" not in filled(settings, HIRES, IMG2IMG)


@pytest.mark.parametrize("text", ["", "a cat", "a\nSteps: many, Seed: x, Size: 1, CFG scale: ?", "a\nSteps: 99999999999, Seed: 1e999, Size: 0x0, RNG: banana"])
def test_what_cannot_be_read_is_passed_over(settings: SettingsStore, text: str) -> None:
    found = filled(settings, text)
    assert not {"steps", "seed", "cfg_scale", "width"} & set(found) and not found.get("override_settings")


def test_samplers_that_other_programs_alone_know_are_left_to_what_asks_for_them(settings: SettingsStore) -> None:
    """Civitai writes "Undefined"; the API draws with A1111's first sampler then and says so (test_habits_of_clients.py), and the rest of the text counts."""
    found = filled(settings, "a\nSteps: 8, Sampler: Undefined, Schedule type: Foo, CFG scale: 5, Seed: 9, Size: 64x96")
    assert (found["steps"], found["sampler_name"], found["scheduler"]) == (8, "Undefined", "Foo")
    found = filled(settings, "a\nSteps: 8, Sampler: dpmpp_2m_sde, Scheduler: karras, CFG scale: 5, Seed: 9, Size: 64x96")
    assert (found["sampler_name"], found["scheduler"]) == ("DPM++ 2M SDE", "Karras")
