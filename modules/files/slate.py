"""A short text that is rewritten thousands of times and outlives this process, whatever ends it, but not a power cut."""
from __future__ import annotations

import threading
from pathlib import Path
from typing import BinaryIO

from modules.files.atomic import write_bytes


class Slate:
    """The file at ``path``. The first ``write`` is an atomic one; the others go over it in its place and wait for no device: microseconds each.

    data ends where blanks begin: a shorter text is filled up with them. Raises StorageError at the first, OSError at the others.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._length = 0
        self._turn = threading.Lock()

    def write(self, data: bytes) -> None:
        with self._turn:
            if self._file is None:
                write_bytes(self._path, data)
                self._file = self._path.open("r+b", buffering=0)
            else:
                self._file.seek(0)
                self._file.write(data.ljust(self._length))
            self._length = max(self._length, len(data))

    def close(self) -> None:
        with self._turn:
            if self._file is not None:
                self._file.close()
                self._file = None
