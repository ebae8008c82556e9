"""``shared.opts`` answers as extensions expect, and what they add is a setting like any other."""
from __future__ import annotations

import json
from typing import Any

import pytest

from modules.a1111.app_slot import occupied
from modules.a1111.option_info import OptionHTML, OptionInfo, options_section
from modules.a1111.options import opts
from modules.a1111.process_images import process_images
from modules.a1111.processing import StableDiffusionProcessingTxt2Img
from modules.application.app import App
from modules.application.generation import generate_blocking
from modules.schema.errors import InvalidValue
from modules.schema.widgets import CheckboxGroup, Dropdown, Hidden, Slider, TextArea
from tests.a1111.test_script_host import Always, MakeApp, asking, with_scripts
from tests.conftest import FakeEngine


def component(name: str) -> type:
    return type(name, (), {})


def test_an_unknown_key_raises_and_a_known_one_has_a_value(a1111: App) -> None:
    assert opts.sd_vae == "Automatic" and opts.get_default("sd_vae") == "Automatic"
    assert not hasattr(opts, "wildcards_dir")
    assert getattr(opts, "of_another_program", 5) == 5
    assert type(json.loads(json.dumps(opts.data))) is dict and opts.data["sd_vae"] == "Automatic"


def test_the_checkpoint_is_the_one_in_use_where_none_was_chosen(a1111: App) -> None:
    """A1111 stores the name of each that it loads; Prompt History showed "model: None"."""
    assert a1111.settings.get("sd_model_checkpoint") is None
    assert opts.sd_model_checkpoint == opts.data["sd_model_checkpoint"] == a1111.catalogue.checkpoints()[0].title


def test_a_checkpoint_that_a_script_wishes_for_in_vain_leaves_the_one_in_use(a1111: App, fake_engine: FakeEngine) -> None:
    there = a1111.catalogue.checkpoints()[0].path
    there.with_name("second.safetensors").write_bytes(there.read_bytes())
    a1111.catalogue.refresh()
    a1111.settings.set("sd_model_checkpoint", "second.safetensors")
    wishing = StableDiffusionProcessingTxt2Img(prompt="a cat", steps=1, width=64, height=64, override_settings={"sd_model_checkpoint": "v1-5-pruned.ckpt [e1441589a6]"})
    assert "Model: second" in process_images(wishing).infotexts[0]


def test_an_added_setting_has_its_default_is_stored_and_kept(a1111: App) -> None:
    opts.add_option("tac_activeIn.txt2img", OptionInfo(True, "Active", section=("tac", "Tags")).info("here").needs_restart())
    assert getattr(opts, "tac_activeIn.txt2img") is True
    section = next(each for each in a1111.settings.table.sections if each.id == "tac")
    assert section.title == "Tags" and section.settings[0].needs == "restart" and section.settings[0].honoured
    assert opts.set("tac_activeIn.txt2img", False) and not opts.set("tac_activeIn.txt2img", False)
    opts.save()
    assert json.loads(a1111.paths.config_file.read_text(encoding="utf-8"))["tac_activeIn.txt2img"] is False


def test_what_is_written_anywhere_is_read_everywhere(a1111: App) -> None:
    opts.data["sd_vae"] = "None"
    assert opts.sd_vae == "None" == a1111.settings.get("sd_vae")
    opts.sd_vae = "Automatic"
    assert opts.data["sd_vae"] == "Automatic"
    opts.data["unheard_of"] = [1]
    assert opts.unheard_of == [1]
    opts.own_attribute = 5
    assert opts.own_attribute == 5 and "own_attribute" not in opts.data


def test_values_of_another_kind_are_refused(a1111: App) -> None:
    opts.add_option("count", OptionInfo(3, "Count", component("Slider"), {"minimum": 1, "maximum": 9}))
    for value in ("many", "NaN", "1e999", "-Infinity", float("inf")):
        with pytest.raises(InvalidValue):
            a1111.settings.set("count", value)
    assert opts.set("count", "many") is False and opts.count == 3
    opts.count = 4.0
    assert opts.count == 4


@pytest.mark.parametrize(
    ("name", "arguments", "widget"),
    [
        ("Slider", {"minimum": 1, "maximum": 9, "step": 2}, Slider(1, 9, 2)),
        ("Dropdown", {"choices": ["a", ("B", "b")]}, Dropdown(("a", "B"))),
        ("Dropdown", lambda: {"choices": ["a"]}, Dropdown("extension setting key")),
        ("Dropdown", {"choices": ["a"], "multiselect": True}, Dropdown(("a",), multiple=True)),
        ("CheckboxGroup", {"choices": ["a"]}, CheckboxGroup(("a",))),
        ("Code", lambda: {"language": "json"}, TextArea(lines=8)),
        ("Textbox", {"visible": False}, Hidden()),
        ("Dropdown", lambda: {}["absent"], Dropdown("extension setting key")),
        ("SomethingElse", None, TextArea()),
    ],
)
def test_components_become_our_widgets(a1111: App, name: str, arguments: object, widget: object) -> None:
    opts.add_option("key", OptionInfo("a", "Label", component(name), arguments))
    assert a1111.settings.table.find("key").widget == widget


def test_templates_and_sections(a1111: App) -> None:
    templates = opts.data_labels
    templates.update(options_section(("mine", "Mine", "system"), {"one": OptionInfo(1), "two": OptionInfo("2"), "words": OptionHTML("text")}))
    opts.add_option("three", OptionInfo(3, section=("mine", "Mine")))
    (section,) = (each for each in a1111.settings.table.sections if each.id == "mine")
    assert [each.key for each in section.settings] == ["one", "two", "words", "three"] and section.category == "system"
    assert templates["sd_vae"].label == a1111.settings.table.find("sd_vae").label


def test_a_section_set_afterwards_counts(a1111: App) -> None:
    info = OptionInfo(1, "Late")
    opts.add_option("late", info)
    info.section = ("later", "Later")
    opts.settle()
    assert a1111.settings.table.find("late").section == "later"


def test_changes_are_told(a1111: App) -> None:
    told: list[str] = []
    opts.add_option("watched", OptionInfo(1, onchange=lambda: told.append("info")))
    opts.onchange("watched", lambda: told.append("listener"), call=False)
    opts.set("watched", 2)
    assert told == ["info", "listener"]


def test_folders_for_pictures_are_where_they_are(a1111: App, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = str(a1111.paths.data_dir / "outputs" / "txt2img-images")
    assert opts.outdir_txt2img_samples == opts.data["outdir_txt2img_samples"] == whole
    assert a1111.settings.get("outdir_txt2img_samples") == "outputs/txt2img-images"
    monkeypatch.chdir(a1111.paths.data_dir)         # as usual: then a relative one names the same place
    assert opts.outdir_txt2img_samples == "outputs/txt2img-images" and opts.outdir_samples == ""


@pytest.mark.parametrize(("key", "option"), [("mine", {"default": 1}), ("mine", None), ("mine", OptionInfo(object(), "Mine")), (5, OptionInfo(1, "Mine"))])
def test_what_is_no_setting_fails_where_it_is_added_and_is_not_kept(a1111: App, key: Any, option: Any) -> None:
    """Else the start ends when all settings are looked through, and nobody knows whose fault it is."""
    with pytest.raises((TypeError, AttributeError)):
        opts.add_option(key, option)
    opts.settle()
    assert key not in a1111.settings.table and json.dumps(opts.data)


def test_what_a_request_overrides_is_what_extensions_read_until_its_run_is_over(make_app: MakeApp, fake_engine: FakeEngine) -> None:
    """Clients send ``override_settings``, and axes of X/Y/Z plot set them: A1111 put them into ``opts`` for the run."""
    told: list[tuple[Any, ...]] = []

    class Reads(Always):
        def process(self, p: Any, *_: Any) -> None:
            told.append((opts.jpeg_quality, opts.data["jpeg_quality"], opts.grid_format))
            opts.jpeg_quality = 30

        def postprocess(self, p: Any, processed: Any, *_: Any) -> None:
            told.append((opts.jpeg_quality, opts.grid_format))

    app = make_app()
    with_scripts(app, Reads)
    with occupied(app):
        before = app.settings.get("jpeg_quality")
        generate_blocking(app, asking(override_settings={"jpeg_quality": 55, "grid_format": "jpg"}))
        assert told == [(55, 55, "jpg"), (30, "jpg")]
        assert (app.settings.get("jpeg_quality"), opts.jpeg_quality, opts.grid_format) == (before, before, "png")


def test_a_run_inside_a_run_goes_by_what_the_outer_one_overrides(make_app: MakeApp, fake_engine: FakeEngine) -> None:
    seen: list[int] = []

    class Inner(Always):
        def process(self, p: Any, *_: Any) -> None:
            seen.append(opts.CLIP_stop_at_last_layers)

        def postprocess_image(self, p: Any, pp: Any, *_: Any) -> None:
            if len(seen) == 1:
                again = StableDiffusionProcessingTxt2Img(prompt="a detail", steps=1, width=64, height=64, do_not_save_samples=True, do_not_save_grid=True)
                again.scripts, again.script_args = p.scripts, p.script_args
                process_images(again)

    app = make_app()
    with_scripts(app, Inner)
    generate_blocking(app, asking(override_settings={"CLIP_stop_at_last_layers": 2}))
    assert seen == [2, 2] and [each.options.clip_skip for each in fake_engine.requests] == [2, 2]


def test_what_is_taken_out_of_the_data_is_gone_and_a_setting_has_its_default_again(a1111: App) -> None:
    opts.data["extension_enabled"] = True
    opts.data["sd_vae"] = "None"
    assert opts.data.pop("extension_enabled", None) is True and opts.data.pop("extension_enabled", None) is None
    assert opts.data.pop("sd_vae") == "None" and opts.sd_vae == "Automatic"
    assert not hasattr(opts, "extension_enabled") and opts.data.get("extension_enabled", False) is False
    opts.data["extension_enabled"] = True
    opts.save()
    del opts.data["extension_enabled"]
    opts.save()
    assert "extension_enabled" not in json.loads(a1111.paths.config_file.read_text(encoding="utf-8"))
    with pytest.raises(KeyError):
        opts.data.pop("extension_enabled")
