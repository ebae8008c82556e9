"""Windows takes no path of more than 259 characters, unless somebody switched that off for the machine."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

_WINDOWS = 259
_NAME = 255             # of one file, anywhere


@cache
def longest_path() -> int | None:
    """How many characters a path may have; None: nothing limits the whole of it."""
    if sys.platform != "win32":
        return None
    import ctypes

    try:
        return None if ctypes.windll.ntdll.RtlAreLongPathsEnabled() else _WINDOWS
    except AttributeError:          # a Windows before 10 knows no others
        return _WINDOWS


def room_below(folder: Path) -> int:
    """How many characters what lies in ``folder`` may have, separators included; at least 0."""
    limit = longest_path()
    return _NAME if limit is None else max(0, min(_NAME, limit - len(str(folder.absolute())) - 1))


def room_for_folders(folder: Path, name: int) -> int | None:
    """How many characters folders below ``folder`` may have together, at least 1, where a file's name of ``name`` follows; None: any number."""
    return None if longest_path() is None else max(1, room_below(folder) - name)
