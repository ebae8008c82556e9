"""What Windows refuses for a moment, or for good, and Linux never does: imitated here with the errors that Windows gives."""
from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from modules.extension_host.crashes import StartDiary
from modules.files import atomic, git_facts, json_object, long_paths, storage
from modules.files.slate import Slate
from modules.files.storage import StorageError
from modules.library.header import unreadable

DENIED, IN_USE = 5, 32


def refusing(times: int, code: int, real: Callable[..., Any]) -> Callable[..., Any]:
    """``real``, after it was refused so many times."""
    left = [times]

    def call(*arguments: object) -> Any:
        if left[0]:
            left[0] -= 1
            error = PermissionError(errno.EACCES, "The process cannot access the file", str(arguments[0]))
            error.winerror = code  # type: ignore[attr-defined]
            raise error
        return real(*arguments)

    return call


@pytest.mark.parametrize("code", [DENIED, IN_USE])
def test_a_file_that_a_virus_scanner_reads_just_then_is_replaced_a_moment_later(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.json"
    path.write_text("old")
    monkeypatch.setattr(os, "replace", refusing(3, code, os.replace))
    monkeypatch.setattr(os, "unlink", refusing(3, code, os.unlink))
    atomic.write_text(path, "new")
    assert path.read_text() == "new" and [each.name for each in tmp_path.iterdir()] == ["config.json"]


def test_one_that_stays_open_elsewhere_is_named_as_such_and_keeps_what_it_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.json"
    path.write_text("old")
    monkeypatch.setattr(storage, "_PATIENCE", 0.05)
    monkeypatch.setattr(os, "replace", refusing(10_000, IN_USE, os.replace))
    with pytest.raises(StorageError, match=r"config\.json was not written: another program has it open\. Close that program"):
        atomic.write_text(path, "new")
    assert path.read_text() == "old" and [each.name for each in tmp_path.iterdir()] == ["config.json"]


def test_a_folder_in_the_way_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").mkdir()
    monkeypatch.setattr(storage.time, "sleep", lambda seconds: pytest.fail("waited"))
    monkeypatch.setattr(os, "replace", refusing(10_000, DENIED, os.replace))
    with pytest.raises(StorageError, match=r"config\.json is a folder"):
        atomic.write_text(tmp_path / "config.json", "{}")


def test_a_path_longer_than_windows_takes_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "longest_path", lambda: 259)
    error = FileNotFoundError(errno.ENOENT, "The system cannot find the path specified")
    assert "too long" in storage.explain(error, tmp_path / ("x" * 250) / "00000.png").message
    assert "too long" not in storage.explain(error, Path("C:/sd/00000.png")).message


def test_room_below_a_folder_ends_where_windows_does(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(Path.cwd().anchor) / ("o" * 200)
    monkeypatch.setattr(long_paths, "longest_path", lambda: None)
    assert long_paths.room_below(folder) == 255
    monkeypatch.setattr(long_paths, "longest_path", lambda: 259)
    assert len(str(folder / ("x" * long_paths.room_below(folder)))) == 259
    assert long_paths.room_below(Path("/") / ("o" * 300)) == 0


@pytest.mark.skipif(os.name == "nt", reason="the git of this test is a shell script")
def test_what_git_says_in_another_encoding_is_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a Windows in Japanese, where Python takes UTF-8 for another encoding; here the bytes are no UTF-8."""
    (tmp_path / "git").write_bytes(b"#!/bin/sh\nprintf 'https://host/caf\\351'\n")
    (tmp_path / "git").chmod(0o755)
    (tmp_path / "clone" / ".git").mkdir(parents=True)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert git_facts.remote_of(tmp_path / "clone") == "https://host/caf\N{REPLACEMENT CHARACTER}"


def test_a_new_folder_that_a_virus_scanner_does_not_let_go_is_copied_to_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, target = tmp_path / "made", tmp_path / "extension"
    (made / ".git").mkdir(parents=True)
    (made / ".git" / "HEAD").write_text("ref: refs/heads/main")
    monkeypatch.setattr(storage, "_PATIENCE", 0.05)
    monkeypatch.setattr(os, "rename", refusing(10_000, DENIED, os.rename))
    storage.move_made_folder(made, target)
    assert (target / ".git" / "HEAD").read_text() == "ref: refs/heads/main"


def test_settings_that_a_backup_reads_at_the_start_are_not_taken_for_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"jpeg_quality": 55}')
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: refused(self))
    refused = refusing(3, IN_USE, lambda self: read(self))
    assert json_object.read_or_set_aside(path, instead="defaults") == ({"jpeg_quality": 55}, "")


def _as_windows_opens(monkeypatch: pytest.MonkeyPatch, reason: int) -> None:
    """``open`` there says "permission denied", whatever the reason is; its own CreateFile tells it."""
    def create(*_: object) -> int:
        error = PermissionError(errno.EACCES, "Sharing violation")
        error.winerror = reason  # type: ignore[attr-defined]
        raise error

    monkeypatch.setitem(sys.modules, "_winapi", SimpleNamespace(CreateFile=create))
    monkeypatch.setattr(sys, "platform", "win32")


@pytest.mark.skipif(os.name == "nt", reason="imitates it")
def test_windows_is_asked_why_a_file_does_not_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read, left = tmp_path / "config.json", Path.read_bytes, [2]
    path.write_text('{"jpeg_quality": 55}')

    def opened(self: Path) -> bytes:
        left[0] -= 1
        if left[0] >= 0:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", opened)
    _as_windows_opens(monkeypatch, IN_USE)
    assert storage.read_patiently(path) == b'{"jpeg_quality": 55}'
    denied = PermissionError(errno.EACCES, "Permission denied", str(path))
    assert "another program has it for itself" in unreadable(path, denied).message
    _as_windows_opens(monkeypatch, DENIED)
    assert "may not read it" in unreadable(path, denied).message


def test_half_a_copied_folder_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, target = tmp_path / "made", tmp_path / "extension"
    made.mkdir()
    (made / "a.py").write_text("")

    def half(source: Path, goal: Path, **_: object) -> None:
        goal.mkdir()
        (goal / "a.py").write_text("")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage, "_PATIENCE", 0.05)
    monkeypatch.setattr(os, "rename", refusing(10_000, DENIED, os.rename))
    monkeypatch.setattr(storage.shutil, "copytree", half)
    with pytest.raises(OSError, match="No space"):
        storage.move_made_folder(made, target)
    assert not target.exists()


def test_the_diary_of_a_start_that_another_server_holds_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def held(self: Slate, data: bytes) -> None:
        tried.append(data.decode())
        raise StorageError("extension_start.json was not written: another program has it open.", "Close that program.")

    (tmp_path / "extension_start.json").write_text("{}")
    monkeypatch.setattr(Slate, "write", held)
    diary = StartDiary(tmp_path / "extension_start.json")
    for name in ("one", "two", "one"):
        diary.enter(name)
    assert len(tried) == 1
