"""Who may come in: names and passwords of --gradio-auth, --gradio-auth-path and --api-auth, over HTTP Basic or a cookie of POST /login."""
from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from modules.files.json_object import decoded
from modules.rest_api.sessions import Sessions
from modules.schema.errors import InvalidValue

if TYPE_CHECKING:
    from modules.schema.flags import Flags

WRONG_TRIES_PER_SECOND = 5
_REMEMBERED_CLIENTS = 1000


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Names and digests of passwords. Empty: nothing is asked of anybody.

    page: for everything. api: for /sdapi and /docs as well; with none of its own, the page's hold there too.
    sessions: of those who said a page's password at POST /login.
    """

    page: Mapping[str, bytes] = field(default_factory=dict)
    api: Mapping[str, bytes] = field(default_factory=dict)
    sessions: Sessions = field(default_factory=Sessions, compare=False)

    def needed(self, *, is_api: bool) -> bool:
        """Whether a request to such a route must say who it is."""
        return bool(self.page or self.api) if is_api else bool(self.page)

    def user_of(self, headers: Mapping[str, str], *, is_api: bool) -> str | None:
        """The user whose cookie of POST /login this is, or whom the Authorization header names with the right password, else None."""
        return self.user_of_cookie(headers.get("cookie"), is_api=is_api) or self.user_named(*_basic(headers.get("authorization")), is_api=is_api)

    def user_of_cookie(self, cookie: str | None, *, is_api: bool) -> str | None:
        """The user whose session it is. What --api-auth guards it does not open: A1111's API knows no cookies."""
        return None if is_api and self.api else self.sessions.user_of(cookie)

    def user_named(self, name: str, password: str, *, is_api: bool) -> str | None:
        """``name`` if the password is right, else None. Takes the same time for every wrong one."""
        known = {**self.page, **self.api} if is_api else self.page
        expected = known.get(name, b"\0" * 32)
        right = hmac.compare_digest(expected, _digest(password))
        return name if right and name in known else None


def credentials_from_flags(flags: Flags) -> Credentials:
    """Raises InvalidValue, which repeats no password, for a flag that is not user:password[,user:password]."""
    page = _pairs(flags.gradio_auth, "--gradio-auth")
    if flags.gradio_auth_path:
        try:
            text = decoded(Path(flags.gradio_auth_path).read_bytes())
        except (OSError, ValueError) as error:
            raise InvalidValue(f"--gradio-auth-path: {flags.gradio_auth_path} cannot be read ({error}).",
                               "Name a text file of user:password pairs.") from error
        page |= _pairs(",".join(text.splitlines()) or ",", "--gradio-auth-path")
    api = _pairs(flags.api_auth, "--api-auth")
    return Credentials(page=api if flags.nowebui and not page else page, api=api)      # without a page, its routes are part of the API


class Throttle:
    """Slows down guessing: after five wrong tries within a second a client hears 429 until the second is over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    def is_blocked(self, client: str) -> bool:
        """Whether ``client`` has to wait."""
        with self._lock:
            return len(self._recent(client)) >= WRONG_TRIES_PER_SECOND

    def wrong(self, client: str) -> None:
        """``client`` gave a wrong password."""
        with self._lock:
            self._wrong[client] = [*self._recent(client), time.monotonic()]
            self._wrong.move_to_end(client)
            while len(self._wrong) > _REMEMBERED_CLIENTS:
                self._wrong.popitem(last=False)

    def _recent(self, client: str) -> list[float]:
        now = time.monotonic()
        return [moment for moment in self._wrong.get(client, ()) if now - moment < 1.0]


def _pairs(text: str | None, flag: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for pair in (text or "").split(","):
        if not pair.strip():
            continue
        name, colon, password = pair.strip().partition(":")
        if not colon or not name or not password:
            raise InvalidValue(f"{flag} is not of the form user:password.", "Give a name, a colon and a password; several with commas between.")
        found[name] = _digest(password)
    if text and not found:          # who asks for a password and names none must not have a server that is open to all
        raise InvalidValue(f"{flag} names no user:password.", "Give a name, a colon and a password; several with commas between.")
    return found


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode("utf-8", errors="replace")).digest()


def _basic(header: str | None) -> tuple[str, str]:
    scheme, _, value = (header or "").partition(" ")
    if scheme.lower() != "basic" or len(value) > 4000:
        return "", ""
    try:
        name, _, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return name, password
