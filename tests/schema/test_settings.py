"""Every setting of A1111 is there with its key and default, and a new value is checked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from modules.schema.errors import InvalidValue, UnknownName
from modules.schema.setting import section, setting
from modules.schema.settings.honoured import HONOURED
from modules.schema.settings.table import SETTINGS
from modules.schema.table import TABLES
from modules.schema.widgets import Checkbox, Dropdown, Hidden
from tests.schema.recorded import recorded

OURS = {"checkpoint_wishes", "compile_model", "cuda_graphs", "openvino"}      # what A1111 does not have
MODULES = Path(__file__).resolve().parents[2] / "modules"


def test_keys_and_defaults_are_a1111s():
    theirs = recorded("settings_defaults")
    assert set(SETTINGS.by_key) == set(theirs) | OURS
    different = {key: (value, SETTINGS.by_key[key].default) for key, value in theirs.items() if SETTINGS.by_key[key].fresh_default() != value}
    assert not different


@pytest.mark.parametrize("each", SETTINGS, ids=lambda each: each.key)
def test_default_is_accepted(each: Any):
    assert each.checked(each.default) == each.fresh_default()
    assert each.label


def test_infotext_keys_and_axes():
    assert SETTINGS.by_infotext["Clip skip"].key == "CLIP_stop_at_last_layers"
    assert SETTINGS.by_infotext["RNG"].key == "randn_source"
    assert {"Clip skip", "VAE", "RNG source", "Schedule rho", "Checkpoint name"} <= set(SETTINGS.axes)
    parameters = {entry.info.infotext for table in TABLES.values() for entry in table}
    assert not parameters & set(SETTINGS.by_infotext), "a key belongs to a parameter or to a setting, never to both"


@pytest.mark.parametrize(
    ("key", "value", "held"),
    [
        ("CLIP_stop_at_last_layers", 2.0, 2),
        ("CLIP_stop_at_last_layers", "2", 2),
        ("jpeg_quality", 95, 95),
        ("eta_ancestral", 1, 1.0),
        ("tiling", "True", True),
        ("tiling", 0, False),
        ("sd_model_checkpoint", None, None),
        ("sd_model_checkpoint", "any.safetensors", "any.safetensors"),
        ("quicksettings_list", ("sd_vae",), ["sd_vae"]),
        ("grid_background_color", "#fff", "#fff"),
        ("sigma_max", 999.5, 999.5),
    ],
)
def test_lenient_values(key: str, value: Any, held: Any):
    result = SETTINGS.find(key).checked(value)
    assert result == held and type(result) is type(held)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("CLIP_stop_at_last_layers", -2),
        ("CLIP_stop_at_last_layers", 1.5),
        ("CLIP_stop_at_last_layers", True),
        ("CLIP_stop_at_last_layers", "two"),
        ("CLIP_stop_at_last_layers", None),
        ("CLIP_stop_at_last_layers", [1]),
        ("eta_ancestral", float("nan")),
        ("sigma_max", float("inf")),
        ("randn_source", "TPU"),
        ("randn_source", 3),
        ("tiling", "perhaps"),
        ("quicksettings_list", "sd_vae"),
        ("profiling_activities", ["GPU"]),
        ("grid_background_color", "white"),
        ("samples_filename_pattern", "x" * 70_000),
    ],
)
def test_refused_values_name_the_setting(key: str, value: Any):
    with pytest.raises(InvalidValue) as caught:
        SETTINGS.find(key).checked(value)
    assert caught.value.field == key and key in str(caught.value) and len(str(caught.value)) < 400


def test_an_unknown_key_offers_the_nearest():
    with pytest.raises(UnknownName, match="CLIP_stop_at_last_layers"):
        SETTINGS.find("clip_stop_at_last_layer")


def test_sections_are_a1111s():
    titles = [each.title for each in SETTINGS.sections]
    assert {"Saving images/grids", "Stable Diffusion", "Sampler parameters", "Live previews"} <= set(titles)
    assert {each.id for each in SETTINGS.sections} >= {"saving-images", "sd", "sampler-params", "ui", "optimizations"}
    assert all(each.section == where.id for where in SETTINGS.sections for each in where.settings)


def test_every_setting_acts_or_says_why_it_does_not():
    for each in SETTINGS:
        assert each.honoured != bool(each.why_without_effect) or isinstance(each.widget, Hidden), each.key


def test_an_extension_adds_a_section():
    added = section("Tagger", "tagger", "ui", setting("tagger_on", True, "On", Checkbox()), setting("font", "x", "Font", Dropdown("fonts")))
    table = SETTINGS.with_section(added)
    assert len(table) == len(SETTINGS) + 1
    assert table.find("font").default == "x" and SETTINGS.find("font").default == ""


def test_honoured_settings_are_settings_that_something_reads():
    assert set(SETTINGS.by_key) >= HONOURED
    outside = [MODULES.parent / "webui.py", *(path for path in MODULES.rglob("*.py") if "schema" not in path.parts)]
    named = {f"{prefix}{part}" for prefix in ("hypertile_enable_", "hypertile_max_depth_", "hypertile_max_tile_", "hypertile_swap_size_") for part in ("unet", "vae")}
    named |= {"extra_options_txt2img", "extra_options_img2img"}     # put together from a part's, a tab's name
    named |= set(re.findall(r"[\"'](\w+)[\"']", "\n".join(path.read_text(encoding="utf-8") for path in outside)))
    named |= set(re.findall(r"opts\.(\w+)", "\n".join(path.read_text(encoding="utf-8") for path in MODULES.rglob("static/*.js"))))
    assert not HONOURED - named, "nothing reads these: " + ", ".join(sorted(HONOURED - named))
