"""A write leaves the old file or the new one, whatever step fails and whenever the process dies."""
from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from modules.files import atomic
from modules.files.storage import TEMP_PREFIX, Storage, StorageError, host_mark


class FailAt(Storage):
    """Raises at the n-th step."""

    def __init__(self, n: int, code: int = errno.ENOSPC) -> None:
        self.left, self.code = n, code

    def before(self, step: str, path: Path) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(self.code, os.strerror(self.code), str(path))


def left_behind(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir() if each.name.startswith(TEMP_PREFIX)]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("n", range(9))
def test_a_failed_replace_leaves_the_old_or_the_new_file(tmp_path: Path, n: int, code: int) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b"old")
    try:
        atomic.write_bytes(path, b"new" * 1000, backup=True, storage=FailAt(n, code))
        assert path.read_bytes() == b"new" * 1000
    except StorageError as error:
        assert "config.json" in str(error) and error.remedy
        assert path.read_bytes() in (b"old", b"new" * 1000)
    assert not left_behind(tmp_path)


@pytest.mark.parametrize("n", range(6))
def test_a_failed_new_file_leaves_none_or_all_of_it(tmp_path: Path, n: int) -> None:
    names = lambda number: f"{number:05}.png"
    (tmp_path / "00000.png").write_bytes(b"first")
    try:
        atomic.write_new(tmp_path, names, b"x" * 5000, storage=FailAt(n))
    except StorageError as error:
        assert "disk is full" in str(error)
    assert (tmp_path / "00000.png").read_bytes() == b"first"
    assert all(each.read_bytes() in (b"first", b"x" * 5000) for each in tmp_path.iterdir())
    assert not left_behind(tmp_path)


KILLED = """
import os, sys
from pathlib import Path
from modules.files import atomic
from modules.files.storage import Storage
class KillAt(Storage):
    left = int(sys.argv[2])
    def before(self, step, path):
        KillAt.left -= 1
        if KillAt.left < 0:
            os.kill(os.getpid(), 9)
folder = Path(sys.argv[1])
atomic.write_bytes(folder / "config.json", b"new" * 9000, backup=True, storage=KillAt())
atomic.write_new(folder, lambda n: f"{n}.png", b"y" * 9000, storage=KillAt())
"""


@pytest.mark.parametrize("n", range(16))
@pytest.mark.group("R1", "R2")
def test_kill_at_every_step_leaves_whole_files(tmp_path: Path, n: int) -> None:
    (tmp_path / "config.json").write_bytes(b"old")
    (tmp_path / "0.png").write_bytes(b"y0")
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(n)], cwd=Path(__file__).parents[2], check=False, capture_output=True)
    assert (tmp_path / "config.json").read_bytes() in (b"old", b"new" * 9000)
    assert (tmp_path / "0.png").read_bytes() == b"y0"
    for each in tmp_path.glob("*.png"):
        assert each.read_bytes() in (b"y0", b"y" * 9000)
    if os.name != "nt":             # there, what a killed writer left stays a day
        atomic.sweep_temporaries([tmp_path])
        assert not left_behind(tmp_path)


@pytest.mark.group("R15")
def test_sixty_four_threads_get_sixty_four_names(tmp_path: Path) -> None:
    made: list[Path] = []

    def save(k: int) -> None:
        made.append(atomic.write_new(tmp_path, lambda n: f"{n:05}.png", str(k).encode()))

    threads = [threading.Thread(target=save, args=(k,)) for k in range(64)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(set(made)) == 64
    assert {path.read_bytes() for path in made} == {str(k).encode() for k in range(64)}


@pytest.mark.group("R15")
def test_a_file_system_without_hard_links_still_never_overwrites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "0.png").write_bytes(b"mine")
    path = atomic.write_new(tmp_path, lambda n: f"{n}.png", b"new")
    assert path.name == "1.png" and path.read_bytes() == b"new"
    assert (tmp_path / "0.png").read_bytes() == b"mine"


def test_a_name_without_a_number_is_refused_when_taken(tmp_path: Path) -> None:
    atomic.write_new(tmp_path, lambda n: "same.png", b"1")
    with pytest.raises(StorageError, match="exists"):
        atomic.write_new(tmp_path, lambda n: "same.png", b"2")
    assert (tmp_path / "same.png").read_bytes() == b"1"


def test_json_that_cannot_be_written_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    atomic.write_json(path, {"a": "é"})
    with pytest.raises((TypeError, ValueError)):
        atomic.write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": "é"}


@pytest.mark.skipif(os.name == "nt", reason="who may make links there is the administrator's word")
def test_backup_link_and_mode_are_kept(tmp_path: Path) -> None:
    real = tmp_path / "real.json"
    real.write_text("old")
    real.chmod(0o600)
    link = tmp_path / "config.json"
    link.symlink_to(real)
    atomic.write_text(link, "new", backup=True)
    assert link.is_symlink() and real.read_text() == "new"
    assert real.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "real.json.bak").read_text() == "old"


@pytest.mark.skipif(os.name == "nt", reason="no file is mounted by itself there")
def test_a_file_that_a_container_mounts_by_itself_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "styles.csv"
    path.write_bytes(b"old and longer")
    number, replace = path.stat().st_ino, os.replace

    def refuse(source: Path, target: Path) -> None:
        if target == path:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    atomic.write_bytes(path, b"new", backup=True)
    assert (path.read_bytes(), path.stat().st_ino) == (b"new", number) and (tmp_path / "styles.csv.bak").read_bytes() == b"old and longer"
    assert not left_behind(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="nobody asks there whether a writer lives: its files stay a day")
def test_the_sweep_spares_living_writers_and_other_machines(tmp_path: Path) -> None:
    mine = tmp_path / f"{TEMP_PREFIX}{host_mark()}-{os.getpid()}-aa"
    dead = tmp_path / f"{TEMP_PREFIX}{host_mark()}-999999999-bb"
    other = tmp_path / f"{TEMP_PREFIX}00000000-1-cc"
    living = tmp_path / f"{TEMP_PREFIX}{host_mark()}-{os.getppid()}-dd"
    long_ago = tmp_path / f"{TEMP_PREFIX}00000000-1-ee"
    for each in (mine, dead, other, living, long_ago):
        each.write_bytes(b"")
    for each in (living, long_ago):                     # a server that runs for days keeps a checkpoint so; or the clock was set forward
        os.utime(each, (1, 1))
    assert atomic.sweep_temporaries([tmp_path, tmp_path / "missing"]) == 2
    assert mine.exists() and other.exists() and living.exists() and not dead.exists() and not long_ago.exists()


def test_a_folder_under_the_files_name_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(StorageError, match=r"config.json is a folder.*Move the folder away"):
        atomic.write_text(tmp_path / "config.json", "{}")
