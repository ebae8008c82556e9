"""ui-config.json, token counters, styles, the buttons below the gallery, PNG Info."""
from __future__ import annotations

import csv
import errno
import html
import json
import os
import re
import signal
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

import gradio as gr
import pytest
import torch
from PIL import Image

from modules.a1111 import app_slot
from modules.a1111.text_names import StableDiffusionModelHijack
from modules.files.storage import StorageError
from modules.gradio_ui import foreign_head, result_buttons
from modules.gradio_ui.choices import ChoiceSources
from modules.gradio_ui.form_memory import restored
from modules.gradio_ui.png_info_tab import picture_info
from modules.gradio_ui.result_buttons import LOG_COLUMNS, ResultButtons, _append_log
from modules.gradio_ui.setting_changes import store_settings
from modules.gradio_ui.static_files import STATIC
from modules.gradio_ui.token_counts import counter_html, token_count
from modules.gradio_ui.ui_config import UiConfig
from modules.gradio_ui.ui_defaults import Change, Defaults
from modules.imaging.metadata import png_bytes
from modules.loading.embeddings import Embedding
from tests.gradio_ui.conftest import Behind, BuiltPage


def test_ui_config_beats_the_pages_values(tmp_path: Path) -> None:
    path = tmp_path / "ui-config.json"
    path.write_text(json.dumps({"txt2img/CFG Scale/value": 5, "txt2img/CFG Scale/maximum": 50, "txt2img/Batch size/visible": False, "other": [1]}))
    config = UiConfig.read(path)
    shown = {"value": 7.0, "minimum": 1.0, "maximum": 30.0, "step": 0.5}
    assert config.overrides("txt2img", "CFG Scale", shown) == {"value": 5, "maximum": 50}
    assert config.overrides("txt2img", "Batch size", {"value": 1}) == {"visible": "hidden"}
    config.changed({"txt2img/Sampling steps/value": 9}).save()
    assert json.loads(path.read_text()) == {**dict(config.values), "txt2img/Sampling steps/value": 9}


def test_a_start_beyond_the_slider_stays_where_a_request_may_have_it(tmp_path: Path) -> None:
    """A1111's sliders took more than they showed: who began with 2560 pixels still does."""
    shown = {"value": 512, "minimum": 64, "maximum": 2048, "step": 8, "accepts": 8192}
    for stored, taken in ((2560, 2560), (9000, 8192), (8, 64)):
        found = UiConfig(Path("x"), {"txt2img/Width/value": stored}).overrides("txt2img", "Width", shown)
        assert found["value"] == taken and found.get("maximum", 2048) == max(taken, 2048)


@pytest.mark.parametrize(("stored", "left"), [
    ({"minimum": 300}, {}), ({"maximum": 1, "value": 1}, {"value": 1}), ({"minimum": 9, "maximum": 3}, {}), ({"step": 0}, {}), ({"step": -8.0}, {}),
    ({"value": float("nan"), "maximum": float("inf"), "minimum": -float("inf")}, {}), ({"minimum": 2, "maximum": 30, "step": 0.5, "value": 400}, {"minimum": 2, "maximum": 30, "step": 0.5, "value": 30}),
    ({"maximum": 9, "step": 0.5, "value": 400}, {"maximum": 9, "step": 0.5, "value": 9}), ({"value": 400}, {"value": 150}), ({"maximum": 9}, {}), ({"maximum": 500, "value": 400}, {"maximum": 500, "value": 400}),
])  # fmt: skip
def test_bounds_that_no_slider_can_have_are_passed_over_and_the_page_is_built(stored: dict[str, float], left: dict[str, float]) -> None:
    config = UiConfig(Path("x"), {f"txt2img/Sampling steps/{name}": value for name, value in stored.items()})
    shown = {"value": 20, "minimum": 1, "maximum": 150, "step": 1}
    found = config.overrides("txt2img", "Sampling steps", shown)
    assert found == left
    gr.Slider(**{**shown, **found}, render=False)


@pytest.mark.parametrize(("own", "choices", "stored"), [(7.0, None, "seven"), (True, None, 1), (1, None, True), ("Euler", ["Euler"], "Nope"), ("text", None, 3)])
def test_a_value_that_does_not_fit_is_passed_over(own: object, choices: list[str] | None, stored: object) -> None:
    config = UiConfig(Path("x"), {"txt2img/Name/value": stored})
    assert config.overrides("txt2img", "Name", {"value": own, "choices": choices}) == {}


@pytest.mark.parametrize("own", [(), []])
def test_a_list_of_several_starts_with_those_that_are_in_it(own: Sequence[str]) -> None:
    """As "Defaults: Apply" writes the styles."""
    config = UiConfig(Path("ui-config.json"), {"txt2img/Styles/value": ["oil"]})
    assert config.overrides("txt2img", "Styles", {"value": own, "choices": ["ink", "oil"]}) == {"value": ["oil"]}
    assert config.overrides("txt2img", "Styles", {"value": own, "choices": ["ink"]}) == {}


def test_a_broken_ui_config_is_an_empty_one_and_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "ui-config.json"
    path.write_text("{broken")
    assert UiConfig.read(path).values == {}
    assert [each.read_text() for each in tmp_path.glob("ui-config.json.corrupt-*")] == ["{broken"]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("", (0, 75)),
        ("a cat", (2, 75)),
        ("(a cat:1.3) <lora:x:1>", (2, 75)),
        ("a cat AND a very big dog", (4, 75)),
        ("[a cat:a very big dog:0.5]", (4, 75)),
        ("a cat BREAK a dog", (77, 150)),
        (" ".join(["cat"] * 75), (75, 75)),
        (" ".join(["cat"] * 76), (76, 150)),
    ],
)
def test_tokens_are_counted_as_the_engine_counts(page: BuiltPage, prompt: str, expected: tuple[int, int]) -> None:
    assert token_count(page.app, prompt, (), negative=False) == expected


def test_an_embedding_counts_as_its_vectors_where_the_loaded_checkpoint_takes_it(page: BuiltPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page.app.embeddings, "registered", lambda: [Embedding(name="my-word", tensors=(torch.zeros(9, 4),))])

    def count_of(prompt: str) -> int:
        return token_count(page.app, prompt, (), negative=False)[0]

    as_words = count_of("my-word")
    for width, expected in ((None, as_words), (4, 9), (6, as_words)):
        loaded = width and SimpleNamespace(text_encoders=[SimpleNamespace(width=width, spec=SimpleNamespace(is_clip=True))])
        monkeypatch.setattr(type(page.app.checkpoints), "components", property(lambda _self, loaded=loaded: loaded))
        assert count_of("my-word") == expected and count_of("a my-word cat") == expected + 2
        with app_slot.occupied(page.app):
            assert StableDiffusionModelHijack().get_prompt_lengths("my-word") == (expected, 75)


def test_a_chosen_style_counts(page: BuiltPage, monkeypatch: pytest.MonkeyPatch) -> None:
    from modules.engine.styles import Style
    from modules.gradio_ui import token_counts

    monkeypatch.setattr(token_counts, "read_styles", lambda _paths: {"s": Style(name="s", prompt="big {prompt} house", negative_prompt="ugly")})
    assert token_count(page.app, "red", ["s"], negative=False)[0] == 3
    assert token_count(page.app, "red", ["s"], negative=True)[0] == 3  # red, comma, ugly
    assert counter_html(page.app, "red", [], negative=False) == "<span>1/75</span>"


def test_save_copies_the_chosen_picture_and_writes_the_log(behind: Callable[..., Behind], page: BuiltPage) -> None:
    server = behind()
    folder = server.app.paths.data_dir / "kept"
    server.app.settings.set("outdir_save", str(folder))
    server.run("task(1)", page.values(prompt="one, two", steps=1, n_iter=2, seed=5))
    buttons = ResultButtons(app=server.app, tab="txt2img", files=server.submitter.files)
    update, message = buttons.save("task(1)", "2")
    (saved,) = (Path(each) for each in update["value"])
    assert saved.parent == folder and saved.name == "00000-6.png" and saved.name in message
    (row,) = csv.DictReader((folder / "log.csv").open())
    assert (row["prompt"], row["seed"], row["filename"]) == ("one, two", "6", "00000-6.png")
    names = [Path(buttons.save("task(1)", index)[0]["value"][0]).name for index in ("2", "1")]
    assert names == ["00001-6.png", "00002-5.png"], "counted on, whatever the seed, as A1111 does"
    for none in ("0", "-1"):        # the sheet is shown large, or none is
        assert [Path(each).stem[6:] for each in buttons.save("task(1)", none)[0]["value"]] == ["5", "5", "6"], "all of them, as A1111 does"


def test_the_folder_that_opens_is_the_chosen_pictures(behind: Callable[..., Behind], page: BuiltPage, monkeypatch: pytest.MonkeyPatch) -> None:
    server, opened = behind(), []
    monkeypatch.setattr("modules.gradio_ui.result_buttons.show_folder", opened.append)
    server.run("task(1)", page.values(steps=1, n_iter=2, seed=5))
    buttons = ResultButtons(app=server.app, tab="txt2img", files=server.submitter.files)
    here: Any = SimpleNamespace(client=SimpleNamespace(host="127.0.0.1"), headers={})
    for index in ("0", "2", ""):
        buttons.open_folder("task(1)", index, here)
    assert [each.parent.name for each in opened] == ["txt2img-grids", "txt2img-images", "txt2img-grids"]


def test_the_archive_holds_every_picture(behind: Callable[..., Behind], page: BuiltPage) -> None:
    server = behind()
    server.run("task(1)", page.values(steps=1, n_iter=3))
    buttons = ResultButtons(app=server.app, tab="txt2img", files=server.submitter.files)
    archive, *pictures = (Path(each) for each in buttons.save_zip("task(1)")[0]["value"])
    again = Path(buttons.save_zip("task(1)")[0]["value"][0])
    assert archive.parent == again.parent == server.app.paths.output_folder(server.app.settings.get("outdir_save")) and archive != again
    assert re.fullmatch(r"\d{14}_\[fake\]_\d+\.zip", archive.name), "as A1111 calls it"
    with zipfile.ZipFile(archive) as packed:
        assert packed.namelist() == [each.name for each in pictures] and len(pictures) == 4 and packed.testzip() is None


def test_what_the_disk_refuses_to_the_buttons_is_told_and_nothing_half_is_left(behind: Callable[..., Behind], page: BuiltPage, monkeypatch: pytest.MonkeyPatch) -> None:
    server = behind()
    folder = server.app.paths.data_dir / "kept"
    server.app.settings.set("outdir_save", str(folder))
    server.run("task(1)", page.values(steps=1, n_iter=2, seed=5))
    buttons = ResultButtons(app=server.app, tab="txt2img", files=server.submitter.files)

    def full(*_: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def refused(*_: object, **_more: object) -> None:
        raise StorageError("The disk is full.", "Free some space.")

    with monkeypatch.context() as patch:
        patch.setattr(result_buttons, "save_file", refused)
        assert "could not be saved: The disk is full. Free some space." in buttons.save("task(1)", "1")[1]
        assert "could not be saved: The disk is full." in buttons.save_zip("task(1)")[1]
    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "write", full)
        assert "archive could not be written: " in buttons.save_zip("task(1)")[1] and [each for each in folder.iterdir() if each.suffix not in (".png", ".csv")] == []
    with monkeypatch.context() as patch:
        patch.setattr(result_buttons, "_append_log", full)
        update, message = buttons.save("task(1)", "1")
        assert Path(update["value"][0]).is_file() and "Saved: " in message and "log.csv has no line for it" in message
    for each in server.app.paths.outputs_dir.rglob("*.png"):
        each.unlink()
    assert "is gone" in buttons.save("task(1)", "1")[1]


@pytest.mark.skipif(os.name == "nt", reason="such limits are those of other systems")
def test_the_log_that_an_older_a1111_began_goes_on_in_its_columns(tmp_path: Path) -> None:
    path, old = tmp_path / "log.csv", LOG_COLUMNS[:9]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([old, ["a\nred cat", 1, 96, 96, "Euler a", 7, 4, "00003-1.png", "dög"]])
    finished: Any = SimpleNamespace(info={"prompt": "b", "sd_model_name": "mine"}, images=[SimpleNamespace(seed=5)])
    for name in ("4.png", "5.png"):
        _append_log(path, finished, 0, name)
    rows = list(csv.DictReader(path.open(newline="", encoding="utf-8")))
    assert [(row["prompt"], row["filename"], row["negative_prompt"], row["sd_model_name"]) for row in rows] == [
        ("a\nred cat", "00003-1.png", "dög", ""), ("b", "4.png", "", "mine"), ("b", "5.png", "", "mine")]
    path.write_text("my,own,table\n1,2,3\n")
    _append_log(path, finished, 0, "6.png")
    assert path.read_text().startswith("my,own,table\n1,2,3\n")


def test_a_line_of_the_log_is_whole_or_not_there(tmp_path: Path) -> None:
    """A limit on the file's length, as a disk that is full in the middle of the line."""
    import resource

    info = {"prompt": "a" * 300}
    finished: Any = SimpleNamespace(info=info, images=[SimpleNamespace(seed=5)])
    path, before = tmp_path / "log.csv", resource.getrlimit(resource.RLIMIT_FSIZE)
    _append_log(path, finished, 0, "first.png")
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 50, before[1]))
        with pytest.raises(OSError):
            _append_log(path, finished, 0, "second.png")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    _append_log(path, finished, 0, "third.png")
    assert [(row["filename"], row["prompt"]) for row in csv.DictReader(path.open())] == [("first.png", info["prompt"]), ("third.png", info["prompt"])]


def test_settings_and_defaults_that_the_disk_refuses_are_told(behind: Callable[..., Behind], monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **_more: object) -> None:
        raise StorageError("The disk is full.", "Free some space.")

    app = behind().app
    monkeypatch.setattr(app.settings, "save", refused)
    assert "The disk is full." in json.loads(store_settings(app, {"samples_format": "jpg"}))["errors"][0] and app.settings.get("samples_format") == "jpg"
    monkeypatch.setattr(UiConfig, "save", refused)
    monkeypatch.setattr(Defaults, "_changes", lambda *_: iter([Change(key="txt2img/Sampling steps/value", before=20, now=5)]))
    assert "The disk is full." in Defaults(components={}, config_file=app.paths.data_dir / "ui-config.json").apply("{}")


def test_names_of_archive_and_save_folder_follow_the_settings(behind: Callable[..., Behind], page: BuiltPage) -> None:
    server = behind()
    folder = server.app.paths.data_dir / "kept"
    server.app.settings.update(
        {"outdir_save": str(folder), "use_save_to_dirs_for_ui": True, "directories_filename_pattern": "[steps]/[prompt_words]", "grid_zip_filename_pattern": "all-[seed]/.."}
    )
    server.run("task(1)", page.values(prompt="one, two", steps=1, n_iter=2, seed=5))
    buttons = ResultButtons(app=server.app, tab="txt2img", files=server.submitter.files)
    saved = Path(buttons.save("task(1)", "1")[0]["value"][0])
    assert saved.parent == folder / "1" / "one two"
    archive = Path(buttons.save_zip("task(1)")[0]["value"][0])
    assert archive.name.startswith("all-") and archive.suffix == ".zip" and archive.parent == folder


def test_saved_pictures_are_named_by_the_pattern_with_or_without_a_number(behind: Callable[..., Behind], page: BuiltPage) -> None:
    server = behind()
    folder = server.app.paths.data_dir / "kept"
    pattern = "[prompt_words]-[seed]-[batch_number]-[width]x[height]-[steps]-[sampler]-[scheduler]"
    unnumbered = {"save_images_add_number": False, "save_images_replace_action": "Add number suffix"}
    server.app.settings.update({"outdir_save": str(folder), "samples_filename_pattern": pattern, "save_txt": True, **unnumbered})
    server.run("task(1)", page.values(prompt="one, two", steps=1, batch_size=2, width=64, height=96, seed=5, sampler_name="Euler", scheduler="Karras"))
    buttons = ResultButtons(app=server.app, tab="txt2img", files=server.submitter.files)

    def saved(index: int) -> str:
        return Path(buttons.save("task(1)", str(index))[0]["value"][0]).name

    assert saved(2) == "one two-6-2-64x96-1-Euler-Karras.png" and "Seed: 6" in (folder / "one two-6-2-64x96-1-Euler-Karras.txt").read_text()
    assert saved(2) == "one two-6-2-64x96-1-Euler-Karras-1.png", "nothing is lost"
    server.app.settings.update({"save_images_replace_action": "Replace", "samples_filename_pattern": "kept/[seed]"})
    assert (saved(1), saved(1)) == ("5.png", "5.png") and [each.name for each in (folder / "kept").glob("*.png")] == ["5.png"]
    server.app.settings.update({"save_images_add_number": True, "samples_filename_pattern": "", "save_to_dirs": False})
    assert saved(1) == "00000-5-one, two.png"


def test_names_tell_the_styles_and_the_prompt_without_them(behind: Callable[..., Behind], page: BuiltPage) -> None:
    """Of the pictures as they are saved by themselves, and by the Save button."""
    server = behind()
    folder = server.app.paths.data_dir / "kept"
    (server.app.paths.data_dir / "styles.csv").write_text('name,prompt,negative_prompt\noil,"oil painting of {prompt}, thick",\nflat,"simple, flat",\n')
    server.app.settings.update({"outdir_save": str(folder), "samples_filename_pattern": "[styles]-[prompt_no_styles]", "save_to_dirs": False})
    server.run("task(1)", page.values(prompt="a red house", steps=1, seed=5, styles=["oil", "flat"]))
    (own,) = (each.name for each in server.app.paths.outputs_dir.rglob("*.png") if "grid" not in each.name)
    buttons = ResultButtons(app=server.app, tab="txt2img", files=server.submitter.files)
    assert own == Path(buttons.save("task(1)", "0")[0]["value"][0]).name == "00000-oil, flat-a red house.png"


def test_lists_of_tabs_above_the_tabs_offer_the_tabs(behind: Callable[..., Behind]) -> None:
    import gradio as gr

    from modules.gradio_ui.quicksettings import build_quicksettings, offer_tabs

    app = behind().app
    app.settings.update({"quicksettings_list": ["hidden_tabs"], "hidden_tabs": ["Gone"]})
    choices = ChoiceSources.of(app)
    with gr.Blocks():
        (quick,) = row = build_quicksettings(app, choices)
        with gr.Row() as nav:
            gr.Button("txt2img")
            gr.Button("Tab of an extension")
        offer_tabs(app, row, nav, choices)
    expected = ["txt2img", "Tab of an extension", "Gone"]
    assert [value for _, value in quick.component.choices] == expected == choices("tabs"), "also after a refresh"  # type: ignore[attr-defined]


def test_the_button_beside_a_list_of_files_finds_a_file_that_came_meanwhile(behind: Callable[..., Behind]) -> None:
    """Above the tabs, and on a tab, where what is chosen there stays."""
    from types import SimpleNamespace

    from modules.gradio_ui.extra_options import _offered_now
    from modules.gradio_ui.quicksettings import _refresher

    app = behind().app
    choices, setting = ChoiceSources.of(app), app.settings.table.find("sd_vae")
    folder = app.paths.data_dir / "models" / "VAE"
    folder.mkdir(parents=True, exist_ok=True)
    assert not choices("vaes"), "looked through before they come"
    (folder / "first.safetensors").write_bytes(b"x")
    assert "first.safetensors" in _refresher(app, setting, choices)()["choices"]
    (folder / "second.safetensors").write_bytes(b"x")
    update = _offered_now(app, SimpleNamespace(choices=choices), setting)  # type: ignore[arg-type]
    assert "second.safetensors" in update["choices"] and "value" not in update


def test_buttons_say_when_there_is_nothing_yet(behind: Callable[..., Behind]) -> None:
    server = behind()
    buttons = ResultButtons(app=server.app, tab="txt2img", files=server.submitter.files)
    assert "no picture" in buttons.save("", "0")[1]
    assert "no pictures" in buttons.save_zip("")[1]


@pytest.mark.group("S13")
def test_png_info_reads_a_picture_and_escapes_it(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(png_bytes(Image.new("RGB", (8, 8)), "<b>a cat\nSteps: 1, Sampler: Euler, Seed: 3"))
    html, text = picture_info(str(path))
    assert text.startswith("<b>a cat") and "&lt;b&gt;a cat" in html


def test_png_info_says_what_it_did_not_find(tmp_path: Path) -> None:
    plain, foreign = tmp_path / "plain.png", tmp_path / "foreign.png"
    Image.new("RGB", (8, 8)).save(plain)
    foreign.write_text("not a picture")
    assert "no generation parameters" in picture_info(str(plain))[0]
    assert "Not a picture" in picture_info(str(foreign))[0]
    assert picture_info(None) == ("", "")


def test_only_fitting_values_are_put_back_after_a_reload(page: BuiltPage) -> None:
    import gradio as gr

    chips = gr.Dropdown([], multiselect=True, elem_id="chips", render=False)
    wanted = {
        "txt2img_steps": 9, "txt2img_prompt": "x", "txt2img_sampling": "Euler a", "txt2img_scheduler": "Nope", "txt2img_width": "wide", "txt2img_seed": True,
        "txt2img_hr-checkbox": True, "txt2img_styles": ["gone"], "chips": ["Clip skip: 2"],
    }  # fmt: skip
    components = [chips, *page.form.components]
    updates = dict(zip((each.elem_id for each in components), restored(components, json.dumps(wanted), chips)))
    put_back = {elem_id: update["value"] for elem_id, update in updates.items() if "value" in update}
    assert put_back == {name: wanted[name] for name in ("chips", "txt2img_steps", "txt2img_prompt", "txt2img_sampling", "txt2img_hr-checkbox")}
    for broken in ("", "{", "[1]", "null"):
        assert all("value" not in each for each in restored(components, broken, chips))


def test_well_known_upscalers_are_listed_before_their_files_are_here(behind: Callable[..., Behind]) -> None:
    """As in A1111, where the first use downloads them; its two settings choose among Real-ESRGAN's and DAT's."""
    app = behind().app
    choices = ChoiceSources.of(app)
    assert choices("upscalers")[:3] == ["None", "Lanczos", "Nearest"]
    assert {"R-ESRGAN 4x+", "DAT x2", "SwinIR 4x"} <= set(choices("upscalers")) and "R-ESRGAN 2x+" not in choices("hires_upscalers")
    app.settings.update({"realesrgan_enabled_models": ["R-ESRGAN 2x+"], "dat_enabled_models": []})
    assert [each for each in choices("hires_upscalers") if each.startswith(("R-", "DAT"))] == ["R-ESRGAN 2x+"]


def test_styles_are_said_in_safaris_words_too() -> None:
    """It knows user-select under its own name alone, and on an iPad part of 100vh lies below the browser's bars: a dialog's buttons with it."""
    for sheet in STATIC.glob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert len(re.findall(r"^\s*user-select:", text, re.MULTILINE)) == text.count("-webkit-user-select:"), sheet.name
        assert "max-height: calc(100vh" not in text, sheet.name


@pytest.mark.parametrize("name", ["plain.js", "日本 ü.js", "100%25#1?.js"])
def test_the_address_of_a_script_of_any_name_names_that_file(name: str, tmp_path: Path) -> None:
    file = tmp_path / "javascript" / name
    file.parent.mkdir()
    file.touch()
    app: Any = SimpleNamespace(paths=SimpleNamespace(data_dir=tmp_path))
    address = urlsplit(html.unescape(foreign_head._url(app, file)))
    assert unquote(address.path) == f"file=javascript/{name}" and not address.fragment and float(address.query)
