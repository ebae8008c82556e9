"""A disk that fails, or a process that dies, at the n-th step of the file layer."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from modules.files import atomic
from modules.files.storage import TEMP_PREFIX, Storage


class Killed(BaseException):
    """kill -9: no code of the program runs behind it. Here that means that no temporary file is taken away and nothing more is written."""


@contextmanager
def _steps(before: Callable[[int, str, Path], None], is_dead: Callable[[], bool] = lambda: False) -> Iterator[list[str]]:
    seen: list[str] = []
    discard = Storage.discard

    def counted(_self: Storage, step: str, path: Path) -> None:
        seen.append(step)
        before(len(seen) - 1, step, path)

    def not_after_death(self: Storage, path: Path) -> None:
        if not is_dead():
            discard(self, path)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Storage, "before", counted)
        patched.setattr(Storage, "discard", not_after_death)
        yield seen


@contextmanager
def killed_at(n: int) -> Iterator[list[str]]:
    """The process dies before step ``n`` of the file layer, whoever asks for it. Yields the names of the steps so far."""
    dead = [False]

    def before(number: int, _step: str, _path: Path) -> None:
        if dead[0] or number == n:
            dead[0] = True
            raise Killed

    with _steps(before, lambda: dead[0]) as seen:
        yield seen


@contextmanager
def refusing(code: int, *, below: Path, steps: range = range(10**9)) -> Iterator[list[str]]:
    """The steps of that number which touch something below ``below`` fail with the errno ``code``. Yields the names of those steps.

    Writing a folder through to the device never fails: Storage passes over what the system says there.
    """
    touched: list[str] = []

    def before(_number: int, step: str, path: Path) -> None:
        if below in (path, *path.parents) and step != "sync_folder":
            touched.append(step)
            if len(touched) - 1 in steps:
                raise OSError(code, os.strerror(code), str(path))

    with _steps(before):
        yield touched


def every_kill(work: Callable[[], object], check: Callable[[], None]) -> int:
    """``work`` is killed at its first step, ``check`` holds, then at its second, and so on, until it ends. Returns the number of its steps."""
    for n in range(500):
        try:
            with killed_at(n):
                work()
            return n
        except Killed:
            check()
    raise AssertionError("it never ends")


def as_after_a_restart(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Sweep as the next start does; the temporary files that it left."""
    with monkeypatch.context() as patched:
        patched.setattr(atomic.os, "getpid", lambda: -1)
        patched.setattr(atomic, "_is_alive", lambda pid: False)
        atomic.sweep_trees(folders)
    return [str(each) for folder in folders for each in folder.rglob(f"{TEMP_PREFIX}*")]


FULL, FORBIDDEN, BROKEN, READ_ONLY = errno.ENOSPC, errno.EACCES, errno.EIO, errno.EROFS
