"""Clients that leave at any moment, and many at once: the worker goes on, nobody gets another's picture."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from typing import Any

import httpx
import numpy as np
import pytest

from modules.jobs.job import JobState
from tests.conftest import FakeEngine, RunningServer
from tests.reliability.conftest import SMALL, Real, pixels


def request_bytes(server: RunningServer, task: str, **values: Any) -> bytes:
    body = json.dumps({**SMALL, **values, "force_task_id": task}).encode()
    host = server.url.removeprefix("http://")
    head = f"POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def idle(server: RunningServer) -> None:
    end = time.monotonic() + 20
    while server.app.jobs.running() or server.app.jobs.pending():
        assert time.monotonic() < end, "the worker is not free"
        time.sleep(0.005)


@pytest.mark.group("R9")
def test_a_client_leaves_at_twenty_points(fake_server: RunningServer, fake_engine: FakeEngine) -> None:
    """Ten places in what it sends, after which there is no job; ten moments of its job, which is finished and saved."""
    fake_engine.step_seconds = 0.004
    address = fake_server.url.removeprefix("http://").split(":")
    sent = request_bytes(fake_server, "never", steps=3)
    for point in range(20):
        content = sent[: len(sent) * (point + 1) // 11] if point < 10 else request_bytes(fake_server, f"left-{point}", steps=10, save_images=True)
        with socket.create_connection((address[0], int(address[1]))) as line:
            line.sendall(content)
            if point >= 10:
                while fake_server.app.jobs.find(f"left-{point}") is None:
                    time.sleep(0.001)
                time.sleep((point - 10) * 0.005)
            if point % 2:                           # gone with a reset instead of a farewell
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    idle(fake_server)
    assert fake_server.app.jobs.find("never") is None
    jobs = [fake_server.app.jobs.find(f"left-{point}") for point in range(10, 20)]
    assert all(job is not None and job.state is JobState.DONE and job.summary["images"][0]["path"] for job in jobs)
    assert fake_server.client.post("/sdapi/v1/txt2img", json=SMALL).status_code == 200


@pytest.mark.group("R9")
def test_a_client_that_follows_a_job_may_leave(fake_server: RunningServer, fake_engine: FakeEngine) -> None:
    fake_engine.gate.clear()
    thread = threading.Thread(target=lambda: fake_server.client.post("/sdapi/v1/txt2img", json={**SMALL, "force_task_id": "one"}))
    thread.start()
    assert fake_engine.started.wait(10)
    for _ in range(5):
        with fake_server.client.stream("GET", "/sdapi/v1/jobs/one/events") as answer:
            next(answer.iter_lines())
    fake_engine.gate.set()
    thread.join(10)
    assert fake_server.app.jobs.recent(1)[0].state is JobState.DONE


def mixed_traffic(real: Real, clients: int, requests: int, seed: int) -> tuple[list[str], list[float]]:
    """What went wrong, and how long /progress took (seconds). Each picture is compared with the one that its seed makes alone."""
    wanted = {number: real.draw(seed=number)[0] for number in range(4)}
    wrong, waits, stop = [], [], threading.Event()

    def client(number: int) -> None:
        draw = random.Random(f"{seed}-{number}")
        with httpx.Client(base_url=real.server.url, timeout=300, trust_env=False) as line:
            for _ in range(requests):
                kind = draw.choice(("txt2img", "txt2img", "options", "models", "read", "bad"))
                if kind == "txt2img":
                    picture = draw.randrange(4)
                    answer = line.post("/sdapi/v1/txt2img", json={**SMALL, "seed": picture})
                    if answer.status_code != 200 or not np.array_equal(pixels(answer.json())[0], wanted[picture]):
                        wrong.append(f"txt2img {picture}: {answer.status_code}")
                elif kind == "options":
                    answer = line.post("/sdapi/v1/options", json={"jpeg_quality": draw.randrange(1, 100)})
                elif kind == "bad":
                    answer = line.post("/sdapi/v1/txt2img", json={**SMALL, "sampler_name": "nobody", "steps": draw.choice((1, -1, "x"))})
                else:
                    answer = line.get(f"/sdapi/v1/{draw.choice(('sd-models', 'options', 'loras', 'samplers', 'jobs', 'memory'))}")
                if answer.status_code >= 500:
                    wrong.append(f"{kind}: {answer.status_code} {answer.text[:200]}")

    def watch() -> None:
        with httpx.Client(base_url=real.server.url, timeout=300, trust_env=False) as line:
            while not stop.is_set():
                began = time.perf_counter()
                if line.get("/sdapi/v1/progress").status_code != 200:
                    wrong.append("progress")
                waits.append(time.perf_counter() - began)
                time.sleep(0.02)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    watcher = threading.Thread(target=watch)
    for each in (*threads, watcher):
        each.start()
    for each in threads:
        each.join()
    stop.set()
    watcher.join()
    return wrong, waits


@pytest.mark.group("R10")
def test_thirty_two_clients_at_once(real: Real) -> None:
    wrong, waits = mixed_traffic(real, clients=32, requests=1, seed=1)
    assert wrong == [] and len(waits) > 3


@pytest.mark.long
@pytest.mark.group("R10")
def test_thirty_two_clients_for_minutes(real: Real) -> None:
    """The page asks for progress all the time: half of its questions are answered within 50 ms although both processors are at work."""
    end, waits = time.monotonic() + 180, []
    while time.monotonic() < end:
        wrong, some = mixed_traffic(real, clients=32, requests=12, seed=int(end))
        assert wrong == []
        waits += some
    assert sorted(waits)[len(waits) // 2] < 0.05
