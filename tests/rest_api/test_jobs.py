"""/sdapi/v1/jobs and what the queue panel asks for, over a fake engine."""
from __future__ import annotations

import json
import signal
import threading
import time
from typing import Any

import httpx
import pytest

from modules.launching.restart import RESTART_FILE
from modules.rest_api import stop_routes
from tests.conftest import FakeEngine, RunningServer

SMALL: dict[str, Any] = {"prompt": "a cat", "steps": 3, "width": 64, "height": 64}


def begin(server: RunningServer, *tasks: str, **values: Any) -> list[threading.Thread]:
    """Requests that wait for their pictures, the first of them running."""
    threads = []
    for task in tasks:
        body = {**SMALL, **values, "force_task_id": task}
        threads.append(threading.Thread(target=lambda body=body: httpx.post(server.url + "/sdapi/v1/txt2img", json=body, timeout=30, trust_env=False)))
        threads[-1].start()
        until(lambda task=task: server.app.jobs.position(task) is not None)
    until(lambda: server.app.jobs.position(tasks[0]) == 0)
    return threads


def until(true: Any) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_list_order_and_taking_out(fake_server: RunningServer, fake_engine: FakeEngine) -> None:
    fake_engine.gate.clear()
    client, threads = fake_server.client, begin(fake_server, "one", "two", "three", "four")
    listed = client.get("/sdapi/v1/jobs").json()
    assert listed["running"]["id"] == "one" and [each["id"] for each in listed["pending"]] == ["two", "three", "four"]
    assert client.post("/internal/jobs/four/move?place=1").json() == {"moved": True}
    assert [each["id"] for each in client.get("/sdapi/v1/jobs").json()["pending"]] == ["four", "two", "three"]
    assert client.delete("/sdapi/v1/jobs/two").json() == {"id": "two", "state": "interrupted"}
    assert client.get("/sdapi/v1/jobs/four").json()["position"] == 1
    assert client.get("/sdapi/v1/jobs/nope").status_code == client.delete("/sdapi/v1/jobs/nope").status_code == 404
    fake_engine.gate.set()
    for each in threads:
        each.join(10)
    finished = client.get("/sdapi/v1/jobs").json()["finished"]
    assert [each["id"] for each in finished] == ["three", "four", "one", "two"]
    assert client.get("/sdapi/v1/jobs/three").json()["images"][0]["infotext"].startswith("a cat")
    assert client.delete("/sdapi/v1/jobs/three").status_code == 200 and client.get("/sdapi/v1/jobs/three").status_code == 404


def test_events_follow_a_job_to_its_end(fake_server: RunningServer, fake_engine: FakeEngine) -> None:
    fake_engine.gate.clear()
    [thread] = begin(fake_server, "one")
    with fake_server.client.stream("GET", "/sdapi/v1/jobs/one/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines) == "event: progress" and json.loads(next(lines).removeprefix("data: "))["state"] == "running"
        fake_engine.gate.set()
        rest = list(lines)
    assert rest[-3] == "event: end" and json.loads(rest[-2].removeprefix("data: "))["state"] == "done"
    thread.join(10)


def test_retry_draws_the_same_picture_again(fake_server: RunningServer) -> None:
    fake_server.client.post("/sdapi/v1/txt2img", json={**SMALL, "force_task_id": "one"})
    again = fake_server.client.post("/internal/jobs/one/retry").json()
    until(lambda: fake_server.client.get(f"/sdapi/v1/jobs/{again['id']}").json()["state"] == "done")
    seeds = [fake_server.client.get(f"/sdapi/v1/jobs/{id}").json()["info"]["all_seeds"] for id in ("one", again["id"])]
    assert seeds[0] == seeds[1] and again["tab"] == "txt2img"


def test_pausing_holds_the_queue_and_survives_a_restart(fake_server: RunningServer, fake_engine: FakeEngine) -> None:
    assert fake_server.client.post("/internal/queue/pause").json() == {"paused": True}
    thread = threading.Thread(target=lambda: httpx.post(fake_server.url + "/sdapi/v1/txt2img", json={**SMALL, "force_task_id": "one"}, timeout=30, trust_env=False))
    thread.start()
    until(lambda: fake_server.app.jobs.position("one") == 1)
    time.sleep(0.1)
    assert fake_server.app.jobs.running() is None and fake_server.client.get("/internal/jobs").json()["paused"]
    assert fake_server.client.post("/internal/queue/resume").json() == {"paused": False}
    thread.join(10)
    assert fake_server.client.get("/sdapi/v1/jobs/one").json()["state"] == "done"


def test_stop_after_image_keeps_the_picture_at_work(fake_server: RunningServer, fake_engine: FakeEngine) -> None:
    fake_engine.gate.clear()
    [thread] = begin(fake_server, "one", n_iter=5)
    fake_engine.started.wait(10)
    assert fake_server.client.post("/internal/jobs/one/stop").json() == {"stopping": True}
    fake_engine.gate.set()
    thread.join(10)
    images = fake_server.client.get("/sdapi/v1/jobs/one").json()["images"]
    assert len(images) == 1 and images[0]["complete"]


@pytest.mark.parametrize(("act", "sent"), [("stop", [signal.SIGINT]), ("restart", [])])
def test_the_server_is_stopped_only_when_that_is_allowed(make_app: Any, fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, act: str, sent: list[int]) -> None:
    from tests.conftest import serve

    signals: list[int] = []
    monkeypatch.setattr(stop_routes.signal, "raise_signal", signals.append)
    monkeypatch.setattr(stop_routes, "_ANSWER_FIRST", 0.0)
    monkeypatch.delenv(RESTART_FILE, raising=False)
    for server in serve(make_app("--api", "--api-server-stop")):
        assert server.client.post(f"/sdapi/v1/server-{act}").status_code == (200 if sent else 404)
        until(lambda: signals == sent)


@pytest.mark.group("S11")
def test_without_the_flag_there_is_no_stopping(fake_server: RunningServer) -> None:
    assert [fake_server.client.post(f"/sdapi/v1/server-{act}").status_code for act in ("stop", "kill", "restart")] == [404] * 3
