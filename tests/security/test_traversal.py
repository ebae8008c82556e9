"""No spelling of a path brings a file that is not meant to be seen, whatever route it is tried on; nor one that an extension added."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.security.conftest import SECRET, Attacked
from tests.security.corpora import FEW, INSIDE, spellings
from tests.security.routes_of import filled, parameters, routes_of, walk
from tests.security.wire import Answer

ENDS_THE_SERVER = ("/sdapi/v1/server-",)
STREAMS = ("/heartbeat/", "/queue/data", "/upload_progress", "/events", "/login")


def places(attacked: Attacked) -> list[tuple[str, str]]:
    """(method, path) of every GET route that takes something in its path."""
    found = [(method, path) for method, path in routes_of(attacked.server_app) if method == "GET" and parameters(path)]
    return [(method, path) for method, path in found if not path.startswith(ENDS_THE_SERVER) and not any(each in path for each in STREAMS)]


def questions(attacked: Attacked) -> Iterator[tuple[str, list[str]]]:
    """(path, names of its query parameters) of every GET route that has some."""
    for path, route in walk(attacked.server_app):
        dependant = getattr(route, "dependant", None)
        names = [field.alias for field in dependant.query_params] if dependant else []
        if names and "GET" in route.methods and not any(each in path for each in STREAMS):
            yield filled(path), names


def holds(answer: Answer, what: object) -> None:
    """It brought nothing, and it broke nothing."""
    text = answer.text
    assert SECRET not in text and "root:x:0" not in text and "PATH=" not in text and "daemon:" not in text, what
    assert answer.status < 500, (what, answer.status, text[:300])


SERVES_FILES = ("/file=", "/static", "/assets", "/webui-static", "/visitor/mounted")


def attack_addresses(attacked: Attacked, *, every: int) -> int:
    """Every ``every``-th spelling on routes that serve files, a few on the others; how many were tried."""
    tried = 0
    for number, (method, path) in enumerate(places(attacked)):
        is_full = any(each in path for each in SERVES_FILES)
        for spelling in spellings(attacked.folder)[number % every :: every] if is_full else FEW[number % 4 :: min(every, 4)]:
            raw = filled(path, spelling)
            for target in (raw, raw.replace("%", "%25")) if "%" in spelling else (raw,):
                holds(attacked.wire.send(method, target), (method, path, spelling))
                tried += 1
    return tried


def attack_questions(attacked: Attacked, *, every: int) -> int:
    tried = 0
    for path, names in questions(attacked):
        for name in names:
            for value in spellings(attacked.folder)[:: max(1, every // 4)] if name in ("filename", "path", "file") else FEW[tried % every :: every]:
                others = "".join(f"&{other}=1" for other in names if other != name)
                holds(attacked.wire.send("GET", f"{path}?{name}={quote(value, safe='', errors='surrogatepass')}{others}"), (path, name, value))
                tried += 1
    return tried


@pytest.mark.group("S1")
def test_paths_bring_nothing(attacked: Attacked) -> None:
    assert attack_addresses(attacked, every=24) + attack_questions(attacked, every=16) > 150
    for path in INSIDE:
        for route in ("/file=", "/gradio_api/file="):
            holds(attacked.wire.send("GET", f"{route}{attacked.folder}/{path}"), (route, path))


@pytest.mark.long
@pytest.mark.group("S1")
def test_every_spelling_on_every_route_brings_nothing(attacked: Attacked) -> None:
    assert attack_addresses(attacked, every=1) + attack_questions(attacked, every=1) > 2500


@pytest.mark.group("S1")
def test_what_is_meant_to_be_seen_is_still_shown(attacked: Attacked) -> None:
    from tests.security.corpora import png

    picture = attacked.folder / "outputs" / "seen.png"
    picture.write_bytes(png(8, 8))
    for path in ("/file=outputs/seen.png", f"/file={picture}", f"/gradio_api/file={picture}"):
        answer = attacked.wire.send("GET", path)
        assert (answer.status, answer.headers["content-type"], answer.body[:4]) == (200, "image/png", b"\x89PNG"), path


@pytest.mark.group("S2")
def test_routes_of_extensions_are_behind_the_same_gate(attacked: Attacked) -> None:
    assert attacked.wire.send("GET", "/visitor/read").status == 200
    assert attacked.stranger().send("GET", "/visitor/read").status == 401
    for spelling in spellings(attacked.folder)[::12]:
        holds(attacked.wire.send("GET", f"/visitor/{spelling}"), spelling)
        holds(attacked.wire.send("GET", f"/file=extensions/visitor/{spelling}"), spelling)


@pytest.mark.group("S1")
@pytest.mark.group("S5")
def test_a_request_to_the_page_names_uploaded_files_only(attacked: Attacked) -> None:
    """Gradio's own check of that is off where it is mounted: any file of the disk could be read, and any address fetched."""
    from tests.security.corpora import png

    config = json.loads(attacked.wire.send("GET", "/config", most=2**26).body)
    kinds = {each["id"]: each for each in config["components"]}
    takers = {kinds[number]["type"]: each for each in config["dependencies"] for number in each["inputs"] if kinds[number]["type"] in ("file", "image", "uploadbutton", "gallery")}
    assert {"file", "image"} <= set(takers)

    def ask(function: dict[str, Any], path: str) -> Answer:
        file = {"path": path, "url": path, "meta": {"_type": "gradio.FileData"}}
        ways = {"gallery": [{"image": file, "caption": None}], "image": file, "uploadbutton": file}
        data = [ways.get(each["type"], [file] if each["type"] == "file" and each["props"].get("file_count") == "multiple" else file if each["type"] == "file" else each["props"].get("value"))
                for each in (kinds[number] for number in function["inputs"])]  # fmt: skip
        return attacked.wire.json("POST", "/gradio_api/run/predict", {"fn_index": function["id"], "data": data, "session_hash": "x"})

    copies = attacked.folder / "tmp" / "gradio"
    before = set(copies.rglob("*"))
    outside = attacked.folder.with_name(attacked.folder.name + "-outside")
    for function in takers.values():
        for path in ("/etc/passwd", "/proc/self/environ", f"{attacked.folder}/config.json.bak", f"{outside}/secret.txt", f"{attacked.folder}/outputs/link.png", "http://127.0.0.1:1/x.png", "https://host.test/x.png"):
            answer = ask(function, path)
            assert answer.status == 400 and SECRET not in answer.text and "not uploaded" in answer.text, (path, answer.status, answer.text[:300])
    assert set(copies.rglob("*")) == before
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n' + png(8, 8) + b"\r\n--x--\r\n"
    uploaded = json.loads(attacked.wire.send("POST", "/gradio_api/upload", body=body, headers={"Content-Type": "multipart/form-data; boundary=x"}).body)[0]
    assert "not uploaded" not in ask(takers["image"], uploaded).text
