"""Gradio 6 makes a component anew for each update of it, where Gradio 3 kept the one of the page: what its class does besides must not happen again."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_under_way: ContextVar[bool] = ContextVar("components are remade", default=False)


@contextmanager
def remaking() -> Iterator[None]:
    """Inside, components are made for an update: extensions are not told of them, and their events listen to nothing."""
    token = _under_way.set(True)
    try:
        yield
    finally:
        _under_way.reset(token)


def is_remaking() -> bool:
    return _under_way.get()


class Deaf:
    """What an event of a remade component gives: whatever should follow it does not either."""

    def then(self, *_arguments: Any, **_keywords: Any) -> Deaf:
        return self

    success = failure = then
