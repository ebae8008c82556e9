"""The event loop on Windows. Python's own closes the server's door for good when a browser goes away in the moment in which it comes in."""
from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

AGAIN = 0.02        # seconds until the next one is let in
FULL = 1.0          # where the system has no more sockets; asyncio's own loop elsewhere waits as long


def accept_steadily(begin: Callable[[], asyncio.Future[Any]], loop: asyncio.AbstractEventLoop, is_open: Callable[[], bool]) -> asyncio.Future[Any]:
    """What ``begin`` accepts, begun again where that came to nothing; it then gives the OSError as its result, or raises it.

    begin: waits for one connection. is_open: whether the listening socket still is; the last error is passed on when it is not.
    """
    outer: asyncio.Future[Any] = loop.create_future()
    inner: list[asyncio.Future[Any]] = []

    def attempt() -> None:
        if outer.done():
            return
        try:
            inner[:] = [begin()]
        except OSError as error:
            later(FULL, error)
        else:
            inner[0].add_done_callback(took)

    def took(future: asyncio.Future[Any]) -> None:
        if future.cancelled():
            outer.cancel()
        elif outer.done():
            pass
        elif isinstance(future.result(), OSError):
            later(AGAIN, future.result())
        else:
            outer.set_result(future.result())

    def later(seconds: float, error: OSError) -> None:
        if is_open():
            loop.call_later(seconds, attempt)
        else:
            outer.set_exception(error)

    outer.add_done_callback(lambda future: inner[0].cancel() if future.cancelled() and inner else None)
    attempt()
    return outer


if sys.platform == "win32":

    class _SteadyProactor(asyncio.IocpProactor):
        """Its ``accept`` gives errors of single connections as results to ``accept_steadily``, which nobody else sees."""

        _accepts = False

        def accept(self, listener: Any) -> asyncio.Future[Any]:
            def begin() -> asyncio.Future[Any]:
                self._accepts = True
                try:
                    return super(_SteadyProactor, self).accept(listener)
                finally:
                    self._accepts = False

            return accept_steadily(begin, asyncio.get_running_loop(), lambda: listener.fileno() != -1)

        def _register(self, ov: Any, obj: Any, callback: Callable[..., Any]) -> Any:
            return super()._register(ov, obj, _error_as_result(callback) if self._accepts else callback)  # type: ignore[misc]

    def new_loop() -> asyncio.AbstractEventLoop:
        return asyncio.ProactorEventLoop(_SteadyProactor())


def _error_as_result(callback: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        try:
            return callback(*arguments)
        except OSError as error:
            return error

    return call
