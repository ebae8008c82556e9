"""The first browser that opens the page after a start: what can wait lets it go first."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

COMES_WITHIN = 1.5  # seconds after the server answers; a window opened by the program, or kept open from before, is here by then
STANDS_WITHIN = 8.0  # seconds from its first request; a slow machine is not waited for longer


@dataclass(frozen=True)
class FirstVisit:
    """What is known of it; set by those who serve it."""

    _begun: threading.Event = field(default_factory=threading.Event)
    _stands: threading.Event = field(default_factory=threading.Event)

    def begins(self) -> None:
        """A browser has asked for the page."""
        self._begun.set()

    def stands(self) -> None:
        """A page is up: it asks for what only pages ask for."""
        self._stands.set()

    def go_first(self, comes_within: float = COMES_WITHIN, stands_within: float = STANDS_WITHIN) -> None:
        """Returns when a page is up, or when nobody seems to come."""
        if self._begun.wait(comes_within):
            self._stands.wait(stands_within)
