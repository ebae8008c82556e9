"""Where the server listens, and how it is found."""
from __future__ import annotations

import asyncio
import errno
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from modules.launching import serving
from modules.launching.failure import LaunchError
from modules.launching.serving import Address, certificate_files, has_display, listen, wait_for_answer
from modules.launching.subpath import below_subpath
from modules.schema.flags import Flags, parse_flags


def flags(*arguments: str) -> Flags:
    return parse_flags(arguments, {}).flags


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_a_port_that_was_asked_for_is_taken_exactly_or_refused() -> None:
    with taken_port() as port, pytest.raises(LaunchError, match=f"Port {port} is in use"):
        listen(flags("--port", str(port)))


def test_small_answers_are_sent_at_once() -> None:
    bound, address = listen(flags("--port", "0"))

    async def answered() -> bool:
        server = await asyncio.start_server(lambda reader, writer: told.set_result(writer), sock=bound)
        told: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
        async with server:
            _, writer = await asyncio.open_connection(address.host, bound.getsockname()[1])
            accepted = await told       # kept: since Python 3.13 a writer that nobody holds closes its connection
            is_on = bool(accepted.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()
            accepted.close()
        return is_on

    assert asyncio.run(answered()), "Nagle's algorithm holds back whatever is sent in two pieces, 40 ms each"


def test_without_a_port_the_next_free_one_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with taken_port() as port:
        monkeypatch.setattr("modules.launching.serving.PAGE_PORT", port)
        bound, address = listen(flags())
        bound.close()
        assert port < address.port < port + 100


@pytest.mark.parametrize(
    ("arguments", "host", "url"),
    [
        ((), "127.0.0.1", "http://127.0.0.1:{}/"),
        (("--nowebui",), "127.0.0.1", "http://127.0.0.1:{}/"),
        (("--listen",), "0.0.0.0", "http://127.0.0.1:{}/"),
        (("--server-name", "localhost"), "localhost", "http://localhost:{}/"),
        (("--subpath", "/sd/"), "127.0.0.1", "http://127.0.0.1:{}/sd/"),
    ],
)
def test_only_this_machine_is_let_in_unless_asked(arguments: tuple[str, ...], host: str, url: str) -> None:
    bound, address = listen(flags("--port", "0", *arguments))
    bound.close()
    assert (address.host, address.url) == (host, url.format(address.port))


@pytest.mark.parametrize(("host", "is_open"), [("127.0.0.1", False), ("localhost", False), ("::1", False), ("127.1.2.3", False), ("0.0.0.0", True), ("10.0.0.5", True)])
def test_whether_others_can_come_in_is_known(host: str, is_open: bool) -> None:
    assert Address(host=host, port=1, url="http://x/").is_open_to_others is is_open


def test_a_name_that_is_not_ours_is_a_sentence() -> None:
    with pytest.raises((LaunchError, OSError), match=r"192\.0\.2\.1"):
        listen(flags("--server-name", "192.0.2.1", "--port", "0"))


def test_tls_needs_both_files(tmp_path: Path) -> None:
    assert certificate_files(flags()) == (None, None)
    (tmp_path / "k").touch()
    with pytest.raises(LaunchError, match="--tls-certfile is missing"):
        certificate_files(flags("--tls-keyfile", str(tmp_path / "k")))
    with pytest.raises(LaunchError, match="no file"):
        certificate_files(flags("--tls-keyfile", str(tmp_path / "k"), "--tls-certfile", str(tmp_path / "absent")))


class Answering(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        return


@pytest.mark.parametrize(("status", "answers"), [(200, True), (401, True), (307, True), (503, False)])
def test_the_page_is_announced_when_it_answers_and_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch, status: int, answers: bool) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    handler = type("Handler", (Answering,), {"status": status})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        address = Address(host="0.0.0.0", port=server.server_port, url=f"http://127.0.0.1:{server.server_port}/")
        assert wait_for_answer(address, 0.5) is answers
    finally:
        server.shutdown()
        server.server_close()


def test_nobody_there_is_no_error() -> None:
    with taken_port() as port:
        pass
    assert not wait_for_answer(Address(host="127.0.0.1", port=port, url=f"http://127.0.0.1:{port}/"), 0.3)


@pytest.mark.parametrize(
    ("path", "seen"), [("/", "/sd/"), ("/sdapi/v1/x", "/sd/sdapi/v1/x"), ("/sd", "/sd"), ("/sd/a", "/sd/a"), ("/sdx", "/sd/sdx")]
)
def test_a_subpath_serves_proxies_that_strip_it_and_those_that_do_not(path: str, seen: str) -> None:
    scopes = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)

    async def nothing(*arguments: Any) -> None:
        return

    running = below_subpath(app, "/sd/")({"type": "http", "path": path}, nothing, nothing)
    with pytest.raises(StopIteration):  # it awaits nothing that is not ready, so it needs no event loop
        running.__await__().send(None)
    assert (scopes[0]["path"], scopes[0]["root_path"]) == (seen, "/sd")
    assert below_subpath(app, None) is app


def test_a_browser_needs_a_display() -> None:
    assert has_display({"DISPLAY": ":0"})


@pytest.mark.parametrize(("port", "said"), [(8443, r"another program uses it.*another with --port"), (80, r"may not be opened by this user.*above 1023")])
def test_a_port_that_is_refused_is_told_from_one_of_the_administrators(port: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows gives "permission denied" for ports that another program holds alone, or that Hyper-V keeps."""
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "forbidden by its access permissions")

    monkeypatch.setattr(serving, "_bind", refuse)
    with pytest.raises(LaunchError) as found:
        listen(flags("--port", str(port)))
    assert re.search(said, str(found.value))
