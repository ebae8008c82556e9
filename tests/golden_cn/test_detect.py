"""Preprocessors, routes and pose drawings against the original extension's answers."""

from __future__ import annotations

import base64
import importlib
import io
import shutil
import time
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


def test_models_inside_a1111s_own_extension_folder_are_found(app: Any, client: TestClient) -> None:
    """Most users keep them in its folder "models", its preprocessors' in "annotator/downloads"; ours runs in its place."""
    theirs = app.paths.data_dir / "extensions" / "sd-webui-controlnet"
    (theirs / "models").mkdir(parents=True)
    shutil.copy(Path(__file__).parents[2] / "models" / "ControlNet" / "starter_canny.safetensors", theirs / "models" / "mine.safetensors")
    listed = client.get("/controlnet/model_list").json()["model_list"]
    downloads = importlib.import_module("internal_controlnet.preprocessors").weight_folders()
    shutil.rmtree(theirs)
    assert any(each.startswith("mine [") for each in listed)
    assert theirs / "annotator" / "downloads" in downloads


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
    external_code = importlib.import_module("extensions.sd-webui-controlnet.scripts.external_code")
    unit = external_code.ControlNetUnit(module="canny", model="x", control_mode=external_code.ControlMode.PROMPT, resize_mode=2)
    assert external_code.ControlNetUnit.parse(unit.serialize()).resize_mode is external_code.ResizeMode.OUTER_FIT


@pytest.mark.parametrize("written", [
    "preprocessor: canny, model: x, weight: 0.6, starting/ending: (0.2, 0.7), resize mode: Just Resize, pixel perfect: True, control mode: Balanced, preprocessor params: (512, 60, 120)",
    ("Module: canny, Model: x, Weight: 0.6, Resize Mode: Just Resize, Low Vram: False, Processor Res: 512, Threshold A: 60, Threshold B: 120, Guidance Start: 0.2, Guidance End: 0.7, "
    "Pixel Perfect: True, Control Mode: Balanced, Hr Option: High res only"),
], ids=["older", "Forge"])
def test_units_in_the_words_of_other_versions_are_pasted_whole(app: Any, written: str) -> None:
    params: dict[str, Any] = {"ControlNet 1": written}
    callbacks.infotext_pasted_callback("", params)
    fields = {"module": "canny", "weight": 0.6, "resize_mode": "Just Resize", "processor_res": 512, "threshold_a": 60, "threshold_b": 120, "guidance_start": 0.2, "guidance_end": 0.7,
              "pixel_perfect": True}
    assert {name: params[f"ControlNet 1 {name}"] for name in fields} == fields
    assert params.get("ControlNet 1 hr_option") == ("High res only" if "Hr Option" in written else None)


def test_a_large_hint_is_fitted_without_a_wait(app: Any) -> None:
    """Its colours were counted by sorting its pixels, twice: seconds for each unit of a large picture."""
    from internal_controlnet.enums import ResizeMode
    from internal_controlnet.hints import fitted_hint

    hint = np.random.default_rng(1).integers(0, 256, (2048, 2048, 3), dtype=np.uint8)
    before = time.process_time()
    assert fitted_hint(hint, ResizeMode.INNER_FIT, 1024, 1024, masked=False).shape == (1024, 1024, 3)
    assert time.process_time() - before < 2         # it took 10


@pytest.mark.parametrize("colours", [2, 3, 199, 200])
def test_a_map_of_few_colours_gets_no_new_ones(app: Any, colours: int) -> None:
    from internal_controlnet.enums import ResizeMode
    from internal_controlnet.hints import fitted_hint

    hint = np.random.default_rng(1).integers(20, 230, (colours, 3), dtype=np.uint8)[np.arange(64 * 64).reshape(64, 64) % colours]
    for masked in (False, True):
        fitted = fitted_hint(np.dstack([hint, np.zeros((64, 64, 1), np.uint8)]) if masked else hint, ResizeMode.RESIZE, 40, 40, masked=masked)
        found = len(np.unique(fitted[:, :, :3].reshape(-1, 3), axis=0))
        assert found <= colours if 2 < colours < 200 else found > colours


def test_each_file_that_a_preprocessor_lacks_is_one_that_the_page_can_fetch(client: TestClient, app: Any) -> None:
    picture = stored.filled(next(each for each in stored.rows("detect") if each["images"])["request"])
    refused = 0
    for name in client.get("/controlnet/module_list").json()["module_list"]:
        answer = client.post("/controlnet/detect", json={**picture, "controlnet_module": name})
        if answer.status_code == 422 and (addresses := [each.strip(",.") for each in answer.json()["detail"].split() if each.startswith("https://")]):
            refused += 1
            assert set(addresses) <= app.downloads.published_files().keys(), name
    assert refused > 10


def test_every_preprocessor_that_is_listed_runs_or_says_why_not(client: TestClient) -> None:
    """And the files of those that run can be downloaded from the page."""
    from internal_controlnet.annotators import ANNOTATORS
    from internal_controlnet.preprocessor_rows import LOOKS, NOT_RUN, ROWS, WEIGHTS
    from internal_controlnet.preprocessors import _RUNS, published

    names = {row[0]: row[1] for row in ROWS}
    assert not [key for key in names if not any(key in each for each in (_RUNS, ANNOTATORS, LOOKS, NOT_RUN))]
    addresses = {each.address for each in published()}
    assert {key for key, (_, needed) in WEIGHTS.items() if not addresses.issuperset(needed)} <= set(NOT_RUN)
    png = io.BytesIO()
    Image.new("RGB", (64, 64)).save(png, "PNG")
    shown = [base64.b64encode(png.getvalue()).decode()]
    for key in (each for each in names if each in ANNOTATORS or each in NOT_RUN):               # without its file
        answer = client.post("/controlnet/detect", json={"controlnet_module": names[key], "controlnet_input_images": shown, "controlnet_masks": shown})
        said = NOT_RUN[key][0] if key in NOT_RUN else WEIGHTS[key][1][0].rpartition("/")[2]
        assert answer.status_code == 422 and said in answer.json()["detail"], (key, answer.json()["detail"])
