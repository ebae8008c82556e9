"""SHA-256 of whole model files, each computed once and remembered; the older short hashes that infotexts of 2022 carry."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from pathlib import Path

from modules.library.cache import FileCache
from modules.library.diffusers_folder import main_file
from modules.schema.errors import CannotLoad

log = logging.getLogger(__name__)
_OLD_PLACE, _OLD_LENGTH = 0x100000, 0x10000


class Hashes:
    """Hashes by path. Two callers who ask for one file's hash at the same time share one reading of it."""

    def __init__(self, cache: FileCache) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._at_work: dict[Path, threading.Lock] = {}

    def known(self, path: Path, modified: float, size: int) -> str | None:
        """The hash of this version of the file, if it was ever computed."""
        value = self._cache.get(path, modified, size).get("sha256")
        return value if isinstance(value, str) else None

    def of(self, path: Path) -> str:
        """The file's SHA-256 (of a folder: its denoiser's), 64 hex digits; reads the whole file the first time. Raises CannotLoad when it cannot be read."""
        with self._lock:
            turn = self._at_work.setdefault(path, threading.Lock())
        with turn:
            try:
                return self._remembered(path)
            except OSError as error:
                raise CannotLoad(path, f"its hash cannot be computed: {error.strerror or error}", "Refresh the list of models.") from error
            finally:
                with self._lock:
                    self._at_work.pop(path, None)

    def _remembered(self, path: Path) -> str:
        before = os.stat(path)
        known = self.known(path, before.st_mtime, before.st_size)
        if known is not None:
            return known
        started = time.perf_counter()
        with open(main_file(path) if path.is_dir() else path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        after = os.stat(path)
        if (after.st_mtime, after.st_size) == (before.st_mtime, before.st_size):  # else somebody writes to it
            self._cache.put(path, after.st_mtime, after.st_size, sha256=digest)
            self._cache.save()
        log.info("hashed %s in %.1f s: %s", path.name, time.perf_counter() - started, digest[:10])
        return digest


def old_hash(path: Path) -> str | None:
    """A1111's first kind of model hash (8 hex digits, of 64 kB in the file's second megabyte); None when unreadable."""
    try:
        with open(path, "rb") as file:
            file.seek(_OLD_PLACE)
            return hashlib.sha256(file.read(_OLD_LENGTH)).hexdigest()[:8]
    except OSError:
        return None
