"""Gradio describes a page six times while it is built and mounted, and gives it three servers of its own: here that is done when somebody reads it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import gradio as gr
from gradio import blocks as home
from gradio import routes
from gradio.blocks import Blocks

DONE = "_is_late"
_NOT_YET: Any = {}      # stands for a description or a server that was not asked for so far
_putting_off: ContextVar[bool] = ContextVar("putting_off", default=False)


class _Late:
    """An attribute of Blocks that is made when it is read. make: from the Blocks."""

    def __init__(self, name: str, make: Callable[[Blocks], Any]) -> None:
        self._name, self._make = name, make

    def __get__(self, blocks: Blocks | None, owner: type) -> Any:
        if blocks is None:
            return self
        kept = vars(blocks)
        if self._name not in kept:
            raise AttributeError(f"{owner.__name__!r} object has no attribute {self._name!r}")
        if kept[self._name] is _NOT_YET:
            putting_off = _putting_off.set(False)
            try:
                kept[self._name] = self._make(blocks)
            finally:
                _putting_off.reset(putting_off)
        return kept[self._name]

    def __set__(self, blocks: Blocks, value: Any) -> None:
        vars(blocks)[self._name] = value


def install() -> None:
    """Process-wide; doing it twice changes nothing."""
    if hasattr(Blocks, DONE):
        return
    setattr(Blocks, DONE, True)
    describe, serve = Blocks.get_config_file, routes.App.create_app

    @functools.wraps(describe)
    def get_config_file(self: Blocks) -> Any:
        return _NOT_YET if _putting_off.get() else describe(self)

    @functools.wraps(serve)
    def create_app(*arguments: Any, **keywords: Any) -> Any:
        return _NOT_YET if _putting_off.get() else serve(*arguments, **keywords)

    Blocks.get_config_file = get_config_file
    for name, make in (("config", describe), ("app", lambda blocks: serve(blocks, mcp_server=False))):
        setattr(Blocks, name, _Late(name, make))
    home.App = SimpleNamespace(create_app=create_app)  # type: ignore[assignment, misc]  # Gradio's servers for pages that are launched or mounted are made as ever
    for name in ("__exit__", "queue"):
        setattr(Blocks, name, _put_off(getattr(Blocks, name)))
    Blocks._resolve_ssr_mode = _resolve_ssr_mode
    gr.mount_gradio_app = routes.mount_gradio_app = _put_off(routes.mount_gradio_app)


def _resolve_ssr_mode(self: Blocks, ssr_mode: bool | None, disable_when_multi_page: bool = True) -> bool:
    """Gradio's own reads the whole description for the number of pages. Pages are never rendered on the server here."""
    return False


def _put_off(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def called(*arguments: Any, **keywords: Any) -> Any:
        before = _putting_off.set(True)
        try:
            return function(*arguments, **keywords)
        finally:
            _putting_off.reset(before)

    return called
