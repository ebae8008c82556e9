"""A picture named by address comes from a public host, within bounds of size, time and hops; the connection goes to the very place that was looked at."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from modules.application import picture_urls
from modules.application.picture_urls import fetch
from modules.schema.errors import InvalidValue

pytestmark = pytest.mark.group("S5")
LOCAL = (
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "017700000001", "localhost", "LOCALHOST", "localhost.", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[0:0:0:0:0:0:0:1]", "0.0.0.0", "0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "[fe80::1]", "[fc00::1]", "[fd00::1]", "100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1",
    "198.18.0.1", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::80ff:fffe]", "[::127.0.0.1]", "user:pass@127.0.0.1", "evil.example@127.0.0.1", "127.0.0.1%00.example", "%6cocalhost", "①②⑦.⓪.⓪.①",
    "127。0。0。1", "a@b@127.0.0.1", "127.0.0.1#@evil.example", "[::ffff:10.0.0.1]", "[::1%25lo]", "240.0.0.1", "[ff02::1]",
)  # fmt: skip
OTHER = ("file:///etc/passwd", "gopher://127.0.0.1/x", "ftp://127.0.0.1/x", "dict://x", "jar:http://x", "data:image/png;base64,x", "//127.0.0.1/x", "http:///x", "http://", "https://[", "http://a:b:c/",
         "http://x:99999/", "http://x:-1/", "http://127.0.0.1\r\nX: y/", "http://\x00/", " http://127.0.0.1 /", "http:\\\\127.0.0.1\\x")  # fmt: skip


@pytest.fixture(autouse=True)
def no_local_peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Where connections were opened to, by address, beside those that a test allows."""
    opened: list[str] = []
    connect = socket.create_connection

    def noted(place: tuple[str, int], *arguments: object, **more: object) -> socket.socket:
        opened.append(place[0])
        return connect(place, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(picture_urls.socket, "create_connection", noted)
    return opened


@pytest.mark.parametrize("host", LOCAL)
def test_places_of_this_machine_and_network(host: str, no_local_peer: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lookup = socket.getaddrinfo

    def offline(name: str, *arguments: object, **more: object) -> object:
        """Names that are none are looked up by nobody here; numbers in any spelling are."""
        if name.lower().rstrip(".") == "localhost" or all(letter in "0123456789abcdefx.:%" for letter in name.lower()):
            return lookup(name, *arguments, **more)  # type: ignore[call-overload]
        raise socket.gaierror("no such name")

    monkeypatch.setattr(picture_urls.socket, "getaddrinfo", offline)
    for scheme in ("http", "https"):
        with pytest.raises(InvalidValue):
            fetch(f"{scheme}://{host}:9/x.png", local_allowed=False)
    assert no_local_peer == []


@pytest.mark.parametrize("address", OTHER)
def test_addresses_of_other_kinds(address: str, no_local_peer: list[str]) -> None:
    with pytest.raises(InvalidValue):
        fetch(address, local_allowed=False)
    assert no_local_peer == []


@pytest.mark.parametrize("places", [["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"], ["8.8.8.8", "::1"]])
def test_a_name_with_one_local_place_among_others(places: list[str], monkeypatch: pytest.MonkeyPatch, no_local_peer: list[str]) -> None:
    monkeypatch.setattr(picture_urls.socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (place, 80)) for place in places])
    with pytest.raises(InvalidValue, match="local"):
        fetch("http://two.example/x.png", local_allowed=False)
    assert no_local_peer == []


def test_a_name_that_points_elsewhere_at_the_second_look_is_asked_where_it_was_first(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["93.184.215.14", *["127.0.0.1"] * 20])
    went: list[str] = []

    def stopped(place: tuple[str, int], **_: object) -> socket.socket:
        went.append(place[0])
        raise OSError("far away")

    monkeypatch.setattr(picture_urls.socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (next(answers), 80))])
    monkeypatch.setattr(picture_urls.socket, "create_connection", stopped)
    with pytest.raises(InvalidValue):
        fetch("http://changing.example/x.png", local_allowed=False)
    assert went == ["93.184.215.14"] and ipaddress.ip_address(went[0]).is_global


class Drip:
    """A server that sends ``pieces`` with a pause before each, for ever where they end."""

    def __init__(self, *pieces: bytes, pause: float = 0.02) -> None:
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(8)
        self.pieces, self.pause = pieces, pause
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}/x.png"

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self.socket.accept()
                threading.Thread(target=self._answer, args=(line,), daemon=True).start()

    def _answer(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError), line:
            line.recv(4096)
            for piece in self.pieces[:-1]:
                line.sendall(piece)
            while True:
                time.sleep(self.pause)
                line.sendall(self.pieces[-1])


@pytest.mark.parametrize(
    "pieces",
    [(b"",), (b"H",), (b"HTTP/1.1 200 OK\r\n", b"X-Header: y\r\n"), (b"HTTP/1.1 200 OK\r\nX: ", b"y"), (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x"),
     (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), (b"HTTP/1.1 302 Found\r\nLocation: /", b"a"), (b"HTTP/1.1 100 Continue\r\n\r\n",)],
)  # fmt: skip
def test_a_server_that_drips_is_left_in_time(pieces: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_urls, "MOST_SECONDS", 0.4)
    server = Drip(*pieces)
    began = time.monotonic()
    with pytest.raises(InvalidValue):
        fetch(server.url, local_allowed=True)
    server.socket.close()
    assert time.monotonic() - began < 6                 # of a busy machine


def test_an_endless_body_is_left_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert picture_urls.MOST_BYTES <= 20_000_000 and picture_urls.MOST_SECONDS <= 10 and picture_urls.MOST_REDIRECTS <= 3
    server = Drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 2**20, pause=0)
    monkeypatch.setattr(picture_urls, "MOST_BYTES", 3_000_000)
    with pytest.raises(InvalidValue, match="larger"):
        fetch(server.url, local_allowed=True)
    server.socket.close()


def test_strangers_cannot_switch_the_limits_off() -> None:
    from modules.application.settings_rules import NOT_BY_REQUEST

    assert {"api_enable_requests", "api_forbid_local_requests"} <= NOT_BY_REQUEST
