"""Preprocessors, routes and pose drawings against the original extension's answers."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from modules.a1111 import callbacks
from tests.golden_cn import stored

# stored answer -> why ours is another one
BETTER = {
    "inpaint-mask": "a grey mask is a mask", "inpaint_only-mask": "a grey mask is a mask", "inpaint_global_harmonious-mask": "a grey mask is a mask",
    "inpaint-mask-size-mismatch": "422 with a sentence for 500", "bad-image-not-base64": "422 with a sentence for 500",
    "bad-t2ia_style_clipvision": "422 that names the file it needs, for 500 because a download failed", "pose-bad-length": "422 for 500",
}  # fmt: skip
BY_CHANCE = ("shuffle-res128", "shuffle-res128-again")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with stored.server(tmp_path_factory.mktemp("data")) as app:
        yield app


@pytest.fixture(scope="module")
def client(app: Any) -> TestClient:
    server = FastAPI()
    callbacks.app_started_callback(None, server)
    return TestClient(server)


def decoded(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def test_detect_answers_as_the_original(client: TestClient) -> None:
    for case in stored.rows("detect"):
        answer = client.post("/controlnet/detect", json=stored.filled(case["request"]))
        if case["name"] in BETTER:
            assert answer.status_code == (200 if case["name"].endswith("-mask") else 422), case["name"]
            continue
        assert answer.status_code == case["status"], case["name"]
        if case["images"] and case["name"] not in BY_CHANCE:
            found = [decoded(each) for each in answer.json()["images"]]
            assert max(stored.worst(*pair) for pair in zip(found, map(stored.picture, case["images"]), strict=True)) <= 1, case["name"]
        elif isinstance(case["detail"], str):
            assert answer.json()["detail"] == case["detail"], case["name"]


def test_poses_are_drawn_as_the_networks_know_them(client: TestClient) -> None:
    for case in stored.rows("poses"):
        answer = client.post("/controlnet/render_openpose_json", json=case["request"])
        if case["name"].removeprefix("render_openpose_json-") in BETTER:
            assert answer.status_code == 422
            continue
        assert answer.status_code == case["status"], case["name"]
        for ours, theirs in zip(answer.json().get("images") or (), case["images"], strict=True):
            a, b = (np.asarray(each.convert("RGB"), dtype=np.int16) for each in (decoded(ours), stored.picture(theirs)))
            assert (np.abs(a - b).max(axis=2) > 2).mean() < 0.001, case["name"]


@pytest.mark.parametrize(("path", "name"), [
    ("version", "version"), ("settings", "settings"), ("model_list", "model_list"), ("module_list", "module_list"), ("module_list?alias_names=true", "module_list_alias"),
    ("control_types", "control_types"),
])  # fmt: skip
def test_lists_are_those_of_the_original(client: TestClient, path: str, name: str) -> None:
    stored_answer = stored.answer(name)
    assert client.get(f"/controlnet/{path}").json() == stored_answer.get("body", stored_answer)


def test_a_preprocessor_without_its_weights_says_which_file_it_wants(client: TestClient) -> None:
    scene = stored.filled(stored.rows("detect")[0]["request"])["controlnet_input_images"]
    answer = client.post("/controlnet/detect", json={"controlnet_module": "softedge_hed", "controlnet_input_images": scene})
    assert answer.status_code == 422
    assert "ControlNetHED.pth" in answer.json()["detail"] and str(Path("ControlNetPreprocessor") / "hed") in answer.json()["detail"]


def test_a_strip_that_no_memory_holds_when_enlarged_is_refused(client: TestClient) -> None:
    """30,000 x 1 pixels at a resolution of 512: the server was killed by the system."""
    file = io.BytesIO()
    Image.new("RGB", (30_000, 1)).save(file, "PNG")
    strip = base64.b64encode(file.getvalue()).decode()
    answer = client.post("/controlnet/detect", json={"controlnet_module": "canny", "controlnet_input_images": [strip]})
    assert answer.status_code == 422 and "30000x1" in answer.json()["detail"] and "Crop it" in answer.json()["detail"]


def test_other_extensions_find_it_by_name(app: Any) -> None:
    assert "sd-webui-controlnet" in [each.name for each in app.extensions.enabled]
    import importlib

    external_code = importlib.import_module("extensions.sd-webui-controlnet.scripts.external_code")
    unit = external_code.ControlNetUnit(module="canny", model="x", control_mode=external_code.ControlMode.PROMPT, resize_mode=2)
    assert external_code.ControlNetUnit.parse(unit.serialize()).resize_mode is external_code.ResizeMode.OUTER_FIT
