"""What users put on the server is shown as a picture or handed out as a file; it never acts as a page of ours. Gradio's own gaps are closed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from modules.gradio_ui.gradio_gate import CLOSED
from tests.security.conftest import SECRET, Attacked
from tests.security.corpora import FEW, png
from tests.security.routes_of import filled, routes_of
from tests.security.wire import Answer

pytestmark = pytest.mark.group("S12")
PAGE = b"<html><script>alert(1)</script></html>"
FILES = {
    "a.html": PAGE, "a.htm": PAGE, "a.xhtml": PAGE, "a.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "a.xml": b"<?xml version='1.0'?><x/>", "a.mht": PAGE,
    "a.pdf": b"%PDF-1.4\n<script>", "a.js": b"alert(1)", "a.swf": b"FWS", "a.png": png(8, 8) + PAGE, "a.jpg": PAGE, "a.PNG": PAGE, "a.webp": PAGE, "a.txt": PAGE, "a": PAGE, "a.unknown": PAGE,
    "a.png.html": PAGE, "a.html.png": PAGE, "a.shtml": PAGE, "a.hta": PAGE, "a.ico": PAGE, "a.css": b"*{}", "a.wasm": b"\0asm", "a.xsl": b"<?xml?>", "a.rss": PAGE, "a.vtt": PAGE,
}  # fmt: skip
SHOWN = re.compile(r"image/(png|jpeg|gif|webp|bmp|avif)|text/(plain|css|csv|javascript)|application/(json|javascript)|video/|audio/|font/")


def is_harmless(answer: Answer, what: str) -> None:
    assert answer.status < 500, what
    if answer.status != 200:
        return
    kind, how = answer.headers.get("content-type", ""), answer.headers.get("content-disposition", "")
    assert SHOWN.match(kind) or how.startswith("attachment"), (what, kind, how)
    assert answer.headers["x-content-type-options"] == "nosniff", what
    policy = answer.headers["content-security-policy"]
    assert "sandbox" in policy and "default-src 'none'" in policy and "allow-scripts" not in policy, what


def test_outputs_and_uploads(attacked: Attacked) -> None:
    for number, (name, content) in enumerate(FILES.items()):
        (attacked.folder / "outputs" / name).write_bytes(content)
        body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="' + name.encode() + b'"\r\nContent-Type: text/html\r\n\r\n' + content + b"\r\n--x--\r\n"
        sent = attacked.wire.send("POST", "/gradio_api/upload", headers={"Content-Type": "multipart/form-data; boundary=x"}, body=body)
        assert sent.status == 200, (name, sent.text)
        uploaded = json.loads(sent.body)[0]
        for place in (f"{attacked.folder}/outputs/{name}", uploaded):
            routes = ("/file=", "/file/", "/gradio_api/file=", "/gradio_api//file=", "//gradio_api/file=", "/gradio_api/file/")
            for route in (routes[number % 6], routes[(number + 1) % 6]):
                is_harmless(attacked.wire.send("GET", route + place), route + place)
            is_harmless(attacked.wire.send("GET", "/gradio_api/file=" + place, headers={"Range": "bytes=0-3"}), place)
    assert attacked.wire.send("GET", f"/gradio_api/file={attacked.folder}/outputs/a.html").headers["content-disposition"].startswith("attachment")


def test_only_a_page_that_lies_in_an_extension_is_one(attacked: Attacked) -> None:
    """Its scripts have the rights that the extension's own have on the page. Nothing that users put elsewhere, that is hidden or that a link leads to has them."""
    home = attacked.folder / "extensions" / "visitor"
    places = {place: home / place for place in ("own.html", ".git/own.html", "out/own.html", "own.svg", "own.xhtml")} | {"../stray/own.html": home.parent / "stray" / "own.html"}
    for path in places.values():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(PAGE)
    answer = attacked.wire.send("GET", "/file=extensions/visitor/own.html")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, PAGE, "text/html; charset=utf-8")
    assert "sandbox" not in answer.headers.get("content-security-policy", "") and "content-disposition" not in answer.headers and "x-webui-page" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff" and attacked.stranger().send("GET", "/file=extensions/visitor/own.html").status == 401
    for place in [*places, "own.html"][1:]:
        route = "/gradio_api/file=" if place == "own.html" else "/file="
        is_harmless(attacked.wire.send("GET", f"{route}{home}/{place}"), place)


def test_addresses_are_not_fetched(attacked: Attacked) -> None:
    for route in ("/file=", "/gradio_api/file=", "/gradio_api/proxy=", "/proxy=", "/gradio_api/file/"):
        for address in ("http://127.0.0.1:1/x.png", "https://evil.example/x.png", "HTTP://x/x.png", "http%3A//x/x.png", "%68ttp://x", "ftp://x/y", "//evil.example/x.png", "http:/x", "\thttp://x"):
            assert attacked.wire.send("GET", route + address).status in (400, 403, 404), route + address


# what Gradio answers to and our page or extensions' pages use; anything new stands in neither list and fails here
GRADIO_OPEN = frozenset("""/ /config /config/ /favicon.ico /svelte/{path:path} /static/{path:path} /assets/{path:path} /theme.css /robots.txt /pwa_icon /pwa_icon/{size} /manifest.json /login /login/ /logout
    /{page} /{page}/ /openapi.json
    /gradio_api/user /gradio_api/user/ /gradio_api/login_check /gradio_api/login_check/ /gradio_api/token /gradio_api/token/ /gradio_api/app_id /gradio_api/app_id/ /gradio_api/info /gradio_api/info/
    /gradio_api/openapi.json /gradio_api/custom_component/{id}/{environment}/{type}/{file_name} /gradio_api/file={path_or_url:path} /gradio_api/file/{path:path} /gradio_api/stream/{event_id}
    /gradio_api/stream/{event_id}/close /gradio_api/stream/{session_hash}/{run}/{component_id}/playlist.m3u8 /gradio_api/stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext}
    /gradio_api/stream/{session_hash}/{run}/{component_id}/playlist-file /gradio_api/reset /gradio_api/reset/ /gradio_api/heartbeat/{session_hash} /gradio_api/run/{api_name} /gradio_api/run/{api_name}/
    /gradio_api/api/{api_name} /gradio_api/api/{api_name}/ /gradio_api/call/{api_name} /gradio_api/call/{api_name}/ /gradio_api/call/v2/{api_name} /gradio_api/call/v2/{api_name}/
    /gradio_api/call/{api_name}/{event_id} /gradio_api/call/v2/{api_name}/{event_id} /gradio_api/queue/join /gradio_api/queue/data /gradio_api/queue/status /gradio_api/cancel /gradio_api/component_server /gradio_api/component_server/
    /gradio_api/upload_progress /gradio_api/upload /gradio_api/startup-events /gradio_api/theme.css /gradio_api/process_recording""".split())  # noqa: SIM905


def test_every_route_of_gradios_is_known_or_closed(attacked: Attacked) -> None:
    ours = {route.path for route in attacked.server_app.router.routes}
    listed = {path for _, path in routes_of(attacked.server_app)} - ours
    gradios = {path for path in listed if not path.startswith(("/webui-static", "/visitor"))}
    assert sorted(path for path in gradios if path not in GRADIO_OPEN and not CLOSED.match(path)) == []
    for method, path in routes_of(attacked.server_app):
        if path in gradios and CLOSED.match(path):
            assert attacked.wire.send(method, filled(path)).status == 404, path


def test_gradios_functions_take_no_paths_of_the_server(attacked: Attacked) -> None:
    """Whatever a component takes for a file, only uploads are read."""
    outside = str(attacked.folder.with_name(attacked.folder.name + "-outside") / "secret.txt")
    paths = ("/etc/passwd", outside, f"{attacked.folder}/config.json.bak", "../../../etc/passwd", "http://127.0.0.1:1/x.png", "file:///etc/passwd")
    functions = [block for block in json.loads(attacked.wire.send("GET", "/config").body)["dependencies"] if block.get("backend_fn")]
    kinds = {block["id"]: block["type"] for block in json.loads(attacked.wire.send("GET", "/config").body)["components"]}
    takes = [each for each in functions if any(kinds.get(number) in ("image", "file", "gallery", "uploadbutton", "imageeditor") for number in each["inputs"])]
    assert takes
    for number, function in enumerate(takes[::2]):
        path = paths[number % len(paths)]
        for value in ({"path": path, "meta": {"_type": "gradio.FileData"}}, {"path": path}, {"path": path, "url": path}, path, [{"image": {"path": path}}], [path]):
            data = [value if kinds.get(each) in ("image", "file", "gallery", "uploadbutton", "imageeditor") else None for each in function["inputs"]]
            answer = attacked.wire.json("POST", "/gradio_api/queue/join", {"data": data, "fn_index": function["id"], "session_hash": "s1", "event_data": None})
            assert SECRET not in answer.text and answer.status < 500, (function["id"], value, answer.text[:300])
    said = attacked.wire.send("GET", "/gradio_api/queue/data?session_hash=s1").text
    assert SECRET not in said and "root:x:0" not in said


@pytest.mark.parametrize("route", ["queue/join", "run/predict", "api/predict", "call/x", "call/v2/x", "component_server", "cancel", "reset", "upload", "stream/x", "process_recording"])
def test_nonsense_is_no_server_error(attacked: Attacked, route: str) -> None:
    bodies: list[object] = [
        {}, [], None, "x", 1, {"data": None}, {"data": []}, {"data": ["x"], "fn_index": -1, "session_hash": "s2"}, {"data": [], "fn_index": 10**9, "session_hash": "s2"},
        {"data": [], "fn_index": "x", "session_hash": {}}, {"fn_name": "__class__", "component_id": 1, "data": None, "session_hash": "s2"},
        {"fn_name": "../../x", "component_id": 10**9, "data": "x", "session_hash": "s2"}, {"fn_name": "preprocess", "component_id": 1, "data": "x", "session_hash": "s2"},
        {"session_hash": "s2", "fn_index": 0, "event_id": "x"}, {"data": [[[[[]]]]], "session_hash": "\x00"}, {"session_hash": "../../x", "data": [1] * 1000, "fn_index": 0},
    ]  # fmt: skip
    for body in bodies:
        answer = attacked.wire.json("POST", f"/gradio_api/{route}", body)
        assert answer.status < 500, (route, body, answer.text[:300])
    kinds = ("application/json", "multipart/form-data; boundary=x", "multipart/form-data", "text/plain", "")
    for number, raw in enumerate((b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 20_000, b'{"fn_index": NaN, "data": []}', b"--x\r\n", b'{"data": [1e999], "fn_index": 1' + b"0" * 5000 + b"}")):
        for kind in ("application/json", kinds[(len(route) + number) % len(kinds)]):
            answer = attacked.wire.send("POST", f"/gradio_api/{route}", body=raw, headers={"Content-Type": kind} if kind else {})
            assert answer.status < 500, (route, raw[:40], kind, answer.text[:300])


def test_names_of_functions_are_no_paths(attacked: Attacked) -> None:
    for name in FEW:
        for route in ("run", "api", "call", "call/v2"):
            answer = attacked.wire.json("POST", f"/gradio_api/{route}/{name}", {"data": []})
            assert answer.status < 500 and "root:x:0" not in answer.text, (route, name, answer.text[:300])


@pytest.mark.parametrize("name", ["../../evil.png", "..\\..\\evil.png", "/etc/evil.png", "a" * 100_000 + ".png", "\0.png", "con", "a/b.png", "%2e%2e%2fx", "x\r\ny", "é" * 300 + ".png", ".", ""])
def test_uploads_land_in_their_folder(attacked: Attacked, name: str) -> None:
    folder = attacked.folder / "tmp" / "gradio"
    before = {path for path in attacked.folder.rglob("*") if folder not in path.parents}
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="' + name.encode("utf-8", "replace") + b'"\r\n\r\nnew\r\n--x--\r\n'
    answer = attacked.wire.send("POST", "/gradio_api/upload", headers={"Content-Type": "multipart/form-data; boundary=x"}, body=body)
    assert answer.status < 500, answer.text[:300]
    if answer.status == 200:
        assert all(Path(path).resolve().is_relative_to(folder.resolve()) for path in json.loads(answer.body))
    assert {path for path in attacked.folder.rglob("*") if folder not in path.parents} == before
