"""Walk through model folders. Fast for thousands of files, and calm when files come and go meanwhile."""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from modules.files.names import is_macs_note, is_text, shown
from modules.library.roots import Place

log = logging.getLogger(__name__)
_DIFFUSERS_INDEX = "model_index.json"
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class FoundFile:
    """name: inside its place, with forward slashes, in the letters that people type (a Mac may have its "é" as two). modified, created: seconds since 1970."""

    path: Path
    name: str
    size: int
    modified: float
    created: float = 0.0


def scan(places: Iterable[Place], *, hidden: bool = False) -> list[FoundFile]:
    """All files of ``places``, each once, folder by folder in natural order ("v2" before "v10").

    hidden: also what is called ".something" or lies in such a folder.

    A folder that is missing or may not be read is passed over; so is a file that vanishes. What has a name that is no text is left out, with a warning.
    """
    found: dict[Path, FoundFile] = {}
    for place in places:
        for folder, entries in _folders(place.folder, hidden):
            inside = os.path.relpath(folder, place.folder).replace(os.sep, "/")
            if any(entry.name == _DIFFUSERS_INDEX for entry in entries):
                whole = _whole_folder(folder, inside) if place.folders else None
                if whole is not None:
                    found.setdefault(whole.path, whole)
                continue
            for entry in sorted(entries, key=lambda entry: natural(entry.name)):
                name = entry.name.lower()
                if not name.endswith(place.endings) or (place.but_not and name.endswith(place.but_not)):
                    continue
                file = _file(entry, inside)
                if file is not None:
                    found.setdefault(file.path, file)
    return list(found.values())


def natural(text: str) -> list[object]:
    """A key that sorts numbers inside names as numbers."""
    return [int(part) if place % 2 else part for place, part in enumerate(_DIGITS.split(text.casefold()))]


def _folders(root: Path, hidden: bool) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Each folder from ``root`` down with its files, in natural order. Links to folders are followed, circles left out."""
    seen: set[tuple[int, int]] = set()
    waiting = [str(root)]
    while waiting:
        folder = waiting.pop()
        try:
            status = os.stat(folder)
            with os.scandir(folder) as listing:
                entries = [entry for entry in listing if (hidden or not entry.name.startswith(".")) and not is_macs_note(entry.name) and _can_be_shown(entry)]
        except OSError:
            continue
        place = (status.st_dev, status.st_ino)
        if place in seen and status.st_ino:  # some network drives number nothing
            continue
        seen.add(place)
        folders, files = [], []
        for entry in entries:
            (folders if _is_folder(entry) else files).append(entry)
        yield folder, files
        if any(entry.name == _DIFFUSERS_INDEX for entry in files):
            continue                                # one model in many files: what lies below is its parts
        waiting += sorted((entry.path for entry in folders), key=natural, reverse=True)


def _whole_folder(folder: str, inside: str) -> FoundFile | None:
    """A folder in diffusers' layout is one model."""
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return FoundFile(Path(folder), normalize("NFC", os.path.basename(folder) if inside == "." else inside), status.st_size, status.st_mtime, status.st_ctime)


def _can_be_shown(entry: os.DirEntry[str]) -> bool:
    if not is_text(entry.name):
        log.warning("%s is left out: its name is not UTF-8, so that no page can show it. Rename it.", shown(entry.path))
        return False
    return True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _file(entry: os.DirEntry[str], inside: str) -> FoundFile | None:
    try:
        status = entry.stat()
    except OSError:  # a broken link, or gone since the folder was read
        return None
    if not stat.S_ISREG(status.st_mode):    # a pipe or a device: who opens it to look may wait, or read, for ever
        return None
    name = entry.name if inside == "." else f"{inside}/{entry.name}"
    return FoundFile(Path(entry.path), normalize("NFC", name), status.st_size, status.st_mtime, status.st_ctime)
