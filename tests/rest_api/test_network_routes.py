"""/sd_extra_networks/*: only pictures beside models leave the machine, and nothing that a file says becomes HTML."""
from __future__ import annotations

import base64
import io
import json
import os
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from PIL import Image

from modules.rest_api.safe_html import safe_html
from tests.application.test_network_pages import network
from tests.conftest import RunningServer

EVIL = '"><img src=x onerror=alert(1)><script>alert(2)</script>'


def picture() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def server(fake_server: RunningServer, tmp_path: Path) -> RunningServer:
    folder = tmp_path / "models" / "Lora"
    network(folder / "sub" / "one.safetensors", ss_tag_frequency='{"a": {"cat": 3}}', note=EVIL, **{"modelspec.thumbnail": "data:image/png;base64," + base64.b64encode(picture()).decode()})
    network(folder / "two.safetensors")
    (folder / "two.png").write_bytes(picture())
    (folder / "two.json").write_text(json.dumps({"description": EVIL, "civitai": 7}))
    fake_server.app.catalogue.refresh()
    return fake_server


def get(server: RunningServer, route: str, **query: str) -> httpx.Response:
    return server.client.get(f"/sd_extra_networks/{route}", params=query)


def thumb(server: RunningServer, path: Path | str) -> int:
    return get(server, "thumb", filename=str(path)).status_code


@pytest.mark.group("S1")
def test_previews_are_served_and_nothing_else(server: RunningServer, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "Lora"
    shown = get(server, "thumb", filename=str(folder / "two.png"))
    assert shown.status_code == 200 and shown.headers["content-type"] == "image/png"
    outside = tmp_path / "private.png"
    outside.write_bytes(picture())
    os.symlink(outside, folder / "link.png")
    (folder / "notes.txt").write_text("x")
    (folder / "page.svg").write_text("<svg/>")
    for path in (
        outside, folder / ".." / ".." / "private.png", folder / "link.png", folder / "two.safetensors", folder / "two.json", folder / "notes.txt",
        folder / "page.svg", "two.png", "", "/etc/passwd", f"{folder}/two.png\0.png", f"{folder}/x" + "y" * 5000, folder / "missing.png",
    ):  # fmt: skip
        assert thumb(server, path) == 404, path


def test_previews_in_a_linked_folder_of_models_are_shown(server: RunningServer, tmp_path: Path) -> None:
    network(tmp_path / "elsewhere" / "far.safetensors")
    (tmp_path / "elsewhere" / "far.png").write_bytes(picture())
    os.symlink(tmp_path / "elsewhere", tmp_path / "models" / "Lora" / "linked")
    server.app.catalogue.refresh()
    assert thumb(server, tmp_path / "models" / "Lora" / "linked" / "far.png") == 200


def test_metadata_and_pictures_inside_a_file(server: RunningServer) -> None:
    texts = json.loads(get(server, "metadata", page="lora", item="one").json()["metadata"])
    assert texts["ss_tag_frequency"] == {"a": {"cat": 3}} and "modelspec.thumbnail" not in texts
    assert get(server, "metadata", page="lora", item="two").json() == {}
    assert get(server, "cover-images", page="lora", item="one", index="0").content.startswith(b"\x89PNG")
    assert get(server, "cover-images", page="lora", item="two").status_code == 404
    for route, query in (("metadata", {"page": "lora", "item": "nine"}), ("metadata", {"page": "x"}), ("get-single-card", {"page": "lora", "name": "../two"})):
        assert get(server, route, **query).status_code == 404, query


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, set[str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name for name, _ in attrs}))


@pytest.mark.group("S13")
def test_no_text_of_a_file_becomes_html(server: RunningServer) -> None:
    for as_html in (False, True):
        server.app.settings.set("extra_networks_card_description_is_html", as_html)
        html = get(server, "get-single-card", page="lora", tabname="txt2img", name="two").json()["html"]
        tags = Tags(html).found
        assert [tag for tag, _ in tags].count("img") == 1 and "script" not in {tag for tag, _ in tags}
        assert not any(name.startswith("on") for _, names in tags for name in names)


@pytest.mark.group("S13")
def test_descriptions_as_html_keep_shape_and_lose_what_acts() -> None:
    shaped = safe_html('<p onclick="x()">a <b>b</b><br><a href="https://x.org/?q=1&amp;z" style="x">c</a><a href="javascript:x()">d</a> 1 < 2 &lt;i&gt;<i>open')
    assert shaped == (
        '<p>a <b>b</b><br><a href="https://x.org/?q=1&amp;z" target="_blank" rel="noopener noreferrer">c</a><a>d</a> 1 &lt; 2 &lt;i&gt;<i>open</i></p>'
    )
    assert safe_html("<script>alert(1)</script><svg><b>x</b></svg>ok<style>b{}</style></div>") == "ok"


def test_what_the_user_writes_is_kept_beside_the_file(server: RunningServer, tmp_path: Path) -> None:
    values = {"description": "short", "activation_text": "word", "preferred_weight": 0.4, "notes": "n", "sd_version": "SD1"}
    answer = server.client.post("/sd_extra_networks/user-metadata", json={"page": "lora", "name": "two.safetensors", "values": values})
    assert answer.status_code == 200 and "&lt;lora:two:0.4&gt; word" in answer.json()["html"]
    kept = json.loads((tmp_path / "models" / "Lora" / "two.json").read_text())
    assert kept["civitai"] == 7 and kept["activation text"] == "word"
    shown = get(server, "user-metadata", page="lora", name="two").json()
    assert {key: shown[key] for key in values} == values
    assert [get(server, "user-metadata", page="lora", name=name).json()["tags"] for name in ("one", "two")] == [[["cat", 3]], []]
    wrong = server.client.post("/sd_extra_networks/user-metadata", json={"page": "lora", "name": "two", "values": {"preferred_weight": "x"}})
    assert wrong.status_code == 422


def test_a_picture_becomes_the_preview(server: RunningServer, tmp_path: Path) -> None:
    body = {"page": "lora", "name": "sub/one.safetensors", "image": "data:image/png;base64," + base64.b64encode(picture()).decode()}
    answer = server.client.post("/sd_extra_networks/preview", json=body)
    assert answer.status_code == 200 and "one.png" in answer.json()["html"]
    assert (tmp_path / "models" / "Lora" / "sub" / "one.png").read_bytes() == picture()
    assert server.client.post("/sd_extra_networks/preview", json={**body, "image": "AAAA"}).status_code == 422


def test_refresh_finds_new_files(server: RunningServer, tmp_path: Path) -> None:
    assert get(server, "cards", page="lora").json()["total"] == 2
    network(tmp_path / "models" / "Lora" / "three.safetensors")
    assert server.client.post("/sd_extra_networks/refresh", json={"page": "lora"}).status_code == 200
    found = get(server, "cards", page="lora", search="three").json()
    assert found["total"] == 1 and 'data-prompt="&lt;lora:three:1&gt;"' in found["cards"][0]
    assert get(server, "cards", page="lora", sort="colour").status_code == 422
