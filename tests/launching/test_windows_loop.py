"""A connection that ends while it is let in takes nobody else's away."""
from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable

import pytest

from modules.launching import windows_loop
from modules.launching.log_lines import is_no_farewell
from modules.launching.windows_loop import accept_steadily

GONE = OSError(22, "The specified network name is no longer available")


def run(*steps: object, is_open: Callable[[], bool] = lambda: True) -> tuple[object, int]:
    """(what is accepted in the end, how often it was begun) where each attempt gives a step, and raises it as ``[error]``."""
    begun: list[object] = []

    async def main() -> object:
        loop = asyncio.get_running_loop()

        def begin() -> asyncio.Future[object]:
            step = steps[len(begun)]
            begun.append(step)
            if isinstance(step, list):
                raise step[0]
            future = loop.create_future()
            loop.call_soon(future.set_result, step)
            return future

        return await accept_steadily(begin, loop, is_open)

    return asyncio.run(main()), len(begun)


def test_one_that_went_away_is_followed_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_loop, "FULL", 0.01)
    assert run("a") == ("a", 1)
    assert run(GONE, GONE, "a") == ("a", 3)
    assert run([OSError(10024, "Too many open sockets")], "a") == ("a", 2)


def test_a_closed_door_stays_closed() -> None:
    with pytest.raises(OSError, match="network name"):
        run(GONE, is_open=lambda: False)


def test_who_waits_no_longer_lets_nobody_in() -> None:
    async def main() -> bool:
        loop = asyncio.get_running_loop()
        inner = loop.create_future()
        outer = accept_steadily(lambda: inner, loop, lambda: True)
        outer.cancel()
        await asyncio.sleep(0)
        return inner.cancelled()

    assert asyncio.run(main())


@pytest.mark.skipif(sys.platform != "win32", reason="Windows' event loop")
def test_the_real_loop_goes_on_after_a_connection_was_reset() -> None:
    import socket
    import struct

    async def main() -> bytes:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"hello")
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        for _ in range(20):
            client = socket.create_connection(address)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("hh", 1, 0))
            client.close()
        await asyncio.sleep(0.2)
        reader, _ = await asyncio.open_connection(*address)
        answer = await reader.read()
        server.close()
        return answer

    loop = windows_loop.new_loop()
    assert loop.run_until_complete(main()) == b"hello"


def test_a_browser_that_closes_first_is_no_fault() -> None:
    def told(error: Exception, message: str) -> bool:
        return is_no_farewell(logging.LogRecord("asyncio", logging.ERROR, "", 0, message, (), (type(error), error, None)))

    reset = ConnectionResetError(10054, "An existing connection was forcibly closed by the remote host")
    assert not told(reset, "Exception in callback _ProactorBasePipeTransport._call_connection_lost(None)")
    assert told(ValueError(), "Exception in callback _ProactorBasePipeTransport._call_connection_lost(None)")
    assert told(reset, "Task exception was never retrieved")
