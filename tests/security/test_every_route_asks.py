"""With a password set there is no way in without it: routes are taken from the running server, so that a new one is asked too."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import FakeEngine, serve
from tests.security.conftest import PASSWORD, USER, Attacked
from tests.security.routes_of import METHODS, filled, routes_of
from tests.security.wire import Wire, basic

pytestmark = pytest.mark.group("S10")
PUBLIC = frozenset({("POST", "/login"), ("POST", "/login/")})  # open to everybody, each with its reason: there programs say the password (test_login.py)
SEVERAL = ("", "//", "/./", "/x/../", "/%2e/", "/%2f")


def test_every_route_of_the_server_asks_for_it(attacked: Attacked) -> None:
    stranger = attacked.stranger()
    routes = [each for each in routes_of(attacked.server_app) if each[0] != "WEBSOCKET"]
    assert len(routes) > 150 and {"/", "/visitor/read", "/sdapi/v1/txt2img", "/gradio_api/queue/join", "/file={path:path}"} <= {path for _, path in routes}
    for method, path in routes:
        if (method, path) in PUBLIC:
            continue
        answer = stranger.send(method, filled(path))
        assert answer.status == 401, (method, path, answer.status)
        assert answer.headers["www-authenticate"].startswith("Basic") and PASSWORD not in answer.text
    for path in ("/", "/sdapi/v1/options", "/nothing/here", "/visitor/mounted/x", "/assets/", "/gradio_api/file=x"):
        for method in (*METHODS, "TRACE", "PROPFIND", "get", "X"):
            assert stranger.send(method, path).status in (400, 401), (method, path)
        for before in SEVERAL:
            assert stranger.send("GET", before + path).status in (400, 401), before + path


@pytest.mark.parametrize(
    "header",
    ["", "Basic", "Basic ", "Basic x", "Basic " + "=" * 10, "Bearer " + PASSWORD, PASSWORD, "basic" + "A" * 5000, basic(f"{USER}:"), basic(f"{USER}:{PASSWORD} "), basic(f"{USER}:{PASSWORD}\0"),
     basic(f" {USER}:{PASSWORD}"), basic(f"{USER.upper()}:{PASSWORD}"), basic(f":{PASSWORD}"), basic(PASSWORD), basic(f"{USER}:{PASSWORD.upper()}"), basic(f"{USER}:é"), "Basic \xff\xfe", "Negotiate x"],
)  # fmt: skip
def test_nothing_else_opens(attacked: Attacked, header: str) -> None:
    answer = attacked.stranger().send("GET", "/sdapi/v1/options", headers={"Authorization": header} if header else {})
    assert answer.status in (401, 429)


def test_the_password_opens_and_the_scheme_is_read_in_any_case(attacked: Attacked) -> None:
    for header in (basic(f"{USER}:{PASSWORD}"), basic(f"{USER}:{PASSWORD}").replace("Basic", "bAsIc")):
        assert attacked.stranger().send("GET", "/sdapi/v1/samplers", headers={"Authorization": header}).status in (200, 429)


def test_a_second_header_and_smuggled_requests_do_not_help(attacked: Attacked) -> None:
    parts = urlsplit(attacked.url)
    for request in (
        f"GET /sdapi/v1/options HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Basic x\r\nAuthorization: {basic(f'{USER}:wrong')}\r\nConnection: close\r\n\r\n",
        f"POST / HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\nGET /sdapi/v1/options HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n",
        f"GET http://{parts.netloc}/sdapi/v1/options HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n",
        "GET /sdapi/v1/options HTTP/1.0\r\n\r\n",
    ):
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as line:
            line.sendall(request.encode())
            said = b""
            while more := line.recv(65536):
                said += more
        assert b" 200 " not in said and b"samples_save" not in said, said[:200]


def test_websockets_ask_too(attacked: Attacked) -> None:
    parts = urlsplit(attacked.url)
    ask = f"GET /visitor/socket HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as line:
        line.sendall(ask.encode())
        assert b" 101 " not in line.recv(4096)


def test_without_a_page_the_apis_password_holds_for_all(make_app: Callable[..., Any], fake_engine: FakeEngine) -> None:
    for server in serve(make_app("--nowebui", "--api-auth", "bot:geheim")):
        wire = Wire(url=server.url)
        for path in ("/sdapi/v1/options", "/internal/history", "/internal/settings", "/file=outputs/x.png", "/", "/docs"):
            assert wire.send("GET", path).status == 401, path
        assert wire.send("GET", "/internal/ping", auth="bot:geheim").status == 200
