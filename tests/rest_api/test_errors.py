"""What is wrong is answered with 4xx, in A1111's shape, and the next request is served."""
from __future__ import annotations

import errno
import json
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from modules.application.compute_settings import job_policy
from modules.application.estimates import kind_of
from modules.application.generation import chosen_checkpoint
from modules.files.storage import Storage
from modules.imaging.base64_codec import encode_image
from modules.jobs.job import JobState
from modules.schema.errors import OutOfMemory
from tests.conftest import FakeEngine, RunningServer

PIXEL = encode_image(Image.new("RGB", (64, 64), "red"))
SMALL = {"prompt": "a cat", "steps": 2, "width": 64, "height": 64}


def post(server: RunningServer, path: str = "/sdapi/v1/txt2img", **values: Any) -> httpx.Response:
    return server.client.post(path, json={**SMALL, **values} if path.endswith("img") else values)


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"enable_hr": True, "hr_sampler_name": "Nope"}, 404, "There is no sampler called 'Nope'"),
    ({"enable_hr": True, "hr_checkpoint_name": "other"}, 404, "checkpoint called 'other'"),
    ({"override_settings": {"nope": 1}}, 404, "nope"), ({"override_settings": {"jpeg_quality": "x"}}, 422, "jpeg_quality"),
    ({"override_settings": {"outdir_txt2img_samples": "/etc"}}, 422, "lies outside"), ({"width": 7}, 422, "width"), ({"height": 0}, 422, "height"),
    ({"width": -64}, 422, "width"), ({"width": 100_000, "height": 100_000}, 422, "width"), ({"steps": 0}, 422, "steps"), ({"steps": 10**9}, 422, "steps"),
    ({"batch_size": 10**6}, 422, "batch_size"), ({"n_iter": 0}, 422, "n_iter"), ({"prompt": "x" * 100_000}, 422, "100,000 characters"),
    ({"cfg_scale": 1e30}, 422, "cfg_scale"), ({"seed": 2**80}, 422, "seed"), ({"script_name": "Nope"}, 422, "Script 'Nope' not found"),
    ({"alwayson_scripts": {"Nope": {"args": []}}}, 422, "Script 'Nope' not found"), ({"force_task_id": "a\nb"}, 422, "task id"),
    ({"enable_hr": True, "hr_upscaler": "Nope"}, 404, "upscaler"), ({"refiner_checkpoint": "other"}, 404, "checkpoint called 'other'"),
    ({"enable_hr": True, "firstpass_image": "abc"}, 422, "firstpass_image"),
    ({"enable_hr": True, "hr_scale": 1e9}, 422, "hr_scale"), ({"enable_hr": True, "hr_scale": 16, "width": 8192}, 422, "hr_scale"),
]


@pytest.mark.parametrize(("values", "status", "word"), BAD)
def test_bad_requests(kept_server: RunningServer, values: dict[str, Any], status: int, word: str) -> None:
    before = kept_server.app.jobs.recent(1)
    answer = post(kept_server, **values)
    body = answer.json()
    assert answer.status_code == status and set(body) == {"error", "detail", "body", "errors"} and word in str(body["detail"])
    assert len(answer.content) < 4000 and body["error"] and body["body"] == ""
    assert kept_server.app.jobs.recent(1) == before
    assert post(kept_server).status_code == 200


def test_what_the_machine_can_never_hold_is_refused_and_what_a_job_takes_is_told(fake_server: RunningServer) -> None:
    """By what earlier jobs of the kind took; the page asks for the same figures."""
    app = fake_server.app
    kind = kind_of(chosen_checkpoint(app, None), job_policy(app, app.settings))
    one = app.hardware.memory_bytes / 50
    app.estimates.forget()
    values = {"width": 512, "height": 512, "steps": 20, "sampler_name": "Euler", "hr_scale": None}
    asked = {"tab": "txt2img", "values": values}
    try:
        assert post(fake_server, "/internal/estimate", **asked).json()["seconds"] is None
        for size in (1.0, 2.0, 3.0):
            app.estimates.note(kind, {"time": [1, 20, 40 * size, 40 * size**2, size], "seconds": 4 * size, "memory": [1, 2 * size, size], "base": one, "peak": one * (1 + 3 * size)})
        found = post(fake_server, "/internal/estimate", **asked).json()
        assert 2 < found["seconds"] < 8 and found["bytes"] == pytest.approx(4 * one, rel=0.2) and found["total"] == app.hardware.memory_bytes
        assert post(fake_server, "/internal/estimate", tab="txt2img", values={"sampler_name": "Nope", "width": "x"}).status_code == 200
        answer = post(fake_server, width=8192, height=8192)
        assert answer.status_code == 422 and "memory at least" in answer.json()["detail"] and app.jobs.recent(1) == []
    finally:
        app.estimates.forget()
    assert post(fake_server).status_code == 200


@pytest.mark.parametrize("content", [
    b"", b"{", b"null", b"[]", b'"x"', b'{"steps": "x"}', b'{"prompt": [5]}', b'{"steps": null, "prompt": null, "n_iter": []}', b'{"width": NaN}', b'{"cfg_scale": Infinity}',
    b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe\x00", b'{"override_settings": [1]}', b'{"alwayson_scripts": "x"}', b'{"styles": "x"}',
    b'{"steps": 1e400}', b'{"seed": "1.5"}', b'{"infotext": {}}', b'{"comments": 3}', b'{"script_args": {}}',
])
def test_bodies_that_are_no_requests(kept_server: RunningServer, content: bytes) -> None:
    answer = kept_server.client.post("/sdapi/v1/txt2img", content=content, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500, answer.text[:300]
    assert set(answer.json()) == {"error", "detail", "body", "errors"}
    assert post(kept_server).status_code == 200


@pytest.mark.parametrize(("values", "status", "word"), [
    ({}, 404, "Init image not found"), ({"init_images": []}, 404, "Init image not found"), ({"init_images": ["abc"]}, 422, "Invalid encoded image"),
    ({"init_images": ["http://127.0.0.1:1/x.png"]}, 422, "local resource not allowed"), ({"init_images": [5]}, 422, ""), ({"init_images": "abc"}, 422, ""),
    ({"init_images": [None]}, 422, ""), ({"init_images": [PIXEL], "mask": "abc"}, 422, "mask"), ({"init_images": [PIXEL], "resize_mode": 9}, 422, "resize_mode"),
    ({"init_images": [PIXEL], "denoising_strength": "much"}, 422, "denoising_strength"), ({"init_images": [PIXEL] * 2}, 422, "batches of 1"),
])
def test_bad_img2img_requests(kept_server: RunningServer, values: dict[str, Any], status: int, word: str) -> None:
    before = kept_server.app.jobs.recent(1)
    answer = post(kept_server, "/sdapi/v1/img2img", **values)
    assert answer.status_code == status and word in str(answer.json()["detail"]), answer.text[:300]
    assert set(answer.json()) == {"error", "detail", "body", "errors"} and kept_server.app.jobs.recent(1) == before
    answer = post(kept_server, "/sdapi/v1/img2img", init_images=[PIXEL])
    assert answer.status_code == 200 and answer.json()["parameters"]["init_images"] is None


def test_half_a_character_is_no_reason_to_fail(kept_server: RunningServer) -> None:
    answer = kept_server.client.post("/sdapi/v1/txt2img", content=b'{"prompt": "a\\ud800", "width": 64, "height": 64, "save_images": true}', headers={"content-type": "application/json"})
    assert answer.status_code == 200 and answer.json()["parameters"]["prompt"] == "a\ud800"


def test_a_number_that_json_cannot_say_costs_no_pictures(kept_server: RunningServer) -> None:
    """What a script was given is told back in the answer; Python's clients send NaN, and 1e400 is read as infinity."""
    answer = kept_server.client.post("/sdapi/v1/txt2img", content=b'{"script_args": [NaN, 1e400, 2], "width": 64, "height": 64}', headers={"content-type": "application/json"})
    assert answer.status_code == 200 and len(answer.json()["images"]) == 1 and answer.json()["parameters"]["script_args"] == [None, None, 2]


def test_wrong_types_are_told_as_a1111_tells_them(kept_server: RunningServer) -> None:
    detail = post(kept_server, steps="x").json()["detail"]
    assert detail[0]["loc"] == ["body", "steps"] and set(detail[0]) == {"loc", "msg", "type"}


def test_nulls_and_unknown_fields_are_passed_over(kept_server: RunningServer) -> None:
    answer = post(kept_server, styles=None, seed=None, subseed_strength=None, no_such_field=1, send_images=False, cfg_scale=None)
    assert answer.status_code == 200 and answer.json()["images"] == [] and "no_such_field" not in answer.json()["parameters"]


@pytest.mark.parametrize(("values", "status"), [
    ({"no_such_option": 1}, 404), ({"CLIP_stop_at_last_layers": "x"}, 422), ({"CLIP_stop_at_last_layers": 99}, 422), ({"jpeg_quality": [None]}, 422),
    ({"sd_model_checkpoint": "nope.safetensors"}, 404), ({"sd_model_checkpoint": 5}, 422), ({"randn_source": "X"}, 422), ({"samples_save": "maybe"}, 422),
    ({"outdir_samples": "/etc"}, 422), ({"outdir_samples": "extensions/evil/scripts"}, 422), ({"outdir_samples": "../x"}, 422),
    ({"outdir_txt2img_samples": "."}, 422), ({"outdir_samples": "modules"}, 422), ({"outdir_samples": "a\0b"}, 422),
    ({"samples_filename_pattern": "../../x"}, 422), ({"directories_filename_pattern": ".."}, 422), ({"quicksettings_list": "x"}, 422),
])
@pytest.mark.group("S20")
def test_settings_that_are_refused_change_nothing(kept_server: RunningServer, values: dict[str, Any], status: int) -> None:
    before = kept_server.client.get("/sdapi/v1/options").json()
    answer = kept_server.client.post("/sdapi/v1/options", json={"jpeg_quality": 33, **values} if "jpeg_quality" not in values else values)
    assert answer.status_code == status and set(answer.json()) == {"error", "detail", "body", "errors"}
    assert kept_server.client.get("/sdapi/v1/options").json() == before
    assert not kept_server.app.paths.config_file.exists()


def test_frozen_settings(make_app: Any, fake_engine: FakeEngine) -> None:
    from tests.conftest import serve

    for server in serve(make_app("--api", "--freeze-settings")):
        assert server.client.post("/sdapi/v1/options", json={"jpeg_quality": 5}).status_code == 422


def test_the_first_picture_without_a_checkpoint(fake_server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "models" / "Stable-diffusion" / "fake.safetensors").unlink()
    fake_server.client.post("/sdapi/v1/refresh-checkpoints")
    answer = post(fake_server)
    assert answer.status_code == 409 and str(tmp_path / "models" / "Stable-diffusion") in answer.json()["detail"]
    assert "Stable-diffusion" in fake_server.client.get("/internal/jobs").json()["notices"][0]
    assert fake_server.client.get("/sdapi/v1/options").json()["sd_model_checkpoint"] is None


@pytest.mark.parametrize("image", ["", "abc", "data:image/png;base64,", "http://127.0.0.1:1/x.png", "A" * 1000, "\ud83d"])
def test_png_info_of_no_picture(kept_server: RunningServer, image: str) -> None:
    answer = kept_server.client.post("/sdapi/v1/png-info", content=json.dumps({"image": image}), headers={"content-type": "application/json"})
    assert answer.status_code == 422 and "image" in str(answer.json()["detail"])


def test_what_nobody_foresaw_is_a_500_with_its_name_and_the_server_goes_on(fake_server: RunningServer, fake_engine: FakeEngine) -> None:
    fake_engine.fail_at, fake_engine.failure = 0, RuntimeError("broken")
    answer = post(fake_server)
    assert answer.status_code == 500 and answer.json() == {"error": "RuntimeError", "detail": "", "body": "", "errors": "broken"}
    fake_engine.failure = SystemExit(3)
    assert post(fake_server).status_code == 500
    fake_engine.fail_at = None
    assert post(fake_server).status_code == 200


def test_a_full_gpu_is_told_by_the_name_that_programs_look_for(fake_server: RunningServer, fake_engine: FakeEngine) -> None:
    """Bots unload the checkpoint and ask again when A1111's answer names torch's error."""
    fake_engine.fail_at, fake_engine.failure = 0, OutOfMemory("The GPU ran out of memory.", "Ask for a smaller size.")
    answer = post(fake_server)
    assert answer.status_code == 507 and answer.json()["error"] == "OutOfMemoryError" and "out of memory" in answer.json()["detail"]


def test_a_full_disk_still_answers_with_the_picture(fake_server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Storage, step: str, path: Path) -> None:
        if step == "write":
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Storage, "before", full)
    answer = post(fake_server, save_images=True)
    assert answer.status_code == 200 and len(answer.json()["images"]) == 1
    refused = fake_server.client.post("/sdapi/v1/options", json={"jpeg_quality": 50})
    assert refused.status_code == 507 and "disk is full" in refused.json()["detail"] and "holds until the server ends" in refused.json()["detail"]
    assert "output folder" not in refused.json()["detail"] and fake_server.client.get("/sdapi/v1/options").json()["jpeg_quality"] == 50


@pytest.mark.group("R9")
def test_a_caller_who_hangs_up_loses_nothing(fake_server: RunningServer, fake_engine: FakeEngine) -> None:
    fake_engine.gate.clear()
    with pytest.raises(httpx.TimeoutException):
        httpx.post(fake_server.url + "/sdapi/v1/txt2img", json={**SMALL, "force_task_id": "left", "seed": 5}, timeout=0.5, trust_env=False)
    fake_engine.gate.set()
    job = fake_server.app.jobs.find("left")
    assert job is not None and fake_server.app.jobs.wait(job, 10).state is JobState.DONE
    found = fake_server.client.get("/internal/jobs/left").json()
    assert found["state"] == "done" and found["info"]["all_seeds"] == [5] and found["images"][0]["infotext"].startswith("a cat\nSteps: 2")
    assert fake_server.client.get("/internal/jobs/nobody").status_code == 404


def test_progress_names_the_batch_that_is_drawn(fake_server: RunningServer, fake_engine: FakeEngine) -> None:
    """Bots show state.job beside their bar: "Batch 1 out of 3", as A1111 calls it."""
    fake_engine.gate.clear()
    drawing = threading.Thread(target=lambda: fake_server.client.post("/sdapi/v1/txt2img", json={**SMALL, "n_iter": 3}))
    drawing.start()
    end, job = time.monotonic() + 20, ""
    while not job.startswith("Batch") and time.monotonic() < end:
        job = fake_server.client.get("/sdapi/v1/progress").json()["state"]["job"]
        time.sleep(0.02)
    fake_engine.gate.set()
    drawing.join()
    assert job == "Batch 1 out of 3" and fake_server.client.get("/sdapi/v1/progress").json()["state"]["job"] == ""


@pytest.mark.group("R10")
def test_fifty_waiting_callers_do_not_hold_up_progress(fake_server: RunningServer, fake_engine: FakeEngine) -> None:
    fake_engine.gate.clear()
    answers: list[int] = []
    limits = httpx.Limits(max_connections=100)
    client = httpx.Client(base_url=fake_server.url, timeout=60, trust_env=False, limits=limits)

    def ask(seed: int) -> None:
        answer = client.post("/sdapi/v1/txt2img", json={**SMALL, "seed": seed})
        assert json.loads(answer.json()["info"])["all_seeds"] == [seed]
        answers.append(seed)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(50)]
    for each in threads:
        each.start()
    end = time.monotonic() + 20
    while len(fake_server.client.get("/internal/pending-tasks").json()["tasks"]) < 49:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert fake_server.client.get("/sdapi/v1/progress").json()["state"]["job"] == "scripts_txt2img"     # those who wait go on waiting
    waiting = fake_server.client.get("/internal/pending-tasks").json()["tasks"][5]
    assert fake_server.client.post("/internal/progress", json={"id_task": waiting}).json()["textinfo"] == "In queue: 6/49"
    fake_engine.gate.set()
    for each in threads:
        each.join(60)
    assert sorted(answers) == list(range(50))
    client.close()


@pytest.mark.group("R10")
def test_a_full_queue_says_when_to_come_back(fake_server: RunningServer, fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake_server.app.jobs, "_max_pending", 0)
    answer = post(fake_server)
    assert answer.status_code == 429 and answer.headers["retry-after"]


def test_interrupting_one_job_by_id(fake_server: RunningServer, fake_engine: FakeEngine) -> None:
    fake_engine.gate.clear()
    answers: dict[str, httpx.Response] = {}

    def ask(task: str) -> None:
        answers[task] = httpx.post(fake_server.url + "/sdapi/v1/txt2img", json={**SMALL, "force_task_id": task}, timeout=30, trust_env=False)

    threads = []
    for place, task in enumerate(("one", "two")):
        threads.append(threading.Thread(target=ask, args=(task,)))
        threads[-1].start()
        while fake_server.app.jobs.position(task) != place:
            time.sleep(0.01)
    assert fake_server.client.post("/internal/jobs/two/interrupt").json() == {"stopped": True}
    threads[1].join(10)
    assert answers["two"].status_code == 200 and answers["two"].json()["images"] == []
    fake_engine.gate.set()
    threads[0].join(10)
    assert len(answers["one"].json()["images"]) == 1
