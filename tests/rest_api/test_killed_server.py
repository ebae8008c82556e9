"""kill -9 in the middle of the queue: the next server finds it again and works it off."""
from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.golden.cases import data_dir

ROOT = Path(__file__).parents[2]


def start(folder: Path, port: int, client: httpx.Client) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(ROOT / "webui.py"), "--port", str(port), "--data-dir", str(folder), "--models-dir", str(data_dir() / "models"),
               "--nowebui", "--server-name", "127.0.0.1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COMMANDLINE_ARGS": ""}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        with suppress(httpx.HTTPError):
            client.get(f"http://127.0.0.1:{port}/internal/ping")
            return process
        time.sleep(0.3)
    raise AssertionError("the server does not answer")


@pytest.mark.long
@pytest.mark.group("R12")
def test_a_killed_server_finds_its_queue_again(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/sdapi/v1"
    client = httpx.Client(trust_env=False, timeout=60)

    def ask(values: dict[str, Any]) -> None:
        with suppress(httpx.HTTPError):
            httpx.post(f"{url}/txt2img", json={"prompt": "x", "width": 64, "height": 64, "save_images": True, **values}, timeout=60, trust_env=False)

    def jobs() -> dict[str, Any]:
        time.sleep(0.1)                             # the server needs the processor more than we do
        return client.get(f"{url}/jobs").json()

    process = start(tmp_path, port, client)
    try:
        for number, steps in enumerate((60, 1, 2)):
            threading.Thread(target=ask, args=({"steps": steps, "n_iter": 2 if steps > 9 else 1, "force_task_id": f"job{number}"},), daemon=True).start()
            end = time.monotonic() + 60
            while number >= len(jobs()["pending"]) + bool(jobs()["running"]):
                assert time.monotonic() < end
        end = time.monotonic() + 240                # the checkpoint is loaded first
        while not jobs()["running"]:
            assert time.monotonic() < end
        assert jobs()["running"]["id"] == "job0"
        process.kill()
        process.wait(30)
        process = start(tmp_path, port, client)
        end = time.monotonic() + 240
        while len(jobs()["finished"]) < 3:
            assert time.monotonic() < end
        finished = jobs()["finished"]
        assert [(each["id"], each["state"], each["attempts"]) for each in reversed(finished)] == [("job0", "done", 2), ("job1", "done", 1), ("job2", "done", 1)]
        assert len(list((tmp_path / "outputs").rglob("*.png"))) >= 4
    finally:
        process.kill()
        process.wait(30)
