"""kill -9 and SIGTERM in every state of the real server. What the queue itself keeps is shown in tests/jobs/test_store.py."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from modules.application.app import App
from modules.application.generation import submit
from modules.application.outcome import DONE
from modules.engine import generate as conductor
from modules.files.storage import TEMP_PREFIX, host_mark
from modules.imaging.metadata import read_infotext_from
from modules.jobs.job import Job, JobState
from modules.schema.request import Txt2ImgRequest
from tests.conftest import FakeEngine
from tests.soak_server import SoakServer


def asking(**values: Any) -> Txt2ImgRequest:
    return Txt2ImgRequest.from_flat({"prompt": "a cat", "steps": 2, "width": 64, "height": 64, **values})


@contextmanager
def held(engine: FakeEngine) -> Iterator[None]:
    engine.gate.clear()
    try:
        yield
    finally:
        engine.gate.set()


@pytest.mark.group("R21")
@pytest.mark.parametrize("state", ["idle", "running", "paused", "many waiting"])
def test_an_orderly_end(state: str, make_app: Callable[..., App], fake_engine: FakeEngine) -> None:
    """Whatever is at work: it ends within a step, and what waits is there at the next start, in its order."""
    app = make_app()
    fake_engine.step_seconds = 0.01
    if state == "paused":
        app.jobs.pause()
    jobs = [submit(app, asking(steps=500), source="api", task_id=f"job{n}") for n in range({"idle": 0, "many waiting": 20}.get(state, 3))]
    if jobs and state != "paused":
        assert fake_engine.started.wait(10)
    assert app.close()
    fake_engine.step_seconds = 0.0
    again = make_app()
    waiting = [job.id for job in again.jobs.pending()]
    if state == "paused":
        assert again.jobs.paused and waiting == ["job0", "job1", "job2"]
        again.jobs.pause(False)
    for job in jobs:
        found = again.jobs.find(job.id)
        assert found is not None
        assert again.jobs.wait(found, 20).state is (JobState.INTERRUPTED if job is jobs[0] and state != "paused" else JobState.DONE)
    done = [job for job in again.jobs.recent(50) if job.state is JobState.DONE]
    assert [job.id for job in reversed(done)] == [job.id for job in jobs[0 if state == "paused" else 1 :]]


@pytest.mark.group("R12")
@pytest.mark.parametrize("kind", ["extras", "img2img batch"])
def test_a_job_of_many_pictures_goes_on_where_it_was(kind: str, make_app: Callable[..., App], fake_engine: FakeEngine, tmp_path: Path) -> None:
    """Killed in the middle of the third of five: two are not done again, and none of them is there twice."""
    from modules.application import extras
    from modules.application.img2img_batch import BatchOrder, files_of, submit_batch
    from modules.schema.params_extras import ExtrasRequest
    from modules.schema.request import Img2ImgRequest

    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(5):
        Image.new("RGB", (16, 16), (number, 0, 0)).save(folder / f"{number}.png")
    app = make_app()
    kept: list[dict[str, Any]] = []
    keep = app.jobs.keep

    def note(job: Job) -> None:
        keep(job)
        kept.append(dict(job.summary))

    app.jobs.keep = note  # type: ignore[method-assign]
    if kind == "extras":
        asked = ExtrasRequest.from_flat({"upscaling_resize": 2, "upscaler_1": "Lanczos"})
        job = extras.submit(app, asked, extras.pictures_in(app, str(folder)), source="page", save=True, task_id="job")
    else:
        request = Img2ImgRequest.page_defaults().changed({"width": 64, "height": 64, "steps": 1, "seed": 3, "prompt": "same for all"})
        job = submit_batch(app, request, BatchOrder(files=files_of(folder)), source="page", task_id="job")
    assert app.jobs.wait(job, 30).state is JobState.DONE, job.error
    app.close()
    # as the store was when the third file's picture was safe, and the file itself not yet counted
    died = next(each for each in kept if each.get(DONE) == 2 and len(each["images"]) == (3 if kind != "extras" else 2))
    paths = [Path(each["path"]) for each in job.summary["images"]]
    for path in paths[len(died["images"]) :]:
        path.unlink()
    _as_if_running(app, "job", died)
    fake_engine.requests.clear()
    again = make_app()
    found = again.jobs.find("job")
    assert found is not None and again.jobs.wait(found, 30).state is JobState.DONE, found and found.error
    assert [Path(each["path"]) for each in found.summary["images"]] == paths
    assert sorted(each for each in paths[0].parent.iterdir() if each.suffix == ".png") == sorted(paths)
    if kind != "extras":
        assert len(fake_engine.requests) == 3       # the third, for it may not have been whole, and those behind it


@pytest.mark.group("R12")
def test_pictures_that_were_saved_before_a_kill_are_not_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the real engine and its scripts: the result is that of a job that nobody killed, and only what was missing is drawn."""
    from tests.extended_app import extended_app
    from tests.golden.cases import data_dir

    flags = ["--data-dir", str(tmp_path), "--models-dir", str(data_dir() / "models"), "--no-half", "--disable-extra-extensions", "--no-hashing"]
    with extended_app(*flags) as app:
        app.jobs.start()
        job = app.jobs.wait(submit(app, asking(n_iter=3, batch_size=2, steps=1, seed=5, sampler_name="Euler a", save_images=True), source="api", task_id="job"), 60)
        assert job.state is JobState.DONE, job.error
        before, kept = job.result, job.summary["images"]
    seen = {each.path: each.path.stat().st_mtime_ns for each in before.images}
    for each in before.images[3:]:
        each.path.unlink()
    _as_if_running(app, "job", {"images": kept[1:4]})
    drawn: list[int] = []
    make = conductor._run_batch
    monkeypatch.setattr(conductor, "_run_batch", lambda run, plan, start: (drawn.append(plan.index), make(run, plan, start)))
    with extended_app(*flags) as app:
        app.jobs.start()
        found = app.jobs.find("job")
        assert found is not None
        after = app.jobs.wait(found, 60).result
    assert drawn == [1, 2]                          # the second, of which one was saved, is made whole
    assert [(each.picture.tobytes(), each.infotext, each.path) for each in after.images] == [(each.picture.tobytes(), each.infotext, each.path) for each in before.images]
    assert after.grid.picture.tobytes() == before.grid.picture.tobytes()
    assert {**after.info, "job_timestamp": ""} == {**before.info, "job_timestamp": ""}
    assert [path.stat().st_mtime_ns == seen[path] for path in seen] == [True] * 3 + [False] * 3


def _as_if_running(app: App, job_id: str, summary: dict[str, Any]) -> None:
    import json
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(app.paths.jobs_file)) as store, store:
        store.execute("UPDATE jobs SET state='running', attempts=1, finished=NULL, summary=? WHERE id=?", (json.dumps(summary), job_id))


def _pictures_are_whole(folder: Path) -> dict[str, int]:
    """How many pictures there are of each text; each of them opens."""
    found: dict[str, int] = {}
    for path in folder.rglob("*.png"):
        if path.name.startswith("."):
            continue
        Image.open(path).load()
        text = read_infotext_from(path.read_bytes())[0] or ""
        found[text] = found.get(text, 0) + 1
    return found


@pytest.mark.long
@pytest.mark.group("R1")
def test_random_kills_of_the_real_server(tmp_path: Path) -> None:
    """Twenty, each at a random moment of a row of jobs that are saved. ``python -m tests.soak`` kills as often as one has time."""
    draw, server = random.Random(5), SoakServer(tmp_path, port=0)
    try:
        for number in range(20):
            server.start()
            for job in range(4):
                values = {"prompt": f"{number} {job}", "steps": 3, "width": 64, "height": 64, "save_images": True, "n_iter": 2, "force_task_id": f"{number}-{job}"}
                threading.Thread(target=_ask, args=(server.url, values), daemon=True).start()
            time.sleep(draw.random() * 4)
            server.kill()
            _pictures_are_whole(tmp_path / "outputs")
        server.start()
        server.wait_until_idle()
        twice = {text: count for text, count in _pictures_are_whole(tmp_path / "outputs" / "txt2img-images").items() if count != 1}   # a grid has its first one's text
        assert not twice
        assert not list((tmp_path / "outputs").rglob(".webui-tmp-*"))
    finally:
        server.kill()


@pytest.mark.long
@pytest.mark.group("R21")
@pytest.mark.parametrize("state", ["starting", "loading", "idle", "running", "a long step", "two waiting"])
def test_sigterm_in_each_state_of_the_real_server(state: str, tmp_path: Path) -> None:
    server = SoakServer(tmp_path, port=0)
    try:
        server.start(wait=state != "starting")
        side = 2048 if state == "a long step" else 64
        if state == "starting":
            time.sleep(1.5)
        if state in ("running", "two waiting", "loading", "a long step"):
            for job in range(3 if state == "two waiting" else 1):
                values = {"prompt": "x", "steps": 900, "width": side, "height": side, "force_task_id": f"job{job}"}
                threading.Thread(target=_ask, args=(server.url, values), daemon=True).start()
                time.sleep(0.3)
        if state == "a long step":
            time.sleep(15)
        if state in ("running", "two waiting"):
            end = time.monotonic() + 60
            while not (server.get("/sdapi/v1/progress")["state"]["sampling_step"] > 2):
                assert time.monotonic() < end
        began = time.monotonic()
        assert server.process is not None
        for _ in range(2 if state == "two waiting" else 1):         # a closed terminal and its shell both say so
            server.process.send_signal(signal.SIGHUP if state == "two waiting" else signal.SIGTERM)
            time.sleep(0.05)
        code = server.process.wait(60)
        assert state == "starting" or (code == 0 and time.monotonic() - began < 6), (code, time.monotonic() - began)
        if state == "two waiting":
            server.start()
            jobs = server.get("/sdapi/v1/jobs")
            ids = [each["id"] for each in (*reversed(jobs["finished"]), jobs["running"] or {"id": ""}, *jobs["pending"]) if each["id"]]
            assert ids == ["job0", "job1", "job2"]
    finally:
        server.kill()


def _ask(url: str, values: dict[str, Any]) -> None:
    with suppress(httpx.HTTPError):
        httpx.post(f"{url}/sdapi/v1/txt2img", json=values, timeout=120, trust_env=False)


def test_half_a_merge_of_a_killed_server_goes_wherever_flags_put_the_models(make_app: Callable[..., App], tmp_path: Path) -> None:
    """Gigabytes, which nobody sees: their names begin with a dot."""
    folders = {"--ckpt-dir": tmp_path / "drive" / "checkpoints", "--lora-dir": tmp_path / "drive" / "loras", "--embeddings-dir": tmp_path / "embeddings"}
    left = [folder / "sub" / f"{TEMP_PREFIX}{host_mark()}-999999999-aa" for folder in folders.values()]
    for each in left:
        each.parent.mkdir(parents=True)
        each.write_bytes(b"half")
    make_app(*(word for flag, folder in folders.items() for word in (flag, str(folder))), start=False)
    until = time.monotonic() + 10
    while any(each.exists() for each in left) and time.monotonic() < until:
        time.sleep(0.01)
    assert [each for each in left if each.exists()] == []
