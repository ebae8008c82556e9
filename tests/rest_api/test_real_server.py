"""The real server with the tiny golden checkpoint: what A1111's clients send, they get back."""
from __future__ import annotations

import base64
import io
import json
import os
import threading
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from modules.rest_api import info_routes
from modules.rest_api.info_routes import process_memory
from tests.conftest import RunningServer
from tests.golden.cases import a1111_said, case

SMALL = {"prompt": "a cat", "steps": 2, "width": 64, "height": 64, "override_settings": {"randn_source": "CPU"}}


def picture(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


@pytest.mark.parametrize("name", ["prompt-plain", "seed-niter2", "steps-20-dpmpp2m-karras"])
def test_golden_requests_give_golden_pictures(running_app: RunningServer, name: str) -> None:
    golden = case(name)
    answer = running_app.client.post("/sdapi/v1/txt2img", json=dict(golden.request))
    assert answer.status_code == 200, answer.text[:500]
    body = answer.json()
    info = json.loads(body["info"])
    for ours, theirs in zip(body["images"], golden.images(), strict=True):
        difference = np.abs(np.asarray(picture(ours), dtype=int) - np.asarray(theirs, dtype=int))
        assert difference.max() <= 2
    theirs_info = golden.info
    assert theirs_info is not None and list(info) == list(theirs_info)
    for key in set(info) - {"subseed", "all_subseeds", "job_timestamp", "version", "infotexts"}:
        assert info[key] == theirs_info[key], key
    assert [text.rpartition(", Version")[0] for text in info["infotexts"]] == [text.rpartition(", Version")[0] for text in theirs_info["infotexts"]]
    assert picture(body["images"][0]).info["parameters"] == info["infotexts"][0]
    assert {**body["parameters"], "override_settings": {"randn_source": "CPU"}}["steps"] == golden.request["steps"]


def test_two_callers_get_their_pictures_in_order(running_app: RunningServer) -> None:
    answers: dict[int, Any] = {}

    def ask(seed: int) -> None:
        answers[seed] = json.loads(running_app.client.post("/sdapi/v1/txt2img", json={**SMALL, "seed": seed}).json()["info"])["all_seeds"]

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in (11, 22, 33)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert answers == {11: [11], 22: [22], 33: [33]}


@pytest.mark.parametrize(("path", "key"), [("samplers", "name"), ("schedulers", "name"), ("sd-models", "model_name"), ("prompt-styles", "name"),
                                           ("latent-upscale-modes", "name"), ("upscalers", "name"), ("sd-vae", "model_name")])
def test_lists_have_a1111s_shape(running_app: RunningServer, path: str, key: str) -> None:
    ours, theirs = running_app.client.get(f"/sdapi/v1/{path}").json(), {each[key]: each for each in a1111_said(f"api/{path}")}
    for each in ours:
        if each[key] in theirs and path != "sd-models":
            assert each == theirs[each[key]]
        elif theirs:
            assert list(each) == list(next(iter(theirs.values())))
    if path in ("prompt-styles", "latent-upscale-modes"):
        assert [each[key] for each in ours] == list(theirs)


def test_sd_models(running_app: RunningServer) -> None:
    running_app.client.post("/sdapi/v1/reload-checkpoint")
    running_app.app.catalogue.wait(20)
    tiny = next(each for each in running_app.client.get("/sdapi/v1/sd-models").json() if each["model_name"] == "sd15-tiny")
    theirs = a1111_said("api/sd-models")[0]
    assert {key: tiny[key] for key in ("title", "hash", "sha256")} == {key: theirs[key] for key in ("title", "hash", "sha256")}
    assert tiny["config"].endswith("sd15-tiny.yaml")


def test_options(running_app: RunningServer) -> None:
    client, theirs = running_app.client, a1111_said("api/options")
    ours = client.get("/sdapi/v1/options").json()
    explanations = {key for key in theirs if key.endswith("_explanation")} | {"settings_in_ui"}     # texts of A1111's page, no settings
    assert set(theirs) - explanations <= set(ours)
    assert ours["sd_model_checkpoint"].startswith("sd15-tiny.safetensors")
    differing = {key for key in set(theirs) - explanations if ours[key] != theirs[key] and not key.startswith("outdir_")}
    assert differing <= {"sd_checkpoint_hash", "sd_model_checkpoint"}
    assert client.post("/sdapi/v1/options", json={"CLIP_stop_at_last_layers": 2}).json() is None
    assert json.loads(client.post("/sdapi/v1/txt2img", json={**SMALL, "send_images": False}).json()["info"])["clip_skip"] == 2
    assert json.loads(running_app.app.paths.config_file.read_text())["CLIP_stop_at_last_layers"] == 2
    assert client.post("/sdapi/v1/options", json={"CLIP_stop_at_last_layers": 1, "sd_model_checkpoint": "sd15-tiny"}).status_code == 200
    assert client.post("/sdapi/v1/options", json={"sd_model_checkpoint": "nope.safetensors"}).status_code == 404
    assert client.get("/sdapi/v1/options").json()["sd_model_checkpoint"].startswith("sd15-tiny")


def test_progress_while_running_and_interrupt(running_app: RunningServer) -> None:
    client, answer = running_app.client, {}
    assert client.get("/sdapi/v1/progress").json()["progress"] == 0.0
    thread = threading.Thread(target=lambda: answer.update(client.post("/sdapi/v1/txt2img", json={
        **SMALL, "steps": 900, "force_task_id": "mine", "override_settings": {"randn_source": "CPU", "show_progress_every_n_steps": 1}}).json()))
    thread.start()
    seen: list[dict[str, Any]] = []
    while not (seen and seen[-1]["current_image"] and seen[-1]["state"]["sampling_step"] > 5):
        seen.append(client.get("/sdapi/v1/progress").json())
        assert len(seen) < 2000
    state = seen[-1]
    assert list(state["state"]) == list(a1111_said("api/progress-while-running")["state"])
    assert 0 < state["progress"] <= 1 and state["eta_relative"] > 0 and state["state"]["sampling_steps"] == 900
    assert picture(state["current_image"]).size[0] >= 64
    page = client.post("/internal/progress", json={"id_task": "mine"}).json()
    assert page["active"] and page["live_preview"].startswith("data:image/png;base64,") and page["id_live_preview"] > 0
    shown = client.get(f"/internal/preview/mine/{page['id_live_preview']}")
    assert shown.status_code in (200, 404)
    assert client.post("/sdapi/v1/interrupt").json() == {}
    thread.join(20)
    assert not thread.is_alive() and len(answer["images"]) == 1
    page = client.post("/internal/progress", json={"id_task": "mine"}).json()
    assert page["completed"] and not page["active"]


def test_png_info(running_app: RunningServer) -> None:
    theirs = a1111_said("api/error-and-edge-responses")["png-info"]
    ours = running_app.client.post("/sdapi/v1/png-info", json=theirs["request"])
    assert ours.status_code == 200
    assert {key: ours.json()[key] for key in ("info", "items")} == {key: theirs["response"][key] for key in ("info", "items")}
    for key in ("Steps", "Seed", "Size-1", "Prompt", "Negative prompt", "Model hash"):
        assert ours.json()["parameters"][key] == theirs["response"]["parameters"][key]


def test_embeddings_and_loras(running_app: RunningServer) -> None:
    running_app.client.post("/sdapi/v1/reload-checkpoint")
    assert running_app.client.get("/sdapi/v1/embeddings").json() == a1111_said("api/embeddings")
    theirs = a1111_said("api/error-and-edge-responses")["loras"]["response"]
    ours = running_app.client.get("/sdapi/v1/loras").json()
    assert [{**each, "path": ""} for each in ours] == [{**each, "path": ""} for each in theirs]


def test_img2img_gives_the_golden_picture(running_app: RunningServer) -> None:
    golden = case("inpaint-fill")
    answer = running_app.client.post("/sdapi/v1/img2img", json=dict(golden.request))
    assert answer.status_code == 200, answer.text[:500]
    difference = np.abs(np.asarray(picture(answer.json()["images"][0]), dtype=int) - np.asarray(golden.images()[0], dtype=int))
    assert difference.max() <= 2 and answer.json()["parameters"]["init_images"] is None
    info = json.loads(answer.json()["info"])
    assert info["infotexts"][0].rpartition(", Version")[0] == golden.infotext.rpartition(", Version")[0]


def test_an_input_picture_that_is_kept_tells_what_it_told(running_app: RunningServer) -> None:
    """Dropped on PNG Info a month later, it still says how it was made."""
    texts = PngInfo()
    for key, text in {"parameters": "a cat\nSteps: 3, Seed: 1", "Author": "me"}.items():
        texts.add_text(key, text)
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(file, "PNG", pnginfo=texts)
    asked = {**SMALL, "init_images": [base64.b64encode(file.getvalue()).decode()], "override_settings": {"save_init_img": True}}
    info = json.loads(running_app.client.post("/sdapi/v1/img2img", json=asked).json()["info"])
    name = info["infotexts"][0].partition("Init image hash: ")[2].partition(",")[0]
    kept = Image.open(next(running_app.app.paths.data_dir.rglob(f"{name}.png")))
    assert kept.info["parameters"] == "a cat\nSteps: 3, Seed: 1" and kept.info["Author"] == "me"


def test_infotext_fills_a_request(running_app: RunningServer) -> None:
    theirs = a1111_said("api/error-and-edge-responses")["infotext-paste"]
    ours = running_app.client.post("/sdapi/v1/txt2img", json=theirs["request"]).json()
    for key in ("prompt", "negative_prompt", "seed", "sampler_name", "scheduler", "steps", "cfg_scale", "width", "height", "override_settings"):
        assert str(ours["parameters"][key]) == str(theirs["response"]["parameters"][key]) or float(ours["parameters"][key]) == theirs["response"]["parameters"][key]


def test_memory_unload_and_empty_lists(running_app: RunningServer) -> None:
    client = running_app.client
    memory = client.get("/sdapi/v1/memory").json()
    assert memory["ram"]["total"] > memory["ram"]["used"] > 1e6 and memory["cuda"]
    assert client.post("/sdapi/v1/unload-checkpoint").json() == {} and running_app.app.checkpoints.current is None
    assert client.post("/sdapi/v1/reload-checkpoint").json() == {} and running_app.app.checkpoints.current is not None
    assert client.get("/sdapi/v1/scripts").json() == {"txt2img": [], "img2img": []}
    assert client.get("/sdapi/v1/script-info").json() == client.get("/sdapi/v1/extensions").json() == []
    for name in ("refresh-checkpoints", "refresh-vae", "refresh-embeddings", "refresh-loras", "skip"):
        assert client.post(f"/sdapi/v1/{name}").json() is None


def test_a_checkpoint_that_cannot_be_loaded_is_not_left_chosen(running_app: RunningServer) -> None:
    client, folder = running_app.client, running_app.app.paths.checkpoints_dir
    bad = folder / "truncated-by-test.safetensors"
    bad.write_bytes((folder / "sd15-tiny.safetensors").read_bytes()[:100_000])
    try:
        client.post("/sdapi/v1/refresh-checkpoints")
        answer = client.post("/sdapi/v1/options", json={"sd_model_checkpoint": bad.name})
        assert answer.status_code == 422 and bad.name in answer.json()["detail"]
        assert client.get("/sdapi/v1/options").json()["sd_model_checkpoint"].startswith("sd15-tiny")
        answer = client.post("/sdapi/v1/txt2img", json={**SMALL, "override_settings": {"sd_model_checkpoint": bad.name}})
        assert answer.status_code == 422 and answer.json()["error"] == "CannotLoad"
    finally:
        bad.unlink()
        client.post("/sdapi/v1/refresh-checkpoints")
    assert client.post("/sdapi/v1/txt2img", json=SMALL).status_code == 200


def test_saved_pictures_can_be_shown(running_app: RunningServer) -> None:
    client = running_app.client
    body = client.post("/sdapi/v1/txt2img", json={**SMALL, "save_images": True, "force_task_id": "shown"}).json()
    job = client.get("/internal/jobs/shown").json()
    path = job["images"][0]["path"]
    shown = client.get("/file=" + path)
    assert shown.status_code == 200 and shown.headers["content-type"] == "image/png"
    assert "sandbox" in shown.headers["content-security-policy"] and shown.headers["x-content-type-options"] == "nosniff"
    assert Image.open(io.BytesIO(shown.content)).info["parameters"] == job["info"]["infotexts"][0]
    assert base64.b64decode(body["images"][0]) == shown.content
    assert client.get("/file=outputs/" + path.replace("\\", "/").partition("/outputs/")[2]).status_code == 200


def test_the_processs_memory_is_told_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError("/proc/self/statm")

    here = process_memory()
    monkeypatch.setattr(info_routes, "open", missing, raising=False)
    assert here * 0.5 < process_memory() < here * 2
    monkeypatch.undo()
    monkeypatch.delattr(os, "sysconf", raising=False)           # Windows has neither
    assert process_memory() > 1e6
