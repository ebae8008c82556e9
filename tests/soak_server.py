"""The web UI in a process of its own, over the golden models and another of each kind, and what it holds of the machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]


def resident_megabytes(pid: int | str = "self") -> float:
    """What a process holds in memory; Linux only, elsewhere 0."""
    found = status_of(pid, "VmRSS")
    return found / 1024


def status_of(pid: int | str, name: str) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    found = re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)
    return int(found.group(1)) if found else 0


class SoakServer:
    """The web UI in a process of its own. port: 0 for a free one. Its output goes to ``log``."""

    def __init__(self, data: Path, port: int, *flags: str, models: Path | None = None) -> None:
        from tests.bench.server import free_port
        from tests.reliability.conftest import fill_models

        self.data, self.port, self.flags = data, port or free_port(), flags
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data / "server.log"
        data.mkdir(parents=True, exist_ok=True)
        self.models = models or fill_models(data / "models")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> None:
        command = [
            sys.executable, str(ROOT / "webui.py"), "--port", str(self.port), "--data-dir", str(self.data), "--models-dir", str(self.models), "--embeddings-dir",
            str(self.models / "embeddings"), "--api", "--no-half", "--server-name", "127.0.0.1", "--ckpt", str(self.models / "Stable-diffusion/sd15-tiny.safetensors"),
            *(self.flags or ("--nowebui",)),
        ]  # fmt: skip
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "COMMANDLINE_ARGS": "", "SD_WEBUI_RESTARTING": "1"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        end = time.monotonic() + 900
        while wait:
            with suppress(httpx.HTTPError):
                self.get("/internal/ping")
                return
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise RuntimeError("the server does not answer:\n" + self.log.read_text(errors="replace")[-2000:])
            time.sleep(0.1)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)

    def get(self, path: str) -> Any:
        return httpx.get(self.url + path, timeout=120, trust_env=False).json()

    def post(self, path: str, values: Mapping[str, Any]) -> httpx.Response:
        return httpx.post(self.url + path, json=values, timeout=600, trust_env=False)

    def wait_until_idle(self, seconds: float = 300) -> None:
        end = time.monotonic() + seconds
        while (jobs := self.get("/sdapi/v1/jobs"))["running"] or jobs["pending"]:
            if time.monotonic() > end:
                raise RuntimeError("the queue does not come to an end")
            time.sleep(0.2)
