"""Who may come in: passwords on every route, no other site's page, no other name, no file that is not meant to be seen."""
from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from modules.schema.errors import InvalidValue
from tests.conftest import FakeEngine, RunningServer, serve

SMALL = {"prompt": "a cat", "steps": 1, "width": 64, "height": 64}
PUBLIC: set[str] = set()            # routes open to everybody where passwords are set


def routes_of(server: RunningServer) -> list[tuple[str, str]]:
    listed = server.client.get("/openapi.json", auth=("ann", "secret")).json()["paths"]
    found = [(method.upper(), path) for path, methods in listed.items() for method in methods]
    return [*found, ("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/file=config.json"), ("GET", "/redoc"), ("GET", "/"), ("GET", "/nothing/here")]


@pytest.fixture(params=[
    ("--gradio-auth", "ann:secret"), pytest.param(("--api-auth", "ann:secret"), marks=pytest.mark.long), ("--gradio-auth", "page:p", "--api-auth", "ann:secret"),
])  # fmt: skip
def guarded(request: pytest.FixtureRequest, make_app: Callable[..., Any], fake_engine: FakeEngine) -> Iterator[RunningServer]:
    yield from serve(make_app("--api", *request.param))


@pytest.mark.long    # each wrong password is answered slowly; tests/security/test_every_route_asks.py is the short form
@pytest.mark.group("S10")
def test_every_route_asks_for_a_password(guarded: RunningServer) -> None:
    asks_everywhere = guarded.app.flags.gradio_auth is not None
    for method, path in routes_of(guarded):
        if path in PUBLIC or not (asks_everywhere or path.startswith(("/sdapi", "/docs", "/openapi"))):
            continue
        for auth in (None, ("ann", "wrong"), ("nobody", "secret"), ("", "")):
            answer = guarded.client.request(method, re.sub(r"{[^}]*}", "1", path), auth=auth)
            assert answer.status_code in (401, 429), (method, path, auth)
            assert "secret" not in answer.text


@pytest.mark.group("S10", "S11")
def test_the_right_password_opens(guarded: RunningServer) -> None:
    assert guarded.client.get("/sdapi/v1/samplers", auth=("ann", "secret")).status_code == 200
    answer = guarded.client.post("/sdapi/v1/txt2img", json={**SMALL, "override_settings": {"add_user_name_to_info": True}}, auth=("ann", "secret"))
    assert answer.status_code == 200 and json.loads(answer.json()["info"])["infotexts"][0].endswith(", User: ann")
    flags = guarded.client.get("/sdapi/v1/cmd-flags", auth=("ann", "secret"))
    assert flags.status_code == 200 and "secret" not in flags.text and flags.json()["api"] is True


@pytest.mark.group("S11")
def test_guessing_is_slowed_down(guarded: RunningServer) -> None:
    statuses = [guarded.client.get("/sdapi/v1/samplers", auth=("ann", f"try{k}")).status_code for k in range(30)]
    assert 429 in statuses and 200 not in statuses


@pytest.mark.group("S11")
def test_flags_that_are_no_passwords_stop_the_start(make_app: Callable[..., Any], fake_engine: FakeEngine) -> None:
    with pytest.raises(InvalidValue) as error:
        next(serve(make_app("--api", "--gradio-auth", "hunter2")))
    assert "hunter2" not in str(error.value)


UNSAFE = [("POST", "/sdapi/v1/txt2img"), ("POST", "/sdapi/v1/interrupt"), ("POST", "/sdapi/v1/skip"), ("POST", "/sdapi/v1/options"),
          ("POST", "/sdapi/v1/refresh-checkpoints"), ("POST", "/sdapi/v1/unload-checkpoint"), ("POST", "/internal/jobs/x/interrupt"), ("DELETE", "/sdapi/v1/options")]
FOREIGN: list[dict[str, str]] = [
    {"origin": "https://evil.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1:1"}, {"origin": "http://127.0.0.1.evil.example"},
    {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"sec-fetch-site": "CROSS-SITE", "origin": "https://evil.example"},
    {"sec-fetch-site": "nonsense"}, {"origin": "http://[::1"}, {"origin": "\xff\xfe"}, {"origin": "file://"}, {"origin": "chrome-extension://abc"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.group("S14")
def test_pages_of_other_sites_change_nothing(kept_server: RunningServer, headers: dict[str, str]) -> None:
    for method, path in UNSAFE:
        for content_type in ("application/json", "text/plain", None):
            sent = {key: value.encode("latin-1") for key, value in {**headers, **({"content-type": content_type} if content_type else {})}.items()}
            answer = kept_server.client.request(method, path, headers=sent, content=json.dumps({**SMALL, "jpeg_quality": 1}) if content_type else None)  # type: ignore[arg-type]
            assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers
    assert kept_server.app.jobs.recent(1) == [] and kept_server.app.settings.changed() == {}


@pytest.mark.group("S14")
def test_our_own_page_and_scripts_may(kept_server: RunningServer) -> None:
    port = kept_server.url.rpartition(":")[2]
    for headers in ({}, {"origin": kept_server.url}, {"sec-fetch-site": "same-origin", "origin": kept_server.url}, {"sec-fetch-site": "none"},
                    {"host": f"localhost:{port}", "origin": f"http://localhost:{port}"}, {"sec-fetch-site": "same-origin", "origin": "https://proxy.example"}):
        assert kept_server.client.post("/sdapi/v1/skip", headers=headers).status_code == 200, headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "192.168.1.5:7860", "127.0.0.1.evil.example", "", "[2001:db8::1]:80", "localhost.evil.example", "0x7f.1.evil", "[::1].evil.example", "127.0.0.1:evil.example", "127.0.0.1@evil.example"])
@pytest.mark.group("S15")
def test_a_name_that_merely_resolves_to_us_is_refused(kept_server: RunningServer, host: str) -> None:
    for path in ("/sdapi/v1/options", "/internal/ping", "/"):
        answer = kept_server.client.get(path, headers={"host": host, "x-forwarded-host": "127.0.0.1"})
        assert answer.status_code in (400, 421), (host, path, answer.status_code)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:7860", "LOCALHOST", "[::1]:7860", "127.8.9.1:1", "app.localhost"])
@pytest.mark.group("S15")
def test_our_own_names_are_answered(kept_server: RunningServer, host: str) -> None:
    assert kept_server.client.get("/internal/ping", headers={"host": host}).status_code == 200


@pytest.mark.group("S15")
def test_no_origin_is_let_in_by_itself(kept_server: RunningServer) -> None:
    for host in (None, "[::1]:7860", "localhost"):
        headers = {"origin": "https://evil.example", **({"host": host} if host else {})}
        answer = kept_server.client.get("/sdapi/v1/options", headers=headers)
        assert not [key for key in answer.headers if key.startswith("access-control")]
        answer = kept_server.client.options("/sdapi/v1/options", headers={**headers, "access-control-request-method": "POST"})
        assert answer.status_code == 403 and not [key for key in answer.headers if key.startswith("access-control")]


@pytest.mark.group("S14", "S15")
def test_origins_that_were_allowed(make_app: Callable[..., Any], fake_engine: FakeEngine) -> None:
    for server in serve(make_app("--api", "--cors-allow-origins", "https://mine.example", "--cors-allow-origins-regex", r"https://.*\.lan")):
        for origin in ("https://mine.example", "https://box.lan"):
            answer = server.client.post("/sdapi/v1/skip", headers={"origin": origin, "sec-fetch-site": "cross-site"})
            assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == origin
            preflight = server.client.options("/sdapi/v1/txt2img", headers={"origin": origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type"})
            assert preflight.status_code == 204 and preflight.headers["access-control-allow-headers"] == "content-type"
            # fetch(..., {credentials: "include"}): browsers send the request itself only if the answer to this one says so too
            assert preflight.headers["access-control-allow-credentials"] == "true" and preflight.headers["access-control-allow-origin"] == origin
        assert server.client.post("/sdapi/v1/skip", headers={"origin": "https://mine.example.evil", "sec-fetch-site": "cross-site"}).status_code == 403
        assert server.client.get("/internal/ping", headers={"host": "mine.example"}).status_code == 200


@pytest.mark.group("S14")
def test_programs_made_of_pages_may_be_allowed(make_app: Callable[..., Any], fake_engine: FakeEngine) -> None:
    """Electron's pages come from file://, other frameworks' from schemes of their own; A1111 takes these words in its flag."""
    for server in serve(make_app("--api", "--cors-allow-origins", "file://,app://obsidian.md,null")):
        for origin in ("file://", "app://obsidian.md", "null"):
            answer = server.client.post("/sdapi/v1/skip", headers={"origin": origin})
            assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == origin
        for origin in ("", "file", "https://evil.example", "app://other"):
            assert server.client.post("/sdapi/v1/skip", headers={"origin": origin, "sec-fetch-site": "cross-site"}).status_code == 403


@pytest.mark.group("S14")
def test_allowed_pages_ask_without_a_password_whether_they_may_ask_and_read_refusals(make_app: Callable[..., Any], fake_engine: FakeEngine) -> None:
    """Browsers send no password with a preflight: with one asked for, no page could use an API that has passwords."""
    for server in serve(make_app("--api", "--cors-allow-origins", "https://mine.example", "--api-auth", "user:word")):
        asked = {"origin": "https://mine.example", "sec-fetch-site": "cross-site"}
        preflight = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
        answer = server.client.options("/sdapi/v1/txt2img", headers={**asked, **preflight})
        assert answer.status_code == 204 and answer.headers["access-control-allow-headers"] == "authorization,content-type"
        assert server.client.options("/sdapi/v1/txt2img", headers={**asked, **preflight, "origin": "https://evil.example"}).status_code == 403
        for headers, auth in ((asked, None), (asked, ("user", "wrong"))):
            refused = server.client.post("/sdapi/v1/skip", headers=headers, auth=auth)
            assert refused.status_code == 401 and refused.headers["access-control-allow-origin"] == "https://mine.example"
        assert "access-control-allow-origin" not in server.client.post("/sdapi/v1/skip", headers={"origin": "https://evil.example"}).headers
        assert server.client.options("/sdapi/v1/txt2img").status_code == 401


TRAVERSALS = [
    "../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "%252e%252e%252fetc%252fpasswd", "..\\..\\etc\\passwd", "/etc/passwd", "//etc/passwd",
    "/proc/self/environ", "/proc/self/cmdline", "file:///etc/passwd", "C:/Windows/win.ini", "\\\\server\\share\\x.png", "outputs/../config.json", "config.json", "CONFIG.JSON",
    "ui-config.json", "params.txt", "models/Stable-diffusion/fake.safetensors", "extensions/evil/scripts/evil.py", "extensions/evil/.git/config", "cache/jobs.sqlite3",
    "outputs/link.png", "outputs/.hidden.png", "outputs/folder", "outputs", "", ".", "%00", "outputs/a.png%00.txt", "outputs/b%0a.png", "x" * 5000, "outputs/a.png/x", "outputs/a.html",
    "extensions/evil/config.json", "~/.ssh/id_rsa", "outputs/a.svg", "extensions/out/a.js", "~root/x.png", "outputs/./../config.json", "extensions/evil/a.html",
]


@pytest.mark.group("S1")
def test_only_what_is_meant_to_be_seen_is_served(fake_server: RunningServer, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    for name in ("secret.png", "a.js"):
        (outside / name).write_text("OUTSIDE")
    for path, text in {"config.json": "OUTSIDE", "params.txt": "OUTSIDE", "outputs/a.png": "fine", "outputs/.hidden.png": "OUTSIDE", "outputs/a.html": "OUTSIDE",
                       "outputs/a.svg": "OUTSIDE", "extensions/evil/scripts/evil.py": "OUTSIDE", "extensions/evil/.git/config": "OUTSIDE", "extensions/evil/a.html": "OUTSIDE",
                       "extensions/evil/config.json": "OUTSIDE", "extensions/evil/javascript/a.js": "fine", "extensions/evil/tags/人.yml": "fine", "extensions/evil/shaders/a.frag": "fine", "extensions/evil/icons/a.svg": "fine", "user.css": "fine",
                       "other.css": "OUTSIDE", "below/user.css": "OUTSIDE"}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "outputs" / "folder").mkdir()
    (tmp_path / "outputs" / "link.png").symlink_to(outside / "secret.png")
    (tmp_path / "extensions" / "out").symlink_to(outside)
    for spelling in TRAVERSALS:
        for raw in (spelling, str(tmp_path / spelling)):
            answer = fake_server.client.get(httpx.URL(fake_server.url + "/file=" + raw.replace("\\", "%5C")))
            assert answer.status_code in (400, 403, 404) and "OUTSIDE" not in answer.text and "root:" not in answer.text, raw
    assert fake_server.client.get("/file=outputs/a.png").text == "fine" == fake_server.client.get(f"/file={tmp_path}/outputs/a.png?123").text
    script = fake_server.client.get("/file=extensions/evil/javascript/a.js")
    assert script.text == "fine" and script.headers["content-type"].startswith("text/javascript")
    icon = fake_server.client.get("/file=extensions/evil/icons/a.svg")
    assert icon.text == "fine" and icon.headers["content-type"] == "image/svg+xml" and "sandbox" in icon.headers["content-security-policy"]
    style = fake_server.client.get("/file=user.css?123")
    assert style.text == "fine" and style.headers["content-type"].startswith("text/css"), "the user's own style sheet, to which the page's head refers"
    for path in ("other.css", "below/user.css", f"{tmp_path}/other.css"):
        assert fake_server.client.get(f"/file={path}").status_code == 404
    assert fake_server.client.head("/file=outputs/a.png").status_code == 200
    assert fake_server.client.get("/file=extensions/evil/tags/%E4%BA%BA.yml?5").text == "fine"      # an extension's lists
    assert fake_server.client.get("/file=extensions/evil/shaders/a.frag").text == "fine"
    for name, status in (("words.json.gz", 200), ("scene.bin", 200), ("words.py.gz", 404), ("words.gz", 404)):
        (tmp_path / "extensions/evil" / name).write_bytes(b"packed")
        answer = fake_server.client.get(f"/file=extensions/evil/{name}")
        assert answer.status_code == status, name
        assert status == 404 or (answer.content == b"packed" and answer.headers["content-type"] in ("application/gzip", "application/octet-stream")), name


@pytest.mark.parametrize("path", ["/file=http://127.0.0.1:1/x.png", "/gradio_api/file=https://evil.example/x.png", "/file=HTTP://x", "/gradio_api/file%3Dhttp%3A//x", "/a/file=ftp://x"])
@pytest.mark.group("S12")
def test_addresses_are_not_fetched(kept_server: RunningServer, path: str) -> None:
    assert kept_server.client.get(path).status_code == 403


@pytest.mark.parametrize("path", ["/file=C:/extensions/one/style.css", "/file=d:%5Ca.png", "/gradio_api/file=C%3A/a.png"])
def test_a_drive_of_windows_is_no_address(kept_server: RunningServer, path: str) -> None:
    answer = kept_server.client.get(path)       # there is none here, nor such a file on it: what matters is who says so
    assert "from addresses" not in answer.text


@pytest.mark.group("S16")
def test_bodies_have_an_end(fake_server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    host, _, port = fake_server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: {host}\r\nContent-Length: {2**40}\r\n\r\n{{".encode())
        assert b" 413 " in connection.recv(100)
    chunks = (b"x" * 2**20 for _ in range(300))         # no length given: counted as it comes
    answer = httpx.post(fake_server.url + "/sdapi/v1/txt2img", content=chunks, headers={"content-type": "application/json"}, trust_env=False, timeout=60)
    assert 400 <= answer.status_code < 500
    assert fake_server.client.get("/internal/ping").status_code == 200


def test_docs_ask_nobody_else(kept_server: RunningServer) -> None:
    page = kept_server.client.get("/docs")
    assert page.status_code == 200 and "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", page.text) and "innerHTML" not in page.text
    schema = kept_server.client.get("/openapi.json").json()
    assert "/sdapi/v1/txt2img" in schema["paths"] and kept_server.client.get("/redoc").status_code == 404
    body = schema["paths"]["/sdapi/v1/txt2img"]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    assert body.endswith("StableDiffusionProcessingTxt2Img")


def test_without_api_only_the_pages_own_routes_are_open(make_app: Callable[..., Any], fake_engine: FakeEngine) -> None:
    for server in serve(make_app(), full=False):
        assert server.client.get("/internal/ping").json() == {}
        assert [server.client.get(path).status_code for path in ("/sdapi/v1/options", "/docs", "/openapi.json")] == [404, 404, 404]


def test_names_types_and_defaults_are_a1111s(kept_server: RunningServer) -> None:
    from tests.golden.cases import a1111_said

    theirs = a1111_said("openapi-a1111")["components"]["schemas"]["StableDiffusionProcessingTxt2Img"]["properties"]
    ours = kept_server.client.get("/openapi.json").json()["components"]["schemas"]["StableDiffusionProcessingTxt2Img"]["properties"]
    assert set(ours) == set(theirs)
    for name, field in theirs.items():
        if field.get("default") is not None:
            assert ours[name].get("default") == field["default"], name
        assert field["type"] in [each.get("type") for each in ours[name].get("anyOf", [ours[name]])], name
