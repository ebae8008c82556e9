"""Writes that leave the old file or the new one, never half of one: temporary file, fsync, rename."""
from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

from modules.files.storage import DISK, TEMP_PREFIX, Storage, StorageError, explain, host_mark

STALE_AFTER_SECONDS = 24 * 3600     # a temporary file this old belongs to nobody, where its writer cannot be asked for


def write_bytes(path: Path, data: bytes, *, backup: bool = False, lasting: bool = True, storage: Storage = DISK) -> None:
    """Put ``data`` under ``path`` in one step, replacing what is there; folders are made.

    backup: keep the version before as ``NAME.bak``. lasting: it is to survive a power cut too, and the disk is waited for (milliseconds).
    A symbolic link keeps pointing where it did: the file behind it is replaced. Raises StorageError.
    """
    target = Path(os.path.realpath(path))
    try:
        storage.make_folder(target.parent)
        if backup and target.is_file():
            _keep_backup(target, storage)
        _put(target, data, _mode_of(target), storage, lasting=lasting)
        if lasting:
            storage.sync_folder(target.parent)
    except OSError as error:
        raise explain(error, path) from error


def write_text(path: Path, text: str, *, backup: bool = False, lasting: bool = True, storage: Storage = DISK) -> None:
    """``write_bytes`` in UTF-8; lone surrogates, which UTF-8 cannot hold, become question marks."""
    write_bytes(path, text.encode("utf-8", errors="replace"), backup=backup, lasting=lasting, storage=storage)


def write_json(path: Path, value: Any, *, backup: bool = False, storage: Storage = DISK) -> None:
    """``write_bytes`` of indented JSON, in A1111's layout (four blanks). A value that JSON cannot hold raises before the disk is touched."""
    text = json.dumps(value, indent=4, ensure_ascii=True, allow_nan=False)
    write_bytes(path, text.encode("ascii"), backup=backup, storage=storage)


def write_new(folder: Path, make_name: Callable[[int], str], data: bytes, start: int = 0, *, storage: Storage = DISK) -> Path:
    """Put ``data`` into ``folder`` under the first free name of ``make_name(start)``, ``make_name(start + 1)`` ...

    Two writers, also in two processes, never get one name, and an existing file is never touched.
    Raises StorageError; it also does when the name does not change with the number and is taken.
    """
    path = folder / make_name(start)
    try:
        storage.make_folder(folder)
        temp = storage.write_temp(folder, data)
        try:
            path = _publish(temp, folder, make_name, start, storage)
        except BaseException:
            storage.discard(temp)
            raise
        storage.sync_folder(folder)
    except OSError as error:
        raise explain(error, path) from error
    return path


def write_new_file(path: Path, write: Callable[[BinaryIO], object], *, storage: Storage = DISK) -> None:
    """Put what ``write`` writes, piece by piece, under ``path``; folders are made, and a file that is there is never touched.

    What ``write`` raises leaves nothing behind. Raises StorageError, also when the name is taken.
    """
    try:
        storage.make_folder(path.parent)
        temp = storage.write_temp_with(path.parent, write)
        try:
            storage.publish_new(temp, path)
        except FileExistsError:
            storage.discard(temp)
            raise StorageError(f"{path} exists already.", "Choose another name.") from None
        except BaseException:
            storage.discard(temp)
            raise
        storage.sync_folder(path.parent)
    except OSError as error:
        raise explain(error, path) from error


def write_temporary(folder: Path, suffix: str, write: Callable[[BinaryIO], object], *, storage: Storage = DISK) -> Path:
    """A new file of this process alone, made in ``folder`` by ``write``. It stays until ``discard_temporary``, or the sweep after the process has ended. Raises StorageError."""
    try:
        storage.make_folder(folder)
        temp = storage.write_temp_with(folder, write, lasting=False)
        storage.replace(temp, temp.with_suffix(suffix))
        return temp.with_suffix(suffix)
    except OSError as error:
        raise explain(error, folder) from error


def discard_temporary(path: Path, *, storage: Storage = DISK) -> None:
    storage.discard(path)


def sweep_temporaries(folders: Iterable[Path]) -> int:
    """Remove temporary files that a killed process left directly in ``folders``; returns how many. Those of living writers stay."""
    removed = 0
    for folder in folders:
        try:
            entries = [entry for entry in os.scandir(folder) if entry.name.startswith(TEMP_PREFIX)]
        except OSError:
            continue
        for entry in entries:
            if _is_stale(entry):
                DISK.discard(Path(entry.path))
                removed += 1
    return removed


def sweep_trees(roots: Iterable[Path]) -> int:
    """``sweep_temporaries`` in every folder below ``roots``; for a thread that has time. Links to folders are not followed."""
    return sum(sweep_temporaries([Path(folder)]) for root in roots for folder, _folders, names in os.walk(root) if any(name.startswith(TEMP_PREFIX) for name in names))


def _publish(temp: Path, folder: Path, make_name: Callable[[int], str], start: int, storage: Storage) -> Path:
    number, name = start, make_name(start)
    while True:
        try:
            storage.publish_new(temp, folder / name)
            return folder / name
        except FileExistsError:
            number += 1
            if make_name(number) == name:
                raise StorageError(f"{folder / name} exists, and its name has no number to count up.",
                                   "Add [seed] or a number to the file name pattern in Settings.") from None
            name = make_name(number)


def _keep_backup(target: Path, storage: Storage) -> None:
    _put(target.with_name(target.name + ".bak"), target.read_bytes(), _mode_of(target), storage)


def _put(target: Path, data: bytes, mode: int, storage: Storage, *, lasting: bool = True) -> None:
    temp = storage.write_temp(target.parent, data, mode, lasting=lasting)
    try:
        storage.replace(temp, target)
    except BaseException:
        storage.discard(temp)
        raise


def _mode_of(target: Path) -> int:
    """The permission bits a new version should keep: config.json made private by its owner stays private."""
    try:
        return target.stat().st_mode & 0o777
    except OSError:
        return 0o666


def _is_stale(entry: os.DirEntry[str]) -> bool:
    host, _, rest = entry.name.removeprefix(TEMP_PREFIX).partition("-")
    pid = rest.partition("-")[0]
    if host == host_mark() and pid.isdigit() and int(pid) != os.getpid() and os.name != "nt":     # os.kill(pid, 0) would end the process on Windows
        return not _is_alive(int(pid))
    try:
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > STALE_AFTER_SECONDS
    except OSError:
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:         # somebody else's
        pass
    return True
