"""Settings that shape the page: fields of settings on a tab, samplers as buttons, operations on finished pictures, themes, the temporary folder."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from modules.a1111.script_host import install_scripts
from modules.application.app import App
from modules.application.generation import generate_blocking
from modules.gradio_ui.build import build_ui
from modules.gradio_ui.choices import ChoiceSources
from modules.gradio_ui.generation_tab import GenerationTab, build_generation_tab
from modules.gradio_ui.shown_files import PREFIX, ShownFiles
from modules.gradio_ui.theme import page_theme, theme_names
from modules.gradio_ui.ui_config import UiConfig
from modules.schema.errors import InvalidValue
from modules.schema.request import Txt2ImgRequest
from modules.schema.table import TXT2IMG
from tests.conftest import FakeEngine


def built(app: App) -> GenerationTab:
    with gr.Blocks():
        return build_generation_tab(app, TXT2IMG, ChoiceSources.of(app), UiConfig.read(app.paths.ui_config_file), ShownFiles((app.paths.outputs_dir,)))


def values(tab: GenerationTab, **changed: Any) -> list[Any]:
    return [changed.get(field.name, getattr(field.component, "value", None)) for field in tab.form.fields]


def test_settings_on_the_tab_hold_for_what_it_asks_for(make_app: Callable[..., App]) -> None:
    app = make_app()
    app.settings.update({"extra_options_txt2img": ["CLIP_stop_at_last_layers", "outdir_samples", "gone", "randn_source"], "extra_options_cols": 2, "samplers_in_dropdown": False})
    tab = built(app)
    clip_skip = "extra_options_txt2img_CLIP_stop_at_last_layers"
    assert [each.setting.key for each in tab.options] == ["CLIP_stop_at_last_layers", "randn_source"], "where pictures go is no request's to say"
    assert isinstance(tab.form.component("sampler_name"), gr.Radio)
    request = tab.form.request(values(tab, **{clip_skip: 2}))
    assert request.overrides.override_settings == {"CLIP_stop_at_last_layers": 2, "randn_source": "GPU"}
    chips = tab.form.request(values(tab, **{clip_skip: 2}), override_settings={"CLIP_stop_at_last_layers": 3})
    assert chips.overrides.override_settings["CLIP_stop_at_last_layers"] == 3
    updates = tab.paster.from_text("a\nSteps: 9, Sampler: DDIM, Seed: 1, Size: 64x64, Clip skip: 2, Version: v1.10.1")
    pasted = dict(zip((field.name for field in tab.form.fields), updates[1:]))
    assert pasted[clip_skip]["value"] == 2 and updates[0]["value"] == [], "it has a field, and needs no chip"
    assert app.settings.get("CLIP_stop_at_last_layers") == 1


def test_finished_pictures_go_through_operations_of_the_extras_tab(make_app: Callable[..., App], fake_engine: FakeEngine) -> None:
    from modules.a1111 import app_slot

    app = make_app()
    app.settings.update({"postprocessing_enable_in_main_ui": ["Upscale"]})
    with app_slot.occupied(app):
        install_scripts(app, gr.Blocks)
        asked = {"prompt": "a", "steps": 1, "width": 64, "height": 64, "seed": 1}
        plain = generate_blocking(app, Txt2ImgRequest.from_flat(asked)).images[0]
        large = generate_blocking(app, Txt2ImgRequest.from_flat(asked | {"alwayson_scripts": {"Upscale": {"args": [True, 2, "Lanczos"]}}})).images[0]
    assert plain.picture.size == (64, 64) and large.picture.size == (128, 128)
    assert "Postprocess upscale by: 2, Postprocess upscaler: Lanczos" in large.infotext


def test_operations_of_the_extras_tab_come_and_go_with_the_page_that_is_built_anew(make_app: Callable[..., App]) -> None:
    from modules.a1111 import app_slot

    app = make_app()
    with app_slot.occupied(app):
        host = install_scripts(app, gr.Blocks)
        others = list(host.txt2img.scripts)
        for wanted in (["Upscale", "CodeFormer"], ["CodeFormer"], []):
            app.settings.update({"postprocessing_enable_in_main_ui": wanted})
            build_ui(app)
            for runner in (host.txt2img, host.img2img):
                assert [name for name in ("Upscale", "GFPGAN", "CodeFormer") if runner.script(name)] == wanted
            assert [each for each in host.txt2img.scripts if not each.by_setting] == others, "a script keeps what it remembers"


@pytest.mark.parametrize(("script", "args"), [("GFPGAN", [True, 1.0]), ("CodeFormer", [True, 1.0, 0.0])])
def test_finished_pictures_go_through_face_restoration(script: str, args: list[Any], make_app: Callable[..., App], fake_engine: FakeEngine) -> None:
    from modules.a1111 import app_slot

    app = make_app()
    app.settings.update({"postprocessing_enable_in_main_ui": [script]})
    with app_slot.occupied(app):
        install_scripts(app, gr.Blocks)
        asked = {"prompt": "a", "steps": 1, "width": 64, "height": 64, "alwayson_scripts": {script: {"args": args}}}
        outcome = generate_blocking(app, Txt2ImgRequest.from_flat(asked))
    assert len(outcome.images) == 1, "the picture is not lost for the missing weights"
    assert f"{script} cannot restore faces: its weights" in "".join(outcome.comments)


@pytest.mark.parametrize("name", ["Default", "gradio/soft", "gradio/base", "gradio/seafoam", "abidlabs/dracula", "../../etc/passwd"])
def test_themes_fetch_nothing(name: str, tmp_path: Path) -> None:
    theme = page_theme(name, tmp_path)
    css = theme._get_theme_css() + "".join(theme._font_css) + theme.custom_css
    assert not theme._stylesheets and "url(http" not in css and "url('http" not in css and "//fonts." not in css
    assert "gradio/soft" in theme_names(tmp_path)


def test_a_theme_that_a1111_once_downloaded_is_used(tmp_path: Path) -> None:
    page_theme("gradio/glass").dump(str(tmp_path / "some_theme.json"))
    assert "some/theme" in theme_names(tmp_path)
    assert page_theme("some/theme", tmp_path).button_primary_background_fill == page_theme("gradio/glass").button_primary_background_fill
    (tmp_path / "bad_theme.json").write_text("{")
    assert page_theme("bad/theme", tmp_path).button_primary_background_fill == page_theme().button_primary_background_fill


def test_the_temporary_folder_is_the_users_and_cleared_at_the_start(make_app: Callable[..., App], tmp_path: Path) -> None:
    app, place = make_app(), tmp_path / "shown"
    (place / f"{PREFIX}old").mkdir(parents=True)
    (place / "kept").mkdir()
    for name in ("a.png", "a.txt", f"{PREFIX}old/b.png", "kept/c.png"):
        Image.new("RGB", (1, 1)).save(place / name, "PNG")
    app.settings.update({"temp_dir": str(place), "clean_temp_dir_at_start": True})
    files = ShownFiles.of_app(app, starting=True)
    assert files.folder.parent == place
    assert sorted(str(each.relative_to(place)) for each in place.rglob("*.*") if each.is_file()) == ["a.txt", "kept/c.png"]
    app.settings.update({"temp_dir": str(app.paths.script_dir / "modules")})
    assert not ShownFiles.of_app(app, starting=True).folder.is_relative_to(app.paths.script_dir)


def test_a_setting_of_a_tab_is_checked_like_any(make_app: Callable[..., App]) -> None:
    app = make_app()
    app.settings.update({"extra_options_txt2img": ["CLIP_stop_at_last_layers"]})
    tab = built(app)
    with pytest.raises(InvalidValue, match="Clip skip"):
        generate_blocking(app, tab.form.request(values(tab, extra_options_txt2img_CLIP_stop_at_last_layers=99)))
