"""config.json: nothing wrong gets in, nothing foreign gets lost, and no damage stops a start."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from modules.application.settings_store import OverlaidSettings, SettingsStore
from modules.schema.errors import InvalidValue, UnknownName
from modules.schema.settings.table import SETTINGS

ROOT = Path(__file__).parents[2]


def store_of(path: Path) -> SettingsStore:
    return SettingsStore(path, SETTINGS)


def test_values_survive_a_restart_and_foreign_keys_stay(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"some_extension_key": {"deep": [1]}, "CLIP_stop_at_last_layers": 3, "jpeg_quality": 90.0}))
    store = store_of(path)
    assert store.get("CLIP_stop_at_last_layers") == 3 and store.get("jpeg_quality") == 90 and store.get("samples_save") is True
    heard: list[Any] = []
    store.on_change("randn_source", heard.append)
    assert store.set("randn_source", "CPU") and not store.set("randn_source", "CPU")
    store.save()
    again = store_of(path)
    assert again.get("randn_source") == "CPU" and heard == ["CPU"] and not again.notices
    assert json.loads(path.read_text())["some_extension_key"] == {"deep": [1]}
    assert json.loads(path.with_name("config.json.bak").read_text())["CLIP_stop_at_last_layers"] == 3
    assert again.changed() == {"CLIP_stop_at_last_layers": 3, "jpeg_quality": 90, "randn_source": "CPU"}
    assert set(again.as_dict()) == set(SETTINGS.by_key)


def test_settings_that_older_versions_of_a1111_wrote_under_other_keys_are_kept(tmp_path: Path) -> None:
    """Guides of 2023 have people write "quicksettings" into config.json: A1111 itself goes on reading it."""
    path = tmp_path / "config.json"
    old = {"quicksettings": "sd_model_checkpoint, sd_vae,", "ui_reorder": "sampler, seed", "sd_vae_as_default": True}
    path.write_text(json.dumps(old))
    store = store_of(path)
    assert store.get("quicksettings_list") == ["sd_model_checkpoint", "sd_vae"] and store.get("ui_reorder_list") == ["sampler", "seed"]
    assert store.get("sd_vae_overrides_per_model_preferences") is False and not store.notices
    store.save()
    assert json.loads(path.read_text()).items() >= old.items()
    path.write_text(json.dumps({**old, "quicksettings_list": ["randn_source"], "ui_reorder_list": None, "ui_reorder": "", "sd_vae_as_default": "?", "face_restoration_model": None}))
    again = store_of(path)
    assert again.get("quicksettings_list") == ["randn_source"] and again.get("ui_reorder_list") == [] and again.get("sd_vae_overrides_per_model_preferences") is True
    assert again.get("face_restoration_model") == SETTINGS.find("face_restoration_model").default and not again.notices


@pytest.mark.group("S20")
def test_two_servers_over_one_folder_and_an_editor_keep_each_others_settings(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"jpeg_quality": 70}))
    first, second = store_of(path), store_of(path)
    first.set("n_rows", 3)
    first.save()
    second.set("jpeg_quality", 60)
    second.keep_unknown("an_extensions", 1)
    second.save()
    path.write_text(json.dumps({**json.loads(path.read_text()), "randn_source": "CPU", "n_rows": 5}))       # by hand, while both run
    first.set("samples_format", "webp")
    first.save()
    assert json.loads(path.read_text()) == {"jpeg_quality": 60, "n_rows": 5, "an_extensions": 1, "randn_source": "CPU", "samples_format": "webp"}
    first.set("n_rows", 3)
    first.save()                        # the last one to choose decides
    path.write_text("{ half")
    second.save()                       # what cannot be read is kept as .bak, as any former version
    assert store_of(path).get("jpeg_quality") == 60 and not store_of(path).notices


def test_refusals_leave_everything_as_it_was(tmp_path: Path) -> None:
    store = store_of(tmp_path / "config.json")
    with pytest.raises(UnknownName, match="CLIP_stop_at_last_layers"):
        store.set("CLIP_stop_at_last_layer", 2)
    for bad in ("x", 99, None, [], float("nan"), {}):
        with pytest.raises(InvalidValue):
            store.set("CLIP_stop_at_last_layers", bad)
    with pytest.raises(InvalidValue):
        store.update({"randn_source": "CPU", "jpeg_quality": "bad"})
    assert store.changed() == {}
    store.get("quicksettings_list").append("mine")
    assert store.get("quicksettings_list") == ["sd_model_checkpoint"]


DAMAGE: dict[str, bytes] = {
    "empty": b"", "half": b'{"a": 1, "b', "random": bytes(range(256)) * 4, "list": b"[1]", "number": b"7", "null": b"null",
    "deep": b"[" * 200_000, "nan": b'{"jpeg_quality": NaN, "eta_ddim": Infinity}', "zeros": b"\0" * 1000, "huge number": b'{"jpeg_quality": 1e999}',
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_kept_and_said(tmp_path: Path, name: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(DAMAGE[name])
    store = store_of(path)
    assert store.get("jpeg_quality") == 80 and store.notices
    store.set("jpeg_quality", 70)
    store.save()
    assert store_of(path).get("jpeg_quality") == 70
    if name not in ("nan", "huge number"):
        assert [each.read_bytes() for each in tmp_path.glob("config.json.corrupt-*")] == [DAMAGE[name]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_other_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes((b"\xff\xfe" if encoding == "utf-16-le" else b"") + '{"jpeg_quality": 55}'.encode(encoding))
    assert store_of(path).get("jpeg_quality") == 55


def test_a_folder_or_a_dangling_link_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "a" / "config.json").mkdir(parents=True)
    assert store_of(tmp_path / "a" / "config.json").notices
    if os.name == "nt":             # who may make links there is the administrator's word
        return
    (tmp_path / "config.json").symlink_to(tmp_path / "nowhere")
    store = store_of(tmp_path / "config.json")
    assert store.notices and store.get("samples_save") is True


def test_a_listener_that_fails_does_not_undo_the_change(tmp_path: Path) -> None:
    store = store_of(tmp_path / "config.json")
    store.on_change("samples_save", lambda value: 1 / 0)
    assert store.set("samples_save", False) and store.get("samples_save") is False


def test_sixteen_threads_write_one_file(tmp_path: Path) -> None:
    store = store_of(tmp_path / "config.json")

    def work(k: int) -> None:
        for n in range(5):
            store.set("jpeg_quality", k * 5 + n + 1)
            store.save()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert json.loads((tmp_path / "config.json").read_text())["jpeg_quality"] == store.get("jpeg_quality")


KILLED = """
import os, sys
from pathlib import Path
from modules.application.settings_store import SettingsStore
from modules.files.storage import Storage
from modules.schema.settings.table import SETTINGS
left = int(sys.argv[2])
def before(self, step, path):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), 9)
Storage.before = before
store = SettingsStore(Path(sys.argv[1]), SETTINGS)
store.set("jpeg_quality", 11)
store.save()
"""


@pytest.mark.parametrize("n", range(0, 10, 3))
@pytest.mark.group("R2")
def test_kill_while_saving(tmp_path: Path, n: int) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"jpeg_quality": 42}')
    subprocess.run([sys.executable, "-c", KILLED, str(path), str(n)], cwd=ROOT, check=False)
    assert store_of(path).get("jpeg_quality") in (42, 11) and not store_of(path).notices


def test_layers_for_one_job() -> None:
    settings = OverlaidSettings(SETTINGS, {"jpeg_quality": 50, "eta_ddim": 0.5}, {"jpeg_quality": 60})
    assert (settings.get("jpeg_quality"), settings.get("eta_ddim"), settings.get("randn_source")) == (60, 0.5, "GPU")
    with pytest.raises(UnknownName):
        OverlaidSettings(SETTINGS, {"nope": 1})



def test_settings_without_a_page_are_not_frozen_by_default() -> None:
    from modules.application.settings_rules import is_frozen
    from modules.schema.flags import parse_flags

    setting = SETTINGS.find("disabled_extensions")
    assert not is_frozen(parse_flags([], {}).flags, setting)
    assert is_frozen(parse_flags(["--freeze-settings"], {}).flags, setting)


@pytest.mark.parametrize(("key", "stored", "used"), [("jpeg_quality", 400, 100), ("sd_checkpoints_limit", 50, 10), ("token_merging_ratio", 2.5, 0.9), ("jpeg_quality", 79.6, 80), ("CLIP_stop_at_last_layers", -5, -1)])
def test_a_number_of_an_old_file_beyond_our_range_becomes_the_nearest_and_is_told(tmp_path: Path, key: str, stored: float, used: float) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({key: stored}))
    store = store_of(path)
    assert store.get(key) == used and key in store.notices[0]
    assert store.notices[0].endswith("Its default is used." if used == SETTINGS.find(key).default else f"{used} is used.")
