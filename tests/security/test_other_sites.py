"""Pages of other sites, and names that merely resolve to this server: they change nothing, read nothing and show nothing of ours."""

from __future__ import annotations

import pytest

from tests.security.conftest import Attacked
from tests.security.routes_of import filled, routes_of

FOREIGN: tuple[dict[str, str], ...] = (
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "\xff\x00\xfe"[:1]}, {"Origin": "http://127.0.0.1.evil.example"},
)  # fmt: skip
BODIES: tuple[tuple[str, bytes | None], ...] = (
    ("", None), ("text/plain", b'{"prompt": "x"}'), ("application/x-www-form-urlencoded", b"prompt=x"), ("multipart/form-data; boundary=x", b"--x--\r\n"), ("application/json", b"{}"),
)  # fmt: skip
NAMES = ("evil.example", "evil.example:7860", "192.168.1.5:7860", "127.0.0.1.evil.example", "", "[2001:db8::1]:80", "localhost.evil.example", "0x7f.1.evil", "127.0.0.1@evil.example",
         "evil.example#127.0.0.1", "2130706433.evil", "localhost\\.evil", "0.0.0.0", "[::]", "169.254.169.254")  # fmt: skip


def unsafe(attacked: Attacked) -> list[tuple[str, str]]:
    return [(method, filled(path)) for method, path in routes_of(attacked.server_app) if method in ("POST", "PUT", "PATCH", "DELETE")]


@pytest.mark.group("S14")
def test_no_route_that_changes_something_answers_them(attacked: Attacked) -> None:
    before, drawn = attacked.app.settings.changed(), len(attacked.engine.requests)
    routes = unsafe(attacked)
    assert len(routes) > 60 and ("POST", "/visitor/act") in routes
    for number, (method, path) in enumerate(routes):
        for turn in (0, 1):
            headers = FOREIGN[(2 * number + turn) % len(FOREIGN)]
            kind, body = BODIES[(number + turn) % len(BODIES)]
            answer = attacked.wire.send(method, path, headers={**headers, **({"Content-Type": kind} if kind else {})}, body=body)
            assert answer.status == 403 and "access-control-allow-origin" not in answer.headers, (method, path, headers, answer.status)
    assert attacked.app.settings.changed() == before and len(attacked.engine.requests) == drawn
    assert not getattr(attacked.server_app.state, "visitor_acted", False)


@pytest.mark.group("S14")
@pytest.mark.parametrize("kind", BODIES)
def test_simple_requests_of_a_browser_are_refused_with_any_body(attacked: Attacked, kind: tuple[str, bytes | None]) -> None:
    for path in ("/sdapi/v1/interrupt", "/sdapi/v1/server-kill", "/sdapi/v1/options", "/gradio_api/queue/join", "/gradio_api/upload", "/visitor/act", "/internal/downloads"):
        for headers in FOREIGN[::2]:
            sent = {**headers, **({"Content-Type": kind[0]} if kind[0] else {})}
            assert attacked.wire.send("POST", path, headers=sent, body=kind[1]).status == 403


@pytest.mark.group("S14")
def test_programs_and_our_own_page_are_answered(attacked: Attacked) -> None:
    host = attacked.url.removeprefix("http://")
    for headers in ({}, {"Origin": attacked.url}, {"Origin": attacked.url, "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Host": host, "Origin": f"http://{host}"}):
        assert attacked.wire.send("POST", "/sdapi/v1/skip", headers=headers).status == 200, headers


@pytest.mark.group("S14")
@pytest.mark.parametrize("headers", [{"Origin": "http://["}, {"Origin": "http://a:b:c"}, {"Origin": "x" * 9000}, {"Sec-Fetch-Site": "\xff"}, {"Origin": "http://127.0.0.1:99999"}, {"Origin": "%%%"}])
def test_malformed_headers_are_no_server_error(attacked: Attacked, headers: dict[str, str]) -> None:
    assert attacked.wire.send("POST", "/sdapi/v1/skip", headers=headers).status in (400, 403, 431)


@pytest.mark.group("S14")
def test_our_pages_cannot_be_shown_inside_of_theirs(attacked: Attacked) -> None:
    for path in ("/", "/docs"):
        assert "frame-ancestors" in attacked.wire.send("GET", path).headers["content-security-policy"]


@pytest.mark.group("S15")
@pytest.mark.parametrize("name", NAMES)
def test_other_names_are_refused(attacked: Attacked, name: str) -> None:
    for path in ("/", "/sdapi/v1/options", "/internal/ping", "/gradio_api/info", "/config", "/visitor/read", "/assets/x.js"):
        for more in ({}, {"X-Forwarded-Host": "127.0.0.1"}, {"X-Forwarded-Host": "127.0.0.1", "Forwarded": "host=127.0.0.1", "X-Forwarded-For": "127.0.0.1"}):
            answer = attacked.wire.send("GET", path, headers={"Host": name, **more})
            assert answer.status in (400, 421) and "samples_save" not in answer.text, (path, more, answer.status)


@pytest.mark.group("S15")
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost:7860", "LocalHost", "[::1]:7860", "127.8.9.1:1", "sub.localhost", "localhost."])
def test_names_of_this_machine_are_answered(attacked: Attacked, name: str) -> None:
    assert attacked.wire.send("GET", "/internal/ping", headers={"Host": name}).status == 200


@pytest.mark.group("S15")
def test_no_origin_may_read(attacked: Attacked) -> None:
    for path in ("/", "/config", "/sdapi/v1/options", "/gradio_api/info", "/gradio_api/file=x.png", "/file=x.png", "/visitor/read", "/nothing", "/assets/x.js"):
        for host in (None, "[::1]:7860", "localhost"):
            headers = {"Origin": "https://evil.example", **({"Host": host} if host else {})}
            answer = attacked.wire.send("GET", path, headers=headers)
            assert not [name for name in answer.headers if name.startswith("access-control")], (path, host)
            answer = attacked.wire.send("OPTIONS", path, headers={**headers, "Access-Control-Request-Method": "POST"})
            assert answer.status == 403 and not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.group("S15")
def test_no_header_of_a_proxy_brings_foreign_addresses_into_our_pages_for_others(attacked: Attacked) -> None:
    evil = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "javascript", "X-Forwarded-Prefix": "//evil.example"}
    attacked.wire.send("GET", "/", headers=evil)
    assert "evil.example" not in attacked.wire.send("GET", "/").text
    for path in ("//evil.example/", "//evil.example/%2e%2e", "/\\evil.example/", "//evil.example//sdapi/v1/options/", "/sdapi/v1/options/"):
        place = attacked.wire.send("GET", path).headers.get("location", "")
        assert not place.startswith(("//", "/\\")) and "//evil.example" not in place.split("?")[0].removeprefix(attacked.url), (path, place)
