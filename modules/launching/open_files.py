"""How many files and connections the process may have open: shells give 1024 out of many more, and a thousand idle browsers would keep pictures from being saved."""
from __future__ import annotations

from contextlib import suppress

ENOUGH = 16_384


def allow_more_open_files() -> None:
    """Up to ``ENOUGH`` of what the system allows this user anyway; where it counts differently (Windows), nothing."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(ENOUGH, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
