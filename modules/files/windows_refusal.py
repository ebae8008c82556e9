"""Why Windows refused a file. ``open`` tells C's number alone, which is the same for a file that is in use and for one that is forbidden."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

ACCESS_DENIED, SHARING_VIOLATION, LOCK_VIOLATION = 5, 32, 33       # the second: somebody opened the file and lets nobody else have it meanwhile
_TO_READ, _SHARED_WITH_ALL, _EXISTING = 0x8000_0000, 7, 3


def windows_reason(error: OSError, path: Path) -> int | None:
    """Windows' number for ``error``, which ``path`` met with; None elsewhere. Where ``open`` left it out Windows is asked; a file that can be read by now was in use."""
    told: int | None = getattr(error, "winerror", None)
    if told is not None or error.errno != errno.EACCES or sys.platform != "win32":
        return told
    import _winapi

    try:
        handle = _winapi.CreateFile(str(path), _TO_READ, _SHARED_WITH_ALL, 0, _EXISTING, 0, 0)
    except OSError as reason:
        return reason.winerror
    _winapi.CloseHandle(handle)
    return SHARING_VIOLATION
