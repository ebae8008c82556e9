"""Strangers' code with a limit on how long we wait for it. What does not end in time is left behind on its thread."""
from __future__ import annotations

import contextvars
import ctypes
import gc
import logging
import signal
import sys
import sysconfig
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

log = logging.getLogger(__name__)
Result = TypeVar("Result")
SECONDS = 120.0         # an import may compile, or read gigabytes; more than this is a hang
SECONDS_UNTIL_SAID = 15.0
SECONDS_FOR_LIBRARIES = 900.0   # a package broken off half-way would be missing for everybody, so it may take as long as a slow disk needs
_OWN_SIGNAL = signal.signal
_asked: contextvars.ContextVar[list[tuple[int, Any]] | None] = contextvars.ContextVar("handlers of signals that a stranger asked for", default=None)
_SHARED = tuple({*(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")), str(Path(__file__).resolve().parents[1])})


class TookTooLong(Exception):
    """It did not come to an end in time."""


class _LeftBehind(BaseException):
    """Raised inside code that took too long, so that a loop in Python ends; code that waits in C goes on unseen."""


def limited(function: Callable[[], Result], *, what: str, seconds: float = SECONDS) -> Result:
    """``function()``, on a thread of its own with this thread's context. Raises what it raises, TookTooLong.

    what: its name in the log, said when it takes long.
    """
    answer: list[Any] = []
    failure: list[BaseException] = []
    context = contextvars.copy_context()
    handlers: list[tuple[int, Any]] = []
    context.run(_asked.set, handlers)
    signal.signal = _signal_of_strangers

    def work() -> None:
        try:
            answer.append(context.run(function))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work, name=f"extension {what}", daemon=True)
    thread.start()
    thread.join(min(SECONDS_UNTIL_SAID, seconds))
    if thread.is_alive() and seconds > SECONDS_UNTIL_SAID:
        log.info("%s takes long; waiting up to %.0f s for it", what, seconds)
        thread.join(seconds - SECONDS_UNTIL_SAID)
    waited, was_importing = seconds, False
    while thread.is_alive() and waited < SECONDS_FOR_LIBRARIES and ((busy := _importing(thread)) or was_importing):
        was_importing = busy is not None    # what comes after a slow import has one look's time as well
        if busy:
            log.info("%s is importing %s; waiting for it", what, busy)
        thread.join(SECONDS_UNTIL_SAID)
        waited += SECONDS_UNTIL_SAID
    if thread.is_alive() and _importing(thread) is None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_LeftBehind))
    if thread.is_alive():
        raise TookTooLong(f"it had not come to an end after {waited:.0f} s and was left out")
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers:
            _OWN_SIGNAL(number, handler)
    if failure:
        raise failure[0]
    return answer[0]


def _signal_of_strangers(number: int, handler: Any) -> Any:
    """``signal.signal``, which Python allows on the main thread alone. Extensions are read on theirs: the handler is installed when they are done.

    One that comes later than the start, with Reload UI, is passed over; the first one stays.
    """
    handlers = _asked.get()
    if handlers is None or threading.current_thread() is threading.main_thread():
        return _OWN_SIGNAL(number, handler)
    before = next((asked for known, asked in reversed(handlers) if known == number), signal.getsignal(number))
    handlers.append((number, handler))
    return before


def _frames() -> dict[int, FrameType]:
    """Where each thread is. Python up to 3.11.7 and 3.12.1 may stand still for ever when it collects garbage in the middle of this (CPython's issue 106883)."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames()
    finally:
        if was_on:
            gc.enable()


def _importing(thread: threading.Thread) -> str | None:
    """The package of all that this thread is in the middle of importing; None for files of strangers."""
    frame = _frames().get(thread.ident or 0)
    while frame is not None:
        if frame.f_code.co_name == "_find_and_load" and frame.f_code.co_filename.startswith("<frozen importlib"):
            name = str(frame.f_locals.get("name"))
            origin = getattr(getattr(sys.modules.get(name), "__spec__", None), "origin", None)
            if isinstance(origin, str) and origin.startswith(_SHARED):
                return name
        frame = frame.f_back
    return None
