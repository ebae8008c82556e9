"""kill -9 at every step of the file layer: what stands under its final name is whole, the file before it stays, and the next start cleans up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from modules.application.picture_saver import PictureSaver, SavePlan
from modules.application.settings_store import SettingsStore
from modules.engine.styles import Style, change_style, read_styles
from modules.extension_host.states import save_state, saved_states
from modules.files.atomic import write_text
from modules.gradio_ui.ui_config import UiConfig
from modules.imaging.filenames import NameFacts
from modules.imaging.metadata import read_infotext_from
from modules.imaging.save import NumberBook, SaveOptions, save_image
from modules.jobs.job import Job, JobState
from modules.jobs.store import open_store
from modules.library.cache import FileCache
from modules.library.card_edit import save_card, save_preview
from modules.schema.settings.table import SETTINGS
from tests.reliability.broken_disk import as_after_a_restart, every_kill

TEXT = "a cat,日本\nSteps: 2, Seed: 1"


def picture(shade: int = 90) -> Image.Image:
    return Image.effect_noise((64, 48), shade).convert("RGB")


@pytest.mark.group("R1")
@pytest.mark.parametrize(("options", "basename"), [
    ({"save_txt": True}, ""), ({"file_format": "jpg", "save_txt": True}, ""), ({"file_format": "webp"}, ""), ({"file_format": "avif"}, ""),
    ({"copy_above_side": 32, "save_txt": True}, ""), ({"add_number": False, "replace_existing": True, "pattern": "same"}, ""), ({}, "grid"),
])  # fmt: skip
def test_no_picture_is_half_there(options: dict[str, Any], basename: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, numbers = SaveOptions(**options), NumberBook()

    def save() -> Path:
        return save_image(picture(), tmp_path, NameFacts(seed=1, prompt="a cat"), wanted, numbers, infotext=TEXT, basename=basename)

    first = save()
    before = first.read_bytes()

    def whole() -> None:
        for path in tmp_path.rglob("*"):
            if path.is_dir() or path.name.startswith(".webui-tmp-"):
                continue
            if path.suffix == ".txt":
                assert path.read_text("utf-8") == TEXT + "\n"
            else:
                Image.open(path).load()
                assert read_infotext_from(path.read_bytes())[0] == TEXT
        assert wanted.replace_existing or first.read_bytes() == before

    steps = every_kill(save, whole)
    assert steps >= 5                               # make_folder, create, write, fsync, publish, sync_folder
    assert as_after_a_restart([tmp_path], monkeypatch) == []
    whole()


@pytest.mark.group("R1")
def test_what_was_saved_in_a_run_is_told_before_the_next_is_begun(tmp_path: Path) -> None:
    """The job's record never names a picture that is not there."""
    told: list[Path] = []

    def noted(done: list[Any]) -> None:
        told[:] = [each.path for each in done]
        assert all(path.is_file() for path in told)

    plan = SavePlan(folder=tmp_path, grid_folder=None, options=SaveOptions(), grid_options=SaveOptions(), incomplete=False, params_txt=None, max_part_length=99)
    settings = SimpleNamespace(get=lambda key: False)
    request = SimpleNamespace(prompt="", negative_prompt="", steps=1, guidance_scale=1.0, sampler_name="", batch_size=1, batch_count=3, is_img2img=False, strength_used=None,
                              hires=SimpleNamespace(enabled=False), options=SimpleNamespace(clip_skip=1), schedule_name="")
    models = SimpleNamespace(model=SimpleNamespace(stem=""), model_hash="", vae_name="")
    writer: Any = SimpleNamespace(settings=settings, request=request, models=models, user="", asked=SimpleNamespace(prompt=SimpleNamespace(prompt="", negative_prompt="", styles=())), infotext=lambda image: f"seed {image.seed}")
    saver = PictureSaver(plan, writer, NumberBook(), SimpleNamespace(strftime=lambda form: "now"), noted)  # type: ignore[arg-type]
    for seed in range(3):
        saver.take(SimpleNamespace(picture=picture(), seed=seed, index=seed, complete=True, prompt="", negative_prompt="", facts=None))  # type: ignore[arg-type]
    assert [each.path for each in saver.finish()] == told and len(set(told)) == 3


def _settings(folder: Path, value: int) -> None:
    store = SettingsStore(folder / "config.json", SETTINGS)
    assert not store.notices
    store.set("jpeg_quality", value)
    store.save()


def _cache(folder: Path, value: int) -> None:
    cache = FileCache(folder / "cache.json")
    cache.put(Path("a"), 1.0, 1, value=value)
    cache.save()


def _card(folder: Path, value: int) -> None:
    save_card(folder / "model.safetensors", {"notes": str(value)})


def _state(folder: Path, value: int) -> None:
    save_state(folder / "states", f"state-{value}", [], disabled=[], program={})


def _preview(folder: Path, value: int) -> None:
    save_preview(folder / "model.safetensors", bytes([value]) * 4000)


# how each is written, and how the value in it is read again
KEPT: dict[str, tuple[Callable[[Path, int], None], Callable[[Path], Any]]] = {
    "config": (_settings, lambda folder: SettingsStore(folder / "config.json", SETTINGS).get("jpeg_quality")),
    "ui-config": (lambda folder, value: UiConfig.read(folder / "ui.json").changed({"a": value}).save(), lambda folder: UiConfig.read(folder / "ui.json").values["a"]),
    "styles": (lambda folder, value: change_style(folder / "s.csv", "a", Style(name="a", prompt=str(value))),
               lambda folder: int(read_styles([folder / "s.csv"])["a"].prompt)),
    "cache": (_cache, lambda folder: FileCache(folder / "cache.json").get(Path("a"), 1.0, 1)["value"]),
    "metadata": (_card, lambda folder: int(json.loads((folder / "model.json").read_text())["notes"])),
    "params.txt": (lambda folder, value: write_text(folder / "params.txt", str(value), lasting=False), lambda folder: int((folder / "params.txt").read_text())),
    "preview": (_preview, lambda folder: (content := (folder / "model.png").read_bytes()) and content == bytes([content[0]]) * 4000 and content[0]),
}  # fmt: skip
WITH_BACKUP = ("config", "ui-config", "styles", "metadata")


@pytest.mark.group("R2")
@pytest.mark.parametrize("name", KEPT)
def test_what_is_kept_is_the_old_or_the_new(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, read = KEPT[name]
    write(tmp_path, 41)
    write(tmp_path, 42)

    def old_or_new() -> None:
        assert read(tmp_path) in (42, 43)

    assert every_kill(lambda: write(tmp_path, 43), old_or_new) >= 4
    assert read(tmp_path) == 43
    assert as_after_a_restart([tmp_path], monkeypatch) == [] and not list(tmp_path.glob("*.corrupt-*"))
    assert len(list(tmp_path.glob("*.bak"))) == (name in WITH_BACKUP)


@pytest.mark.group("R2")
def test_a_saved_state_of_the_extensions_is_there_or_not(tmp_path: Path) -> None:
    _state(tmp_path, 1)
    every_kill(lambda: _state(tmp_path, 2), lambda: None)
    found = saved_states(tmp_path / "states")
    assert {"state-1", "state-2"} == {each.name for each in found} and len(found) == len(list((tmp_path / "states").glob("*.json")))


@pytest.mark.group("R2")
@pytest.mark.parametrize("cut", range(0, 100, 9))
def test_a_queue_whose_last_write_was_cut_off_opens_with_what_was_there_before(cut: int, tmp_path: Path) -> None:
    """SQLite's own journal: the process ends without closing, and the journal's end is missing."""
    path = tmp_path / "jobs.sqlite3"
    store, _ = open_store(path)
    for n in range(5):
        store.add(Job(id=str(n), kind="k", payload={"n": n}))
    job = store.find("0")
    assert job is not None
    job.state = JobState.DONE
    store.save(job)
    copy = tmp_path / "after"
    copy.mkdir()
    for each in ("jobs.sqlite3", "jobs.sqlite3-wal"):
        content = (tmp_path / each).read_bytes()
        (copy / each).write_bytes(content[: len(content) * (100 - cut) // 100] if each.endswith("-wal") else content)
    store.close()
    again, notices = open_store(copy / "jobs.sqlite3")
    found = [each.id for each in again.recover()]
    again.close()
    assert not notices and found in ([], *([str(n) for n in range(k)] for k in range(1, 6)), ["1", "2", "3", "4"])
