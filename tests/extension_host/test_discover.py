"""Extension folders are found, switched and ordered without running anything of theirs."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

from modules.extension_host import discover
from modules.extension_host.discover import Switches, enabled_folders, find_extensions, read_switches


def names(folder: Path, switches: Switches | None = None) -> list[str]:
    return [path.name for path in enabled_folders(folder, switches or Switches())]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program's own: what ships lies in it beside what the user put there."""
    monkeypatch.setattr(discover, "SHIPPED", tmp_path)
    for name in ("b", "A", "tag-autocomplete", ".git", "__pycache__"):
        (tmp_path / name).mkdir()
    (tmp_path / "file.py").touch()
    return tmp_path


def test_shipped_ones_come_first_then_by_name(folder: Path) -> None:
    assert names(folder) == ["tag-autocomplete", "A", "b"]
    assert names(folder / "absent") == []


def test_a_folder_whose_name_no_page_can_show_is_left_out_and_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.mkdir(os.fsencode(folder) + b"/caf\xe9")
    assert names(folder) == ["tag-autocomplete", "A", "b"]
    assert "caf\\udce9 is left out" in caplog.text and "Rename it." in caplog.text


def test_a_folder_that_may_not_be_read_is_left_out_and_said(folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Such as one that was unpacked by another user; the start ended with it."""
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path).name != "A")
    assert names(folder) == ["tag-autocomplete", "b"]
    assert f"{folder / 'A'} is left out" in caplog.text and "may not be read" in caplog.text


@pytest.mark.parametrize(
    ("settings", "flags", "expected"),
    [
        ('{"disabled_extensions": ["b"]}', {}, ["tag-autocomplete", "A"]),
        ('{"disable_all_extensions": "extra"}', {}, ["tag-autocomplete"]),
        ('{"disable_all_extensions": "all"}', {}, []),
        ("{}", {"disable_extra": True}, ["tag-autocomplete"]),
        ('{"disable_all_extensions": "extra"}', {"disable_all": True}, []),
        ('{"disabled_extensions": "b", "disable_all_extensions": 5}', {}, ["tag-autocomplete", "A", "b"]),
        ("[]", {}, ["tag-autocomplete", "A", "b"]),
        ("{broken", {}, ["tag-autocomplete", "A", "b"]),
    ],
)
def test_settings_and_flags_switch_them(folder: Path, settings: str, flags: dict[str, bool], expected: list[str]) -> None:
    (folder / "config.json").write_text(settings, encoding="utf-8")
    assert names(folder, read_switches(folder / "config.json", **flags)) == expected


def test_metadata_names_an_extension_and_what_it_needs(folder: Path) -> None:
    (folder / "b" / "metadata.ini").write_text("[Extension]\nName = My-Name\nRequires = one, Two three\n", encoding="utf-8")
    (folder / "A" / "metadata.ini").write_bytes(b"\xff\xfe broken")
    found = {extension.name: extension for extension in find_extensions(folder, Switches())}
    assert found["b"].canonical_name == "my-name"
    assert found["b"].requires == {"one", "two", "three"}
    assert found["A"].canonical_name == "a"


def test_of_two_with_one_name_the_first_that_is_switched_on_is_loaded(folder: Path) -> None:
    """One that was cloned, say, and unpacked from an archive as well."""
    for name in ("c-main", "b"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "metadata.ini").write_text("[Extension]\nName = The-Same\n", encoding="utf-8")
    assert names(folder) == ["tag-autocomplete", "A", "b"] and find_extensions(folder, Switches())[-1].twin == "b"
    assert names(folder, Switches(disabled_names=frozenset({"b"}))) == ["tag-autocomplete", "A", "c-main"]
