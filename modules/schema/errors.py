"""The tree of errors that a person can act on: one class per remedy.

Each class carries ``status``, the HTTP answer the API gives for it; nothing else here knows of HTTP.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class WebuiError(Exception):
    """What happened (``message``) and what to do about it (``remedy``, may be empty). ``str()`` gives both."""

    status = 500

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class InvalidValue(WebuiError):
    """A value of the wrong type or out of range. ``field``: the API name of what was asked, "" when unknown."""

    status = 422

    def __init__(self, message: str, remedy: str = "", *, field: str = "") -> None:
        super().__init__(message, remedy)
        self.field = field


def left_out(name: str, error: Exception) -> str:
    """What the user is told of one file of several: ``name``, once, and why. The field that an error names would be the file again, or no word of the page."""
    if not isinstance(error, WebuiError):
        return f"{name} was left out: {type(error).__name__}: {error}"
    field = error.field if isinstance(error, InvalidValue) else ""
    return f"{name} was left out: {str(error).removeprefix(f'{field}: ')}"


class UnknownName(WebuiError):
    """No ``kind`` ("sampler", "checkpoint", "option" ...) is called ``name``; names the nearest of ``known``."""

    status = 404

    def __init__(self, kind: str, name: str, known: Iterable[str] = (), remedy: str = "") -> None:
        self.kind = kind
        self.name = name
        self.known = tuple(known)
        super().__init__(f"There is no {kind} called {shortened(name)!r}.", remedy or _nearest(kind, name, self.known))


class NotHere(UnknownName):
    """A well-known ``kind`` of that name, whose file has to be fetched first. remedy: from where."""

    def __init__(self, kind: str, name: str, remedy: str) -> None:
        super().__init__(kind, name, (), remedy)
        self.message = f"The {kind} {shortened(name)!r} is not here yet."


class NoCheckpoint(WebuiError):
    """There is no checkpoint to draw with. ``folder``: where one was looked for."""

    status = 409

    def __init__(self, folder: object, remedy: str = "") -> None:
        self.folder = str(folder)
        super().__init__(
            f"No checkpoint was found in {self.folder}.",
            remedy or "Put a .safetensors checkpoint there and press refresh, or start with --ckpt-dir naming the folder that holds yours.",
        )


class CannotLoad(WebuiError):
    """A file that is truncated, foreign, not a model at all or of an unknown family."""

    status = 422

    def __init__(self, path: object, reason: str, remedy: str = "") -> None:
        self.path = str(path)
        self.reason = reason
        super().__init__(f"Cannot load {self.path}: {reason.rstrip('.')}.", remedy)


class FileChanged(CannotLoad):
    """A file that somebody wrote to while it was in use; what is there now may be whole, and whoever begins again reads it."""


class OutOfMemory(WebuiError):
    """The device ran out of memory."""

    status = 507


class JobSetAside(WebuiError):
    """A job that brought the server down twice, and is not tried a third time."""

    status = 409


class Busy(WebuiError):
    """The thing asked for cannot be done while something else runs."""

    status = 503


def shortened(value: object, limit: int = 80) -> str:
    """``value`` as text fit for a message: at most ``limit`` characters, then the length of the rest."""
    try:
        text = str(value)
    except ValueError:  # Python refuses to write out whole numbers of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"


def _nearest(kind: str, name: str, known: tuple[str, ...]) -> str:
    if not known:
        return ""
    by_folded = {each.casefold(): each for each in known}
    close = difflib.get_close_matches(name[:200].casefold(), by_folded, n=3, cutoff=0.5)
    if close:
        return "Did you mean " + " or ".join(repr(by_folded[each]) for each in close) + "?"
    listed = ", ".join(known[:30])
    more = f" and {len(known) - 30} more" if len(known) > 30 else ""
    return f"Known {kind} names: {listed}{more}."
