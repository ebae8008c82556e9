"""A web UI started as a user starts it, for measuring: in its own data folder, on a free port, gone afterwards."""
from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STARTER = ROOT / "models" / "Stable-diffusion"


class BenchServer:
    """``with BenchServer(folder, "--api") as server``: started with launch.py, answers from ``wait`` on."""

    def __init__(self, data: Path, *flags: str, root: Path = ROOT) -> None:
        self.port = free_port()
        self.began = time.perf_counter()
        command = [
            sys.executable, str(root / "launch.py"), "--skip-prepare-environment", "--data-dir", str(data), "--ckpt-dir", str(STARTER),
            "--port", str(self.port), *flags,
        ]  # fmt: skip
        self.log = data / "server.log"
        data.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=root, stdout=log, stderr=subprocess.STDOUT)

    def wait(self, path: str, seconds: float = 300) -> float:
        """Seconds since the start until GET ``path`` answers 200."""
        while time.perf_counter() - self.began < seconds:
            if self.process.poll() is not None:
                raise RuntimeError("the server ended:\n" + self.log.read_text(errors="replace")[-3000:])
            try:
                if self.request("GET", path)[0] == 200:
                    return time.perf_counter() - self.began
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.05)
        raise RuntimeError(f"no answer on {path} within {seconds} s")

    def get(self, path: str) -> Any:
        return self._json("GET", path)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._json("POST", path, body)

    def cpu_seconds(self) -> float:
        """Of the server's process so far, all threads; Linux only, elsewhere NaN."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            return float("nan")
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_bytes(self) -> int:
        """The most memory the server has held so far; Linux only, elsewhere 0."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return 0
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found.group(1)) * 1024 if found else 0

    def _json(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        status, answer = self.request(method, path, body)
        if status != 200:
            raise RuntimeError(f"{method} {path} answered {status}: {answer[:2000].decode(errors='replace')}")
        return json.loads(answer)

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, body=text, headers={"Content-Type": "application/json"} if text else {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def __enter__(self) -> BenchServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
