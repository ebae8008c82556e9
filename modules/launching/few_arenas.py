"""glibc keeps freed memory in arenas, by default up to eight for each core, and a thread may take from another one each time: over days a server holds more than it needs."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Mapping

ARENAS = 2                  # threads that calculate hold Python's lock in turns: more are not in use at the same time
_M_ARENA_MAX = -8           # malloc.h


def limit_arenas(environ: Mapping[str, str], mallopt: Callable[[int, int], int] | None = None) -> bool:
    """Have no more than ARENAS, to be called before there are threads; True if that was done. Whoever chose by themselves, in the environment, is left alone."""
    if "MALLOC_ARENA_MAX" in environ or "arena_max" in environ.get("GLIBC_TUNABLES", ""):
        return False
    found = mallopt or _mallopt()
    return found is not None and found(_M_ARENA_MAX, ARENAS) == 1


def _mallopt() -> Callable[[int, int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):       # musl has none
        return None
