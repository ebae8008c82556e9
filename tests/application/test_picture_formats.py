"""The format that pictures are saved in: each one that is accepted gives a file, others are refused when they are typed, not when the picture is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from modules.application.picture_index import Search
from modules.gradio_ui.finished import ShownImage
from modules.gradio_ui.shown_files import ShownFiles
from modules.imaging.metadata import read_infotext_from
from modules.schema.settings.saving import PICTURE_FORMATS
from tests.conftest import FakeEngine, RunningServer, serve

SMALL = {"prompt": "a cat", "steps": 1, "width": 64, "height": 64, "save_images": True}


def drawn(server: RunningServer) -> list[Path]:
    answer = server.client.post("/sdapi/v1/txt2img", json=SMALL)
    assert answer.status_code == 200, answer.text[:500]
    assert len(answer.json()["images"]) == 1
    return [path for path in server.app.paths.outputs_dir.rglob("*") if path.is_file() and path.suffix != ".txt"]


@pytest.mark.parametrize("typed", [*PICTURE_FORMATS, ".BMP", "TIFF", ""])
def test_every_accepted_format_gives_a_file(fake_server: RunningServer, typed: str) -> None:
    assert fake_server.client.post("/sdapi/v1/options", json={"samples_format": typed}).status_code == 200
    (path,) = drawn(fake_server)
    assert path.suffix == "." + (typed.lower().lstrip(".") or "png")
    with Image.open(path) as picture:
        assert picture.size == (64, 64)
    beside = path.with_suffix(".txt")
    told = beside.read_text(encoding="utf-8") if path.suffix == ".bmp" else read_infotext_from(path)[0]
    assert told is not None and told.startswith("a cat\nSteps: 1")
    fake_server.app.pictures.refresh(wait=True)
    assert [each.path.name for each in fake_server.app.pictures.search(Search(), offset=0, count=9)[1]] == [path.name]


@pytest.mark.parametrize("key", ["samples_format", "grid_format"])
def test_an_unknown_one_is_refused_when_it_is_typed(fake_server: RunningServer, key: str) -> None:
    for typed in ("jxl", "exe", "png ", "../x", "pdf"):
        answer = fake_server.client.post("/sdapi/v1/options", json={key: typed})
        assert answer.status_code == 422 and "must be one of png, jpg" in answer.json()["detail"] and typed.strip() in answer.json()["detail"]
    assert fake_server.app.settings.get(key) == "png" and drawn(fake_server)[0].suffix == ".png"


def test_one_in_config_json_is_told_and_no_picture_is_lost(make_app: Callable[..., Any], fake_engine: FakeEngine, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"samples_format": "jxl", "grid_format": "psd"}))
    for server in serve(make_app("--api")):
        assert any("samples_format" in each and "jxl" in each for each in server.app.settings.notices)
        assert drawn(server)[0].suffix == ".png"


def test_the_gallery_shows_a_tiff_that_no_browser_can(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    Image.new("RGB", (8, 8), "red").save(path)
    files = ShownFiles((tmp_path,))     # its folder goes with it
    (shown,) = files.of("job", [ShownImage(path=path, picture=None, infotext="a cat", seed=1)])
    assert shown.suffix == ".png" and read_infotext_from(shown)[0] == "a cat"
