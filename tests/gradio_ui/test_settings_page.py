"""Settings on the page: stored one by one, refused in words, frozen when the command line says so."""
from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from modules.application.app import App
from modules.application.settings_rules import is_frozen
from modules.gradio_ui.choices import ChoiceSources
from modules.gradio_ui.setting_changes import store_settings
from modules.gradio_ui.settings_form import settings_form_html
from modules.schema.setting import section, setting
from modules.schema.settings.table import SETTINGS, SettingsTable
from modules.schema.widgets import Dropdown, Hidden, TextArea
from tests.gradio_ui.conftest import Behind


def form(table: SettingsTable = SETTINGS, **more: object) -> str:
    return settings_form_html(table, lambda _source: ("one", "two"), lambda _setting: False, **more)  # type: ignore[arg-type]


def test_every_setting_of_a_shown_section_has_a_field() -> None:
    keys = re.findall(r'data-key="([^"]+)"', form())
    assert keys == list(dict.fromkeys(keys))
    assert set(keys) == {each.key for part in SETTINGS.sections if part.id for each in part.settings if not isinstance(each.widget, Hidden)}


def test_settings_without_effect_stand_apart() -> None:
    html = form()
    for key, honoured in ((each.key, each.honoured) for each in SETTINGS if f'data-key="{each.key}"' in html):
        before = html[: html.index(f'data-key="{key}"')]
        assert (before.rfind("<details>") > before.rfind("</details>")) != honoured, key


@pytest.mark.group("S13")
def test_no_text_of_a_setting_becomes_html() -> None:
    evil = '<img src=x onerror="alert(1)">'
    table = SettingsTable((section(evil, "evil", "x", setting("k", evil, evil, Dropdown((evil,)), description=evil), setting("t", evil, evil, TextArea())),))
    assert "<img" not in form(table)


def test_lists_of_settings_say_what_each_name_means() -> None:
    sources = {"settings": ("CLIP_stop_at_last_layers",), "setting_labels": ("Clip skip",)}
    html = settings_form_html(SETTINGS, lambda source: sources.get(source, ()), lambda _setting: False)
    assert html.count('<option value="CLIP_stop_at_last_layers">CLIP_stop_at_last_layers: Clip skip</option>') == 3, "the quick settings, txt2img, img2img"


def test_a_sampler_that_is_left_out_can_be_had_back(make_app: Callable[..., App]) -> None:
    app = make_app()
    app.settings.set("hide_samplers", ["Heun"])
    choices = ChoiceSources.of(app)
    html = settings_form_html(SETTINGS, choices, lambda _setting: False)
    row = html[html.index('data-key="hide_samplers"') :].split('data-key="', 2)[1]
    assert 'value="Heun"' in row and 'value="Euler"' in row
    assert "Heun" not in choices("samplers")


def test_several_notes_under_a_setting_read_as_one_sentence() -> None:
    frozen = settings_form_html(SETTINGS, lambda _source: (), lambda _setting: True)
    assert "tiff; frozen by the command line</small>" in frozen and ".; " not in frozen


def test_what_stands_in_the_quick_settings_is_not_shown_twice() -> None:
    assert 'data-key="sd_model_checkpoint"' not in form(elsewhere=["sd_model_checkpoint"])


def test_good_values_are_stored_beside_a_refused_one(behind: Callable[..., Behind]) -> None:
    app = behind().app
    answer = json.loads(store_settings(app, {"jpeg_quality": 90, "n_rows": "many", "no_such": 1, "samples_format": "webp"}))
    assert answer["changed"] == {"jpeg_quality": 90, "samples_format": "webp"}
    assert len(answer["errors"]) == 2 and "n_rows" in answer["errors"][0]
    assert json.loads(app.paths.config_file.read_text())["jpeg_quality"] == 90
    assert behind().app.settings.get("samples_format") == "webp"


@pytest.mark.parametrize(
    "flags", [("--freeze-settings",), ("--freeze-specific-settings", "jpeg_quality,x"), ("--freeze-settings-in-sections", "saving-images")]
)
def test_frozen_settings_cannot_be_changed(behind: Callable[..., Behind], flags: tuple[str, ...]) -> None:
    app = behind(*flags).app
    answer = json.loads(store_settings(app, {"jpeg_quality": 90}))
    assert answer["changed"] == {} and "freezes" in answer["errors"][0]
    assert app.settings.get("jpeg_quality") == 80


def test_hidden_folder_settings_are_frozen(behind: Callable[..., Behind]) -> None:
    app = behind("--hide-ui-dir-config").app
    assert is_frozen(app.flags, SETTINGS.find("outdir_samples"))
    assert not is_frozen(app.flags, SETTINGS.find("jpeg_quality"))


@pytest.mark.parametrize("value", ["extensions/innocent", "modules"])
@pytest.mark.group("S4")
def test_pictures_cannot_be_sent_where_programs_are(value: str, behind: Callable[..., Behind]) -> None:
    app = behind().app
    answer = json.loads(store_settings(app, {"outdir_samples": value, "jpeg_quality": 71}))
    assert "programs are loaded from there" in answer["errors"][0]
    assert answer["changed"] == {"jpeg_quality": 71} and app.settings.get("outdir_samples") == ""
