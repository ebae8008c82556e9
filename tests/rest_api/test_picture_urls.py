"""Pictures named by address: fetched when allowed, never from this machine when that is forbidden, and never while the queue waits."""
from __future__ import annotations

import base64
import contextlib
import io
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from modules.application import picture_urls
from modules.schema.errors import InvalidValue
from tests.conftest import FakeEngine, RunningServer

pytestmark = pytest.mark.group("S5")


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (1, 2, 3)).save(file, "PNG")
    return file.getvalue()


class Site(BaseHTTPRequestHandler):
    """/picture, /loop (redirects to itself), /hop (to /picture), /out (to a file: address), /large, /slow, /missing."""

    gate = threading.Event()

    def do_GET(self) -> None:
        place = {"/loop": "/loop", "/hop": "/picture", "/out": "file:///etc/passwd"}.get(self.path)
        if place:
            self.send_response(302)
            self.send_header("Location", place)
            self.end_headers()
            return
        if self.path == "/slow":
            self.gate.wait(10)
        self.send_response(404 if self.path == "/missing" else 200)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(png() if self.path != "/large" else b"x" * 2_000_000)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def open_server(fake_server: RunningServer) -> RunningServer:
    fake_server.app.settings.update({"api_forbid_local_requests": False})
    return fake_server


def asked(server: RunningServer, address: str) -> tuple[int, str]:
    answer = server.client.post("/sdapi/v1/img2img", json={"init_images": [address], "steps": 1, "width": 64, "height": 64})
    return answer.status_code, str(answer.json().get("detail", ""))


def test_a_picture_behind_an_address_is_used(open_server: RunningServer, fake_engine: FakeEngine, site: str) -> None:
    assert asked(open_server, f"{site}/hop")[0] == 200
    assert fake_engine.requests[-1].init.pictures[0].getpixel((0, 0)) == (1, 2, 3)
    info = open_server.client.post("/sdapi/v1/png-info", json={"image": f"{site}/picture"})
    assert info.status_code == 200 and info.json()["info"] == ""


def test_extras_take_addresses_too(open_server: RunningServer, site: str) -> None:
    single = open_server.client.post("/sdapi/v1/extra-single-image", json={"image": f"{site}/picture", "upscaler_1": "Nearest", "upscaling_resize": 2})
    assert single.status_code == 200 and Image.open(io.BytesIO(base64.b64decode(single.json()["image"]))).size == (128, 128)
    listed = [{"name": "a.png", "data": f"{site}/picture"}] * (picture_urls.MOST_ADDRESSES + 1)
    assert open_server.client.post("/sdapi/v1/extra-batch-images", json={"imageList": listed}).status_code == 422


@pytest.mark.parametrize(("path", "word"), [("/loop", "redirected more"), ("/out", "only http"), ("/large", "not a picture"), ("/missing", "answered 404")])
def test_what_is_no_picture_is_refused(open_server: RunningServer, site: str, path: str, word: str) -> None:
    status, detail = asked(open_server, site + path)
    assert status == 422 and word in detail and open_server.app.jobs.recent(1) == []


def test_limits(monkeypatch: pytest.MonkeyPatch, site: str) -> None:
    monkeypatch.setattr(picture_urls, "MOST_BYTES", 100_000)
    with pytest.raises(InvalidValue, match="larger than"):
        picture_urls.fetch(f"{site}/large", local_allowed=True)
    monkeypatch.setattr(picture_urls, "MOST_SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(InvalidValue, match=r"longer than|timed out"):
        picture_urls.fetch(f"{site}/slow", local_allowed=True)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "10.1.2.3", "192.168.1.1", "169.254.169.254", "[::ffff:127.0.0.1]", "2130706433"])
def test_local_addresses_are_forbidden(kept_server: RunningServer, host: str) -> None:
    status, detail = asked(kept_server, f"http://{host}:1/x.png")
    assert status == 422 and ("local resource" in detail or "could not be fetched" in detail)


def test_a_redirect_to_a_local_address_is_forbidden_too(monkeypatch: pytest.MonkeyPatch, site: str) -> None:
    places = iter([True, False])
    monkeypatch.setattr(picture_urls, "_is_public", lambda _place: next(places))
    with pytest.raises(InvalidValue, match="local resource"):
        picture_urls.fetch(f"{site}/hop", local_allowed=False)


def test_fetching_can_be_switched_off(open_server: RunningServer, site: str) -> None:
    open_server.app.settings.update({"api_enable_requests": False})
    status, detail = asked(open_server, f"{site}/picture")
    assert status == 422 and "Requests not allowed" in detail


def test_others_go_on_while_a_picture_is_fetched(open_server: RunningServer, site: str) -> None:
    Site.gate.clear()
    thread = threading.Thread(target=asked, args=(open_server, f"{site}/slow"))
    thread.start()
    answer = open_server.client.post("/sdapi/v1/txt2img", json={"steps": 1, "width": 64, "height": 64})
    assert answer.status_code == 200 and thread.is_alive()
    Site.gate.set()
    thread.join(5)
    assert base64.b64decode(answer.json()["images"][0])[:4] == b"\x89PNG"
