"""What extensions put in place of Gradio's own parts works inside the building of the page: where it raises, it is taken back."""
from __future__ import annotations

import functools
import logging
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from gradio.blocks import Block
from gradio.context import Context

from modules.application.app import App
from modules.extension_host.registry import HOUSE

log = logging.getLogger(__name__)
Built = TypeVar("Built")
_originals: list[tuple[Any, str, Any]] = []     # (class or module, name, what stands there without extensions)


def remember_originals() -> None:
    """Gradio as it is now, before extensions' files are loaded, is what ``build_past`` goes back to. Only the first call counts."""
    if not _originals:
        _originals.extend(_parts())


def build_past(app: App, build: Callable[[], Built]) -> Built:
    """``build()``, again without what an extension replaced in Gradio as often as that raises. Raises what is nobody's."""
    guilty: set[str] = set()
    while True:
        try:
            return build()
        except Exception as error:
            file = _foreign_file(app, error)
            owner = app.extensions.owner_of(file) if file else HOUSE
            everybody = owner in guilty                 # its own parts are taken back already: then another's hold on to them
            if owner == HOUSE or not _take_back(app, None if everybody else owner):
                app.extensions.entering("" if owner == HOUSE else owner)
                raise
            guilty.add(owner)
            app.extensions.troubles.note(owner, f"{Path(file).name}, while the page was built", error)
            log.info("The page is built again without what %s replaced in Gradio.", "extensions" if everybody else owner)
            Context.root_block = Context.block = None


def _parts() -> Iterator[tuple[Any, str, Any]]:
    homes: list[Any] = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] == "gradio" and isinstance(module, types.ModuleType)]
    for home in dict.fromkeys([*homes, *_with_subclasses(Block)]):
        yield from ((home, name, value) for name, value in list(vars(home).items()) if isinstance(value, types.FunctionType | type | property | classmethod | staticmethod))


def _with_subclasses(cls: type) -> Iterator[type]:
    yield cls
    for each in cls.__subclasses__():
        yield from _with_subclasses(each)


def _foreign_file(app: App, error: BaseException) -> str:
    """The extension's file in which ``error`` was raised, or through which it passed last; "" for none."""
    found, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if app.extensions.owning(file) is not None:
            found = file
        trace = trace.tb_next
    return found


def _take_back(app: App, owner: str | None) -> int:
    """Put the originals where functions of ``owner``'s files stand, or where anything else stands (None). How many."""
    changed = [(home, name, value) for home, name, value in _originals if vars(home).get(name) is not value]
    if owner is not None:
        changed = [(home, name, value) for home, name, value in changed if app.extensions.owner_of(file_of(vars(home).get(name))) == owner]
    for home, name, value in changed:
        setattr(home, name, value)
    return len(changed)


def file_of(value: Any) -> str:
    if isinstance(value, functools.partial):
        value = value.func
    code = getattr(value, "__code__", None)
    return code.co_filename if code is not None else getattr(sys.modules.get(getattr(value, "__module__", "") or ""), "__file__", None) or ""
