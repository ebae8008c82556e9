"""Gradio looks at the same functions' signatures tens of thousands of times while a page is built: here it is told what it found before."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from gradio import blocks, component_meta, helpers, utils

_READERS: tuple[Any, ...] = (blocks, component_meta, helpers, utils)


def install() -> None:
    """Process-wide; doing it twice changes nothing. Python's own ``inspect`` stays as it is."""
    if _READERS[0].inspect is not inspect:
        return
    known = ModuleType("inspect")
    vars(known).update(vars(inspect), signature=_remembered(inspect.signature), getfullargspec=_remembered(inspect.getfullargspec))
    for each in _READERS:
        each.inspect = known


def _remembered(ask: Callable[..., Any]) -> Callable[..., Any]:
    """``ask`` with a memory for plain functions, each as long as the function lives."""
    kept: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()

    @functools.wraps(ask)
    def answer(function: Any, *arguments: Any, **keywords: Any) -> Any:
        if arguments or keywords or type(function) is not FunctionType:
            return ask(function, *arguments, **keywords)
        if function not in kept:
            kept[function] = ask(function)
        return kept[function]

    return answer
