"""Two servers may share a folder: between reading a file there and writing it again, the other one does not."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LONGEST_WAIT = 5.0             # seconds; a process that hangs keeps nobody's work from being saved
_TAKEN = (errno.EAGAIN, errno.EACCES, errno.EDEADLK, 0)        # Wine gives no number


@contextmanager
def alone_with(path: Path) -> Iterator[None]:
    """Other processes and threads that ask for a file of the same folder wait until the block ends.

    The folder itself is locked, so that nothing is left behind. Where it cannot be, as on some network drives, nobody waits.
    """
    handle = _opened(Path(os.path.realpath(path)).parent)
    try:
        until = time.monotonic() + _LONGEST_WAIT
        while handle is not None and not _locked(handle) and time.monotonic() < until:
            time.sleep(0.005)
        yield
    finally:
        if handle is not None:
            os.close(handle)            # that unlocks too


@contextmanager
def only_one(lock: Path) -> Iterator[bool]:
    """Whether this block runs alone: False while another process or thread is in one of the same ``lock``. Nobody waits, and a killed process lets go.

    lock: a file for nothing else, which is gone afterwards. True too where there can be none: what is written beside it will say why.
    """
    handle = None
    with suppress(OSError):
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    alone = handle is None or _locked(handle)
    try:
        yield alone
    finally:
        if handle is not None:
            if alone and os.name != "nt":       # before it is unlocked: nobody else's file goes
                _remove(lock)
            os.close(handle)
            if alone and os.name == "nt":       # an open file stays there
                _remove(lock)


def _remove(lock: Path) -> None:
    with suppress(OSError):
        lock.unlink()


def _opened(folder: Path) -> int | None:
    with suppress(OSError):
        if os.name == "nt":             # has no folders that can be opened
            return os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
        return os.open(folder, os.O_RDONLY)
    return None


def _locked(handle: int) -> bool:
    """False: somebody else has it."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _TAKEN
    return True
