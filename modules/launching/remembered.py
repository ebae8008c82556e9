"""What the last start found in order, so that the next one need not look again: a few fingerprints in one small file."""
from __future__ import annotations

import hashlib
import json
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path


class Remembered:
    """Fingerprints by name, for the running Python only. A file that cannot be read or written costs time, nothing else."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._environment = sys.prefix
        self._all = _read(path)

    def matches(self, name: str, fingerprint: str) -> bool:
        return self._all.get(self._environment, {}).get(name) == fingerprint

    def keep(self, name: str, fingerprint: str) -> None:
        if self.matches(name, fingerprint):
            return
        self._all.setdefault(self._environment, {})[name] = fingerprint
        self._write()

    def forget(self, name: str) -> None:
        if self._all.get(self._environment, {}).pop(name, None) is not None:
            self._write()

    def _write(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial = self._path.with_suffix(".partial")
            partial.write_text(json.dumps(self._all, indent=1), encoding="utf-8")
            partial.replace(self._path)
        except OSError:
            return  # a read-only folder: the next start looks again


def fingerprint_of(texts: Iterable[str | bytes]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()


def packages_state() -> str:
    """Changes whenever a package is installed into or removed from the running Python."""
    folders = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    return f"{sys.version} " + " ".join(f"{folder}:{_modified(Path(folder))}" for folder in folders)


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _read(path: Path) -> dict[str, dict[str, str]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(place): {str(key): str(value) for key, value in prints.items()} for place, prints in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}
