"""Which version of a file was loaded, so that one that changes on disk is read again."""
from __future__ import annotations

import os
from pathlib import Path

Stamp = tuple[int, int]  # a file's time of change (ns) and size
GONE: Stamp = (0, 0)


def stamp_of(path: Path) -> Stamp:
    """Of the file as it is now; zeros for one that cannot be seen (the loader says why)."""
    try:
        status = os.stat(path)
    except OSError:
        return GONE
    return status.st_mtime_ns, status.st_size
