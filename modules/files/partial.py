"""A file that grows over several attempts, under another name until it is whole: what is there already need not come again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from modules.files.storage import DISK, Storage, explain

SUFFIX = ".part"


class PartialFile:
    """``NAME.part`` beside ``final``. Raises StorageError for what the disk refuses."""

    def __init__(self, final: Path, *, storage: Storage = DISK) -> None:
        self.final = final
        self.path = final.with_name(final.name + SUFFIX)
        self._storage = storage

    @property
    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def open(self, *, anew: bool) -> BinaryIO:
        """For writing at its end; anew: it is emptied first."""
        try:
            self._storage.make_folder(self.final.parent)
            return open(self.path, "wb" if anew else "ab")
        except OSError as error:
            raise explain(error, self.path) from error

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
        return self.final

    def discard(self) -> None:
        self._storage.discard(self.path)
