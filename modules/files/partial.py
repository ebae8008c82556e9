"""A file that grows over several attempts, under another name until it is whole: what is there already need not come again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from modules.files.alone import only_one
from modules.files.atomic import write_text
from modules.files.storage import DISK, Storage, explain

SUFFIX, ORIGIN_SUFFIX, LOCK_SUFFIX = ".part", ".part.from", ".part.lock"
_LONGEST_ORIGIN = 10_000


def begun_in(folder: Path) -> list[Path]:
    """The names that parts directly in ``folder`` would get, were they whole."""
    with suppress(OSError):
        return sorted(folder / entry.name.removesuffix(ORIGIN_SUFFIX) for entry in os.scandir(folder) if entry.name.endswith(ORIGIN_SUFFIX))
    return []


class PartialFile:
    """``NAME.part`` beside ``final``, and in ``NAME.part.from`` what it is a part of. Raises StorageError for what the disk refuses."""

    def __init__(self, final: Path, *, storage: Storage = DISK) -> None:
        self.final = final
        self.path = final.with_name(final.name + SUFFIX)
        self._note = final.with_name(final.name + ORIGIN_SUFFIX)
        self._storage = storage

    @property
    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def free_bytes(self) -> int | None:
        """What its disk still takes; None where that cannot be told."""
        try:
            return shutil.disk_usage(next(each for each in self.final.parents if each.exists())).free
        except OSError:
            return None

    @property
    def origin(self) -> str:
        """What was said when it was begun; "" where nothing was."""
        try:
            with open(self._note, encoding="utf-8", errors="replace") as file:
                return file.read(_LONGEST_ORIGIN)
        except OSError:
            return ""

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether nobody else, another server with the same folder say, lets it grow while this block runs."""
        with suppress(OSError):
            self._storage.make_folder(self.final.parent)
        with only_one(self.final.with_name(self.final.name + LOCK_SUFFIX)) as alone:
            yield alone

    def open(self, *, anew: bool, origin: str = "") -> BinaryIO:
        """For writing at its end; anew: it is emptied first, and ``origin`` is remembered."""
        try:
            self._storage.make_folder(self.final.parent)
            file = open(self.path, "wb" if anew else "ab")  # noqa: SIM115
        except OSError as error:
            raise explain(error, self.path) from error
        if anew:                # emptied before: bytes of another file never stand beside this note
            try:
                write_text(self._note, origin, storage=self._storage)
            except BaseException:
                file.close()
                raise
        return file

    def write(self, file: BinaryIO, data: bytes) -> None:
        try:
            file.write(data)
        except OSError as error:
            raise explain(error, self.path) from error

    def publish(self) -> Path:
        """Give it its name, written through to the device. Raises FileExistsError when there is such a file by now."""
        try:
            with open(self.path, "rb+") as file:
                os.fsync(file.fileno())
            self._storage.publish_new(self.path, self.final)
        except FileExistsError:
            raise
        except OSError as error:
            raise explain(error, self.final) from error
        self._storage.discard(self._note)
        return self.final

    def discard(self) -> None:
        self._storage.discard(self.path)
        self._storage.discard(self._note)
