"""Who has said the password at POST /login, as Gradio 3's programs do: tokens that browsers and bots keep as a cookie."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

COOKIE = "access-token"  # Gradio 3's name: clients pick it out of what was set
MOST_SESSIONS = 1000
LIFETIME = 30 * 24 * 3600.0  # seconds: bots say the password at their start only, and run for weeks


class Sessions:
    """In memory alone: a restart ends them all. Of each token only its digest is kept.

    clock: seconds that never go back, whatever happens to the time of day.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, tuple[str, float]] = OrderedDict()  # digest -> (user, when it ends); the oldest first

    def begin(self, user: str) -> str:
        """A new token of ``user``. With too many of them the oldest ends."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._known[_digest(token)] = (user, self._clock() + LIFETIME)
            while len(self._known) > MOST_SESSIONS:
                self._known.popitem(last=False)
        return token

    def user_of(self, cookie: str | None) -> str | None:
        """The user whose token a Cookie header holds; None when it holds none that is valid."""
        with self._lock:
            found = [self._known.get(_digest(token)) for token in _tokens(cookie)]
        return next((user for user, ends in filter(None, found) if self._clock() < ends), None)

    def end(self, cookie: str | None) -> None:
        """The tokens in a Cookie header open nothing any more."""
        with self._lock:
            for token in _tokens(cookie):
                self._known.pop(_digest(token), None)


def _tokens(cookie: str | None) -> list[str]:
    """Several of one name are sent where a cookie of another path stands beside ours."""
    pairs = (part.strip().partition("=") for part in (cookie or "").split(";"))
    return [value for name, _, value in pairs if name == COOKIE and value]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", errors="replace")).digest()
