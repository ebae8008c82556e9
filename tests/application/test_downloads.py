"""Downloads of models, against a server on this machine: whole, in two goes, refused when what arrives is not what was asked for."""
from __future__ import annotations

import hashlib
import http.server
import json
import struct
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from modules.application.downloads import PUBLISHED, Download, Downloads, Published
from modules.files.partial import PartialFile
from modules.schema.errors import InvalidValue

HEADER = json.dumps({"a": {"dtype": "U8", "shape": [3_000_000], "data_offsets": [0, 3_000_000]}}).encode()
MODEL = struct.pack("<Q", len(HEADER)) + HEADER + bytes(range(250)) * 12_000
SHA = hashlib.sha256(MODEL).hexdigest()
OTHER = struct.pack("<Q", len(HEADER)) + HEADER + bytes(range(1, 251)) * 12_000       # as long, and with the same header
SHORT = {"empty.ckpt": b"", "message.pt": b'{"error": "Unauthorized"}', "cut.ckpt": b"PK\x03\x04" + bytes(500), "cut.gguf": b"GGUF\x03\0\0\0"}


class Server(http.server.BaseHTTPRequestHandler):
    """/model.safetensors; /broken/... breaks off half way the first time; /page/... is a web page; and the paths of the hub."""

    ranges: list[str] = []
    broken: bool = True
    model: bytes = MODEL
    mark: str = ""

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.ranges.append(wanted)
        if self.path == "/api/models/owner/name":
            return self._send(200, json.dumps({"cardData": {"license": "openrail++"}}).encode(), "application/json")
        if self.path.startswith("/owner/name/resolve/main/"):
            self.send_response(302)
            self.send_header("Location", "/model.safetensors")
            self.send_header("X-Linked-ETag", f'"{SHA}"')
            self.end_headers()
            return None
        if self.path.startswith("/page/"):
            return self._send(200, b"<html>Log in", "text/html; charset=utf-8")
        if self.path.startswith("/disguised/"):
            return self._send(200, b"<!doctype html>Log in", "application/octet-stream")
        if self.path.startswith("/short/"):
            return self._send(200, SHORT[self.path.rpartition("/")[2]], "application/octet-stream")
        if "model" not in self.path:
            return self._send(404, b"", "text/plain")
        model = type(self).model
        begin = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.headers.get("If-Range", self.mark) == self.mark else 0
        if begin >= len(model):
            return self._send(416, b"", "text/plain", {"Content-Range": f"bytes */{len(model)}"})
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(model) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(model) - 1}/{len(model)}")
        if self.mark:
            self.send_header("ETag", self.mark)
        self.end_headers()
        half = self.path.startswith("/broken/") and type(self).broken
        type(self).broken = type(self).broken and not half
        self.wfile.write(model[begin : len(model) // 2] if half else model[begin:])
        return None

    def _send(self, status: int, body: bytes, kind: str, more: Mapping[str, str] = MappingProxyType({})) -> None:
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def downloads(tmp_path: Path, address: str) -> Downloads:
    Server.ranges, Server.broken, Server.model, Server.mark = [], True, MODEL, ""
    return Downloads(folders={"checkpoint": tmp_path / "Stable-diffusion", "lora": tmp_path / "Lora"}, local_allowed=lambda: True, when_done=lambda: None, hub=address)


def ended(downloads: Downloads, source: str, kind: str = "checkpoint", **asked: str) -> Download:
    made = downloads.start(source, kind, **asked)
    assert downloads.wait(20)
    return next(each for each in downloads.listed() if each.id == made.id)


def test_a_file_arrives_whole_in_its_folder(downloads: Downloads, address: str, tmp_path: Path) -> None:
    found = ended(downloads, f"{address}/model.safetensors?download=true", sha256=SHA.upper())
    assert (found.state, found.there, found.total, found.name) == ("done", len(MODEL), len(MODEL), "model.safetensors")
    assert (tmp_path / "Stable-diffusion" / "model.safetensors").read_bytes() == MODEL
    assert [path.name for path in (tmp_path / "Stable-diffusion").iterdir()] == ["model.safetensors"]
    with pytest.raises(InvalidValue, match="already"):
        downloads.start(f"{address}/model.safetensors", "checkpoint")


def test_what_a_part_of_the_program_looks_for_goes_where_it_looks(downloads: Downloads, address: str, tmp_path: Path) -> None:
    downloads.published.append(lambda: [Published(final=tmp_path / "GFPGAN" / "faces.safetensors", address=f"{address}/broken/model.safetensors")])
    found = ended(downloads, f"{address}/broken/model.safetensors", PUBLISHED, name="../elsewhere.safetensors")
    assert found.state == "failed" and not (tmp_path / "GFPGAN" / "faces.safetensors").exists()
    again = replace(downloads, _known={})
    again.take_up_broken_off()
    assert [(each.name, each.state) for each in again.listed()] == [("faces.safetensors", "stopped")]
    assert ended(downloads, f"{address}/broken/model.safetensors", PUBLISHED).state == "done"
    assert (tmp_path / "GFPGAN" / "faces.safetensors").read_bytes() == MODEL
    with pytest.raises(InvalidValue, match="already"):
        downloads.start(f"{address}/broken/model.safetensors", PUBLISHED)
    with pytest.raises(InvalidValue, match="No part of this program"):
        downloads.start(f"{address}/model.safetensors", PUBLISHED)


def test_one_that_broke_off_goes_on_where_it_stopped(downloads: Downloads, address: str, tmp_path: Path) -> None:
    found = ended(downloads, f"{address}/broken/model.safetensors", "lora", name="mine.safetensors")
    assert found.state == "failed" and f"{len(MODEL) / 2e6:.1f} MB short of 3.0 MB" in found.message
    assert not (tmp_path / "Lora" / "mine.safetensors").exists()
    found = ended(downloads, f"{address}/broken/model.safetensors", "lora", name="mine.safetensors")
    assert found.state == "done" and (tmp_path / "Lora" / "mine.safetensors").read_bytes() == MODEL
    assert Server.ranges == ["", f"bytes={len(MODEL) // 2}-"]


def test_what_a_killed_server_had_begun_is_listed_and_goes_on(downloads: Downloads, address: str, tmp_path: Path) -> None:
    ended(downloads, f"{address}/broken/model.safetensors", "lora")
    with PartialFile(tmp_path / "Lora" / "others.safetensors").alone(), PartialFile(tmp_path / "Lora" / "others.safetensors").open(anew=True) as file:
        file.write(b"of a server that runs")
        file.flush()
        later = replace(downloads, _known={})
        later.take_up_broken_off()
    (listed,) = later.listed()
    assert (listed.name, listed.kind, listed.state, listed.there) == ("model.safetensors", "lora", "stopped", len(MODEL) // 2)
    assert "server ended" in listed.message and "same address" in listed.message
    assert ended(later, f"{address}/broken/model.safetensors", "lora").state == "done"
    assert [each.state for each in later.listed()] == ["done"] and Server.ranges[-1] == f"bytes={len(MODEL) // 2}-"


def test_two_servers_do_not_write_one_file(downloads: Downloads, address: str, tmp_path: Path) -> None:
    into = PartialFile(tmp_path / "Lora" / "a.safetensors")
    with into.alone(), into.open(anew=True) as file:
        into.write(file, b"of the other server")
        found = ended(downloads, f"{address}/model.safetensors", "lora", name="a.safetensors")
    assert found.state == "failed" and "Another server is downloading a.safetensors" in found.message
    assert into.path.read_bytes() == b"of the other server"
    assert ended(downloads, f"{address}/model.safetensors", "lora", name="a.safetensors").state == "done"
    assert [path.name for path in (tmp_path / "Lora").iterdir()] == ["a.safetensors"]


def test_a_file_for_which_there_is_no_room_is_not_begun(downloads: Downloads, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What still fits would fill the disk, and nothing else could be saved."""
    monkeypatch.setattr(PartialFile, "free_bytes", lambda _self: 2 << 20)
    found = ended(downloads, f"{address}/model.safetensors", "lora")
    assert found.state == "failed" and "needs 3 MB more" in found.message and "2 MB are free" in found.message
    assert list((tmp_path / "Lora").iterdir()) == []


def test_half_of_one_file_is_never_half_of_another(downloads: Downloads, address: str, tmp_path: Path) -> None:
    """The same name from another address; then a file that its owner exchanged meanwhile, for one as long (told by its mark) and for a shorter one."""
    def half(name: str) -> None:
        Server.model, Server.mark, Server.broken = MODEL, '"first"', True
        assert ended(downloads, f"{address}/broken/model.safetensors", "lora", name=name).state == "failed"

    def arrived(path: str, name: str, model: bytes) -> bool:
        Server.model = model
        return ended(downloads, address + path, "lora", name=name).state == "done" and (tmp_path / "Lora" / name).read_bytes() == model

    half("a.safetensors")
    assert arrived("/model.safetensors", "a.safetensors", OTHER)
    half("b.safetensors")
    Server.mark = '"second"'
    assert arrived("/broken/model.safetensors", "b.safetensors", OTHER)
    short = struct.pack("<Q", 2) + b"{}" + bytes(100)
    half("c.safetensors")
    Server.mark = '"first"'                         # a server that answers "that is past its end" rather than sending the new one
    assert arrived("/broken/model.safetensors", "c.safetensors", short)
    assert {path.name for path in (tmp_path / "Lora").iterdir()} == {"a.safetensors", "b.safetensors", "c.safetensors"}


@pytest.mark.parametrize(("name", "words"), [("empty.ckpt", "it is empty"), ("message.pt", "it begins with"), ("cut.ckpt", "it is truncated"), ("cut.gguf", "cut.gguf is no model")])
def test_a_message_or_half_a_file_under_the_name_of_a_pickle_is_no_model(name: str, words: str, downloads: Downloads, address: str, tmp_path: Path) -> None:
    found = ended(downloads, f"{address}/short/{name}")
    assert found.state == "failed" and words in found.message and not list(tmp_path.rglob("*.*"))


def test_the_hub_names_licence_and_hash(downloads: Downloads, tmp_path: Path) -> None:
    found = ended(downloads, "owner/name/folder/some model.safetensors")
    assert (found.state, found.licence, found.name) == ("done", "openrail++", "some model.safetensors")


@pytest.mark.parametrize(("path", "asked", "words"), [
    ("/page/model.safetensors", {}, "web page"),
    ("/disguised/model.safetensors", {}, "is no model: it is a web page"),
    ("/gone.safetensors", {}, "answered 404: there is no such file"),
    ("/model.safetensors", {"sha256": "0" * 64}, "arrived damaged"),
])  # fmt: skip
def test_what_is_not_the_file_gets_no_name(path: str, asked: dict[str, str], words: str, downloads: Downloads, address: str, tmp_path: Path) -> None:
    found = ended(downloads, address + path, **asked)
    assert found.state == "failed" and words in found.message
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize("source", ["http://127.0.0.1:99999/model.safetensors", "http://127.0.0.1:x/model.safetensors", "http://127.0.0.1:9/model.safetensors?w\u00f6rds"])
def test_an_address_that_cannot_be_read_ends_the_download(source: str, downloads: Downloads) -> None:
    found = ended(downloads, source)
    assert found.state == "failed" and "broke off" in found.message
    assert ended(downloads, source).state == "failed", "the name is free again"


@pytest.mark.parametrize(("source", "asked"), [
    ("ftp://host/model.safetensors", {}), ("just words", {}), ("owner/../x.safetensors", {}), ("http://host/model.exe", {}),
    ("http://host/model.safetensors", {"name": "../model.safetensors"}), ("http://host/model.safetensors", {"sha256": "12"}),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused_at_once(source: str, asked: dict[str, str], downloads: Downloads) -> None:
    with pytest.raises(InvalidValue):
        downloads.start(source, "checkpoint", **asked)
    assert downloads.listed() == ()


@pytest.mark.group("S5")
def test_addresses_of_this_network_are_left_alone_unless_allowed(downloads: Downloads, address: str) -> None:
    downloads.local_allowed = lambda: False
    found = ended(downloads, f"{address}/model.safetensors")
    assert found.state == "failed" and "api_forbid_local_requests" in found.message and Server.ranges == []
