"""An extension that hears of a component may put a function of its own in place of ``button.click``: it is asked, and passed over where it raises."""
from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from modules.a1111.app_slot import current
from modules.gradio_ui.foreign_breakage import file_of


@contextmanager
def watched_events(block: Any) -> Iterator[None]:
    """Inside, extensions are told of ``block``. The page is built after their functions, and must come to an end."""
    before = dict(vars(block))
    yield
    for name in map(str, getattr(block, "EVENTS", ())):
        theirs = vars(block).get(name)
        if callable(theirs) and theirs is not before.get(name):
            own = before.get(name) or getattr(type(block), name).__get__(block)
            setattr(block, name, _past(theirs, own, f"{name} of {block.elem_id or type(block).__name__}"))


def _past(theirs: Callable[..., Any], own: Callable[..., Any], what: str) -> Callable[..., Any]:
    @functools.wraps(own)
    def listen(*arguments: Any, **keywords: Any) -> Any:
        try:
            return theirs(*arguments, **keywords)
        except Exception as error:
            host = current().extensions
            host.troubles.note(host.owner_of(file_of(theirs)), f"{what}, while the page was built", error)
            return own(*arguments, **keywords)

    return listen
