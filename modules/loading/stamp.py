"""Which version of a file was loaded, so that one that changes on disk is read again."""
from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modules.library.model_file import ModelFile

Stamp = tuple[int, int]  # a file's time of change (ns) and size
GONE: Stamp = (0, 0)


def stamp_of(path: Path) -> Stamp:
    """Of the file as it is now; zeros for one that cannot be seen (the loader says why)."""
    try:
        status = os.stat(path)
    except OSError:
        return GONE
    return status.st_mtime_ns, status.st_size


def as_it_is(file: ModelFile) -> ModelFile:
    """With its present time of change and size: training programs and mergers write the same file again and again. One that is gone is what it was."""
    try:
        status = os.stat(file.path)
    except OSError:
        return file
    return file if (status.st_mtime, status.st_size) == (file.modified, file.size) else replace(file, modified=status.st_mtime, size=status.st_size)
