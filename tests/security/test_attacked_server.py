"""Tried as an attacker would on running servers, started as users start them: no file outside is read or written, nothing is a server error."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.security.conftest import EXTENSION, SECRET, furnish
from tests.security.corpora import SCRIPTS, bombs, parser_texts, spellings
from tests.security.wire import Wire

pytestmark = [pytest.mark.long, *(pytest.mark.group(name) for name in ("S1", "S14", "S15", "S16", "S17"))]
STARTS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "defaults": ((), "", ""),
    "listen with a password": (("--listen", "--gradio-auth", "u:p"), "u:p", ""),
    "API with a password": (("--api-auth", "u:p"), "u:p", ""),
    "below a path": (("--subpath", "/x"), "", "/x"),
    "with extensions": (("--api-server-stop",), "", ""),
    "listen alone": (("--listen",), "webui:", ""),
}
SMALL = {"steps": 1, "width": 64, "height": 64}


@dataclass(frozen=True, kw_only=True)
class Started:
    name: str
    wire: Wire
    folder: Path
    auth: str


@pytest.fixture(scope="module", params=STARTS)
def started(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    from tests.browser.conftest import started_server

    flags, auth, prefix = STARTS[request.param]
    folder = tmp_path_factory.mktemp("started")
    furnish(folder)
    if request.param != "with extensions":
        (folder / "extensions" / "visitor" / "scripts" / "visitor.py").unlink()
    else:
        (folder / "extensions" / "visitor" / "scripts" / "visitor.py").write_text(EXTENSION)
    with started_server(folder, *flags) as server:
        if auth == "webui:":
            auth += (folder / "cache" / "password.txt").read_text().strip()
        wire = Wire(url=server.url.rstrip("/"), auth=auth, prefix=prefix, timeout=600)
        yield Started(name=request.param, wire=wire, folder=folder, auth=auth)
        wire.close()
        log = server.log()
        assert SECRET not in log and "Traceback (most recent call last)" not in log, log[-3000:]


def everything(folder: Path) -> set[Path]:
    """Every file where a stranger's must never lie: beside the data folder, and where programs are."""
    outside = folder.with_name(folder.name + "-outside")
    return {path for base in (outside, folder / "extensions", folder / "scripts", folder / "javascript") for path in base.rglob("*") if "__pycache__" not in path.parts}


@pytest.fixture
def untouched(started: Started) -> Iterator[None]:
    before = everything(started.folder)
    yield
    assert everything(started.folder) == before
    assert started.wire.send("GET", "/internal/ping").status == 200


def test_paths(started: Started, untouched: None) -> None:
    for spelling in spellings(started.folder):
        for route in ("/file=", "/gradio_api/file=", "/webui-static/", "/assets/", "/static/", "/sd_extra_networks/thumb?filename="):
            answer = started.wire.send("GET", route + spelling.replace("?", "%3F").replace("#", "%23"))
            assert answer.status < 500 and SECRET not in answer.text and "root:x:0" not in answer.text, (route, spelling)


def test_other_sites(started: Started, untouched: None) -> None:
    for path in ("/sdapi/v1/txt2img", "/sdapi/v1/interrupt", "/sdapi/v1/options", "/sdapi/v1/server-kill", "/gradio_api/queue/join", "/gradio_api/upload", "/internal/queue/pause", "/visitor/act"):
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
            for body in (None, b"{}"):
                assert started.wire.send("POST", path, headers=headers, body=body).status == 403, (path, headers)


def test_names_that_resolve_here(started: Started, untouched: None) -> None:
    """Where strangers reach the server a password is asked, so that its name does not matter."""
    for host in ("evil.example", "192.168.1.5:7860", ""):
        answer = started.wire.send("GET", "/sdapi/v1/options", headers={"Host": host}, auth="")
        assert answer.status in (400, 401, 421), (host, answer.status)


def test_strangers(started: Started, untouched: None) -> None:
    if not started.auth:
        return
    guarded = ["/sdapi/v1/options", "/docs"] if started.name == "API with a password" else ["/", "/sdapi/v1/options", "/config", "/gradio_api/info", "/file=outputs/x.png", "/internal/settings"]
    for path in guarded:
        for auth in ("", "u:wrong", "webui:", "x:y"):
            answer = started.wire.send("GET", path, auth=auth, headers={} if auth else {"Authorization": ""})
            assert answer.status in (401, 429), (path, auth, answer.status)


def test_texts(started: Started, untouched: None) -> None:
    texts = [*parser_texts(16_000).values(), *SCRIPTS, "../../extensions/visitor/scripts/evil.py", "'''#\nimport os"]
    for text in texts:
        for body in ({**SMALL, "prompt": text}, {**SMALL, "prompt": "cat", "styles": [text[:500]], "sampler_name": text[:500]}):
            answer = started.wire.json("POST", "/sdapi/v1/txt2img", body)
            assert answer.status < 500, (text[:100], answer.status, answer.text[:300])


def test_pictures(started: Started, untouched: None) -> None:
    for name, data in bombs().items():
        text = base64.b64encode(data).decode()
        ways: dict[str, Callable[[], object]] = {
            "/sdapi/v1/png-info": lambda text=text: {"image": text}, "/sdapi/v1/img2img": lambda text=text: {**SMALL, "init_images": [text]},
            "/sdapi/v1/extra-single-image": lambda text=text: {"image": text, "upscaling_resize": 2},
        }  # fmt: skip
        for path, body in ways.items():
            answer = started.wire.json("POST", path, body())
            assert answer.status < 500, (name, path, answer.status, answer.text[:300])


def test_installing_through_a_proxy(started: Started, untouched: None) -> None:
    """A server that only this machine reaches, behind a proxy that everybody reaches: only a password opens what makes programs."""
    config = json.loads(started.wire.send("GET", "/config", most=2**26).body)
    names = {each["id"]: each["props"].get("elem_id") for each in config["components"]}
    number = next(each["id"] for each in config["dependencies"] if any(names.get(target) == "install_extension_button" for target, _ in each["targets"]))
    for headers in ({"X-Forwarded-For": "203.0.113.5"}, {"Forwarded": "for=203.0.113.5"}, {"Origin": "https://my.host", "Sec-Fetch-Site": "same-origin"}):
        answer = started.wire.json("POST", "/gradio_api/run/predict", {"fn_index": number, "data": ["ftp://nowhere/x", "", ""], "session_hash": "x"}, headers=headers)
        assert answer.status == 200 and ("is no address" if started.name.startswith("listen") else "came from elsewhere") in answer.text, (headers, answer.text[:300])
