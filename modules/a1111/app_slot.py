"""The one process-wide slot: which App the names below ``modules.`` speak for. Set once, by webui.py."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modules.application.app import App  # it brings torch, which preload.py and install.py that ask for a folder need not wait for


class NoServer(RuntimeError):
    """An extension's name was used outside of a running server."""


_slot: list[App] = []


def occupy(app: App) -> None:
    """From now on A1111's names speak for ``app``. Raises RuntimeError when they already speak for another."""
    if _slot and _slot[0] is not app:
        raise RuntimeError("This process serves one web UI already; A1111's module names can speak for one only.")
    _slot[:] = [app]


def current() -> App:
    """The App. Raises NoServer."""
    if not _slot:
        raise NoServer("No web UI runs in this process, so A1111's objects have nothing to speak for.")
    return _slot[0]


def is_occupied() -> bool:
    return bool(_slot)


@contextmanager
def occupied(app: App) -> Iterator[App]:
    """For tests: ``app`` for a while, then whatever was there before."""
    before = list(_slot)
    _slot[:] = [app]
    try:
        yield app
    finally:
        _slot[:] = before
