"""What was found out about files, kept in one JSON file: read again only when a file's time or size changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modules.files.atomic import write_json
from modules.files.json_object import read_or_set_aside, set_aside
from modules.files.storage import StorageError

log = logging.getLogger(__name__)
_VERSION = 1


class FileCache:
    """Facts by path. Thread-safe. A missing, damaged or unwritable cache file costs time, never an error.

    path: None keeps the facts in memory only.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._saving = threading.Lock()
        self._changed = False
        self._files: dict[str, dict[str, Any]] = _read(path) if path else {}

    def get(self, path: Path, modified: float, size: int) -> Mapping[str, Any]:
        """What is known about this version of the file; empty when nothing is."""
        with self._lock:
            entry = self._files.get(str(path), {})
            return dict(entry) if entry.get("modified") == modified and entry.get("size") == size else {}

    def put(self, path: Path, modified: float, size: int, **facts: Any) -> None:
        """Add facts about this version of the file; those about an older version are forgotten."""
        with self._lock:
            entry = self._files.get(str(path), {})
            if entry.get("modified") != modified or entry.get("size") != size:
                entry = {"modified": modified, "size": size}
            self._files[str(path)] = {**entry, **facts}
            self._changed = True

    def save(self) -> None:
        """Write what changed."""
        if self._path is None:
            return
        with self._saving:
            with self._lock:
                if not self._changed:
                    return
                document = {"version": _VERSION, "files": {path: dict(entry) for path, entry in self._files.items()}}
                self._changed = False
            try:
                write_json(self._path, document)
            except (StorageError, OSError, ValueError) as error:
                log.warning("what is known about model files is not kept: %s", error)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    document, trouble = read_or_set_aside(path, instead="it is made anew")
    files = document.get("files") if document.get("version") == _VERSION else {}
    if document and not (isinstance(files, dict) and "version" in document):
        trouble, files = set_aside(path, "it holds no table of files", instead="it is made anew"), {}
    if trouble:
        log.warning("%s", trouble)
    return {str(name): entry for name, entry in (files or {}).items() if isinstance(entry, dict)}
