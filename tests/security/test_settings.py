"""Settings over the API: nothing of a wrong kind is kept, nothing is written where programs are, nothing that governs others is changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.application.settings_rules import NOT_BY_REQUEST, PLACES, names_place
from modules.application.settings_store import SettingsStore
from modules.schema.setting import Setting
from modules.schema.settings.table import SETTINGS
from tests.security.conftest import Attacked

ODD: tuple[Any, ...] = ("\0", "x" * 2_000_000, -(10**30), 10**400, [[["x"]]], {"a": {"b": [1]}}, [None], True, "NaN", "<script>", "\ud800", "../../x", 1.5, "", None, [1, 2], {"": ""})
CODE = ("extensions", "extensions/new", "scripts", "modules", "modules/engine", "javascript", "localizations", "venv", ".git", "tests", "extensions-builtin/x")


def options(attacked: Attacked, values: dict[str, Any]) -> int:
    return attacked.wire.json("POST", "/sdapi/v1/options", values).status


def wrong(setting: Setting) -> Iterator[Any]:
    """Values that no setting of this kind may take. Null sets nothing where it is none."""
    for value in (each for each in ODD if each is not None or setting.default is None):
        try:
            setting.checked(value)
        except Exception:
            yield value


@pytest.fixture
def stored(attacked: Attacked) -> Iterator[Path]:
    """config.json; the settings are put back afterwards."""
    attacked.app.settings.save()
    path, before = attacked.app.paths.config_file, dict(attacked.app.settings.changed())
    yield path
    for key in set(attacked.app.settings.changed()) - set(before):
        attacked.app.settings.set(key, attacked.app.settings.table.find(key).fresh_default())
    attacked.app.settings.save()


def attack_options(attacked: Attacked, stored: Path, keys: list[str]) -> int:
    before, tried = stored.read_bytes(), 0
    for key in keys:
        for value in wrong(attacked.app.settings.table.find(key)):
            status = options(attacked, {"jpeg_quality": 33, key: value})
            assert 400 <= status < 500, (key, repr(value)[:80], status)
            tried += 1
    assert stored.read_bytes() == before and attacked.app.settings.get("jpeg_quality") != 33
    return tried


@pytest.mark.group("S20")
def test_wrong_values_of_some_settings(attacked: Attacked, stored: Path) -> None:
    assert attack_options(attacked, stored, sorted(SETTINGS.by_key)[::60]) > 30


@pytest.mark.long
@pytest.mark.group("S20")
def test_wrong_values_of_every_setting(attacked: Attacked, stored: Path) -> None:
    assert attack_options(attacked, stored, sorted(attacked.app.settings.table.by_key)) > 2000
    attacked.app.settings.save()
    assert SettingsStore(stored, attacked.app.settings.table).notices == []


@pytest.mark.group("S20")
def test_bodies_that_are_no_settings(attacked: Attacked, stored: Path) -> None:
    before = stored.read_bytes()
    for raw in (b"[]", b"null", b"1", b'"x"', b"{", b'{"jpeg_quality": NaN}', b'{"jpeg_quality": Infinity}', b'{"jpeg_quality": 1e999}', b'{"no_such_setting": 1}', b"{}" * 2, b'{"a":' * 5000 + b"1" + b"}" * 5000,
                b'{"jpeg_quality": 1' + b"0" * 6000 + b"}", b"\xff", b'{"": 1}', b'{"__class__": 1}', json.dumps({"k" * 100_000: 1}).encode()):  # fmt: skip
        answer = attacked.wire.send("POST", "/sdapi/v1/options", body=raw, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status < 500 and len(answer.body) < 20_000, raw[:60]
    assert stored.read_bytes() == before


@pytest.mark.group("S20")
@pytest.mark.group("S8")
def test_what_governs_others_is_refused_by_one_table(attacked: Attacked, stored: Path) -> None:
    before = attacked.app.settings.as_dict()
    assert options(attacked, before) == 200          # as clients do: all back, unchanged
    other: dict[str, Any] = {"disabled_extensions": ["visitor"], "disable_all_extensions": "all", "restore_config_state_file": "x", "api_enable_requests": False, "api_forbid_local_requests": False,
                             "api_useragent": "x", "temp_dir": "outputs", "clean_temp_dir_at_start": True, "font": "/dev/zero"}  # fmt: skip
    assert other.keys() == NOT_BY_REQUEST
    for key, value in other.items():
        assert options(attacked, {key: value}) == 422, key
        for restore in (True, False):
            body = {"steps": 1, "width": 64, "height": 64, "override_settings": {key: value}, "override_settings_restore_afterwards": restore}
            assert attacked.wire.json("POST", "/sdapi/v1/txt2img", body).status == 422, key
    assert attacked.app.settings.as_dict() == before


@pytest.mark.group("S4")
def test_no_picture_goes_where_programs_are(attacked: Attacked, stored: Path) -> None:
    """The chain of A1111's issue 2571: an output folder, a name and a text file that the next start would execute."""
    root, table = attacked.app.paths, attacked.app.settings.table
    keys = sorted(key for key, each in table.by_key.items() if (key in PLACES and isinstance(each.default, str) and key not in NOT_BY_REQUEST) or names_place(each))
    assert {"outdir_samples", "outdir_save", "samples_filename_pattern", "profiling_filename", "control_net_detectedmap_dir"} <= set(keys)
    code = [str(base / name) for base in (root.data_dir, root.script_dir) for name in CODE]
    hostile = [*code, *CODE, "/etc", "/", "..", "../..", "~", "/tmp/../etc", "extensions/../extensions/x", "outputs/../scripts", "Extensions/x", str(root.data_dir), str(root.script_dir.parent), "/proc/self/cwd",
               "extensions/visitor/scripts/evil.py", "\\\\host\\share", "a\0b", str(Path(json.__file__).parent)]  # fmt: skip
    listed = before(attacked)
    for number, key in enumerate(keys):
        is_pattern = key.endswith("_pattern")
        for value in ["../[seed]", "../../extensions/x/scripts/[seed].py", "a/../../b", "..\\..\\x", "\0"] if is_pattern else hostile[number % 4 :: 4]:
            status = options(attacked, {key: value})
            assert status == 422 or (status == 200 and _is_data(attacked, value)), (key, value, status)
            if status == 200:
                attacked.app.settings.set(key, table.find(key).fresh_default())
    for key in keys[::2]:
        body = {"steps": 1, "width": 64, "height": 64, "save_images": True, "override_settings": {key: str(root.data_dir / "extensions" / "visitor" / "scripts"), "save_txt": True}}
        for restore in (True, False):
            status = attacked.wire.json("POST", "/sdapi/v1/txt2img", {**body, "override_settings_restore_afterwards": restore}).status
            assert status == 422 or (status == 200 and key.endswith("_pattern")), key       # a name, below the usual folder
    assert before(attacked) == listed


def _is_data(attacked: Attacked, value: str) -> bool:
    """A plain place inside the data folder that holds no programs (backslashes are letters on this system)."""
    folder = attacked.app.paths.output_folder(value)
    return folder.is_relative_to(attacked.folder) and not attacked.app.paths.is_code_folder(folder)


def before(attacked: Attacked) -> set[Path]:
    """Every file where programs are loaded from."""
    return {path for base in (attacked.folder, attacked.app.paths.script_dir) for name in ("extensions", "scripts", "javascript", "localizations")
            for path in (base / name).rglob("*") if "__pycache__" not in path.parts}  # fmt: skip


@pytest.mark.group("S4")
def test_names_made_of_prompts_stay_names(attacked: Attacked, stored: Path) -> None:
    listed = before(attacked)
    attacked.app.settings.update({"samples_filename_pattern": "[prompt]", "save_txt": True, "directories_filename_pattern": "[prompt]", "save_to_dirs": True})
    attacked.app.settings.set("save_txt", True)
    for prompt in ("../../extensions/visitor/scripts/evil.py", "'''#\nimport os", "/etc/cron.d/x", "..\\..\\x", "con", "a\0b", "x" * 4000, ".", "..", "~/.bashrc"):
        answer = attacked.wire.json("POST", "/sdapi/v1/txt2img", {"prompt": prompt, "steps": 1, "width": 64, "height": 64, "save_images": True})
        assert answer.status == 200, answer.text[:200]
    assert before(attacked) == listed
    made = [path for path in (attacked.folder / "outputs").rglob("*") if path.is_file() and "txt2img-images" in path.parts]
    assert made and {path.suffix for path in made} <= {".png", ".txt"}


@pytest.mark.group("S4")
def test_the_file_layer_writes_no_programs(tmp_path: Path) -> None:
    from modules.files.atomic import write_bytes, write_new, write_new_file
    from modules.files.storage import PROGRAMS, StorageError

    for suffix in sorted(PROGRAMS):
        for name in (f"x{suffix}", f"x{suffix.upper()}", f"x{suffix}. ", suffix):
            with pytest.raises(StorageError, match="programs"):
                write_bytes(tmp_path / name, b"x")
            with pytest.raises(StorageError, match="programs"):
                write_new(tmp_path, lambda _number, name=name: name, b"x")
            with pytest.raises(StorageError, match="programs"):
                write_new_file(tmp_path / name, lambda file: file.write(b"x"))
    assert list(tmp_path.iterdir()) == []


def test_half_a_character_in_a_places_name_is_refused_with_a_sentence(attacked: Attacked) -> None:
    """Programs that cut texts in the middle of an emoji send such; no file can be called so."""
    for setting in SETTINGS:
        if names_place(setting) or setting.key == "profiling_filename":
            assert options(attacked, {setting.key: "cut\ud83d.json"}) == 422, setting.key
