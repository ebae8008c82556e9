"""The real server, started as a user starts it: it answers, says where, and ends cleanly."""
from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import webui
from tests.bench.server import ROOT, BenchServer


@pytest.mark.group("R21")
def test_page_and_api_answer_below_a_subpath_and_sigterm_ends_with_code_0(tmp_path: Path) -> None:
    with BenchServer(tmp_path, "--api", "--subpath", "sd", "--skip-load-model-at-start", "--not-a-flag") as server:
        server.wait("/sd/")
        for prefix in ("", "/sd"):  # a proxy that strips the prefix, and one that does not
            assert any(sampler["name"] == "Euler" for sampler in server.get(f"{prefix}/sdapi/v1/samplers"))
            assert server.get(f"{prefix}/config")["root"].endswith("/sd")
        status, page = server.request("GET", "/sd/")
        assert status == 200
        assert b"gradio" in page
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/sd/gradio_api/heartbeat/an-open-page", timeout=60):    # what every open page holds
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(timeout=60) == 0
    log = server.log.read_text(encoding="utf-8")
    assert f"Running on local URL:  http://127.0.0.1:{server.port}/sd" in log
    assert "Startup time:" in log
    assert "--not-a-flag" in log
    assert "Traceback" not in log
    assert "ERROR" not in log


def test_a_port_in_use_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        command = [sys.executable, str(ROOT / "launch.py"), "--skip-prepare-environment", "--data-dir", str(tmp_path), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert f"Port {port} is in use" in done.stdout
    assert done.stderr == ""


def test_what_python_compiled_is_kept_though_the_containers_variable_says_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PYTHONDONTWRITEBYTECODE stands in many images, and cost each start up to two seconds."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "file").touch()
    assert webui.main(["--data-dir", str(tmp_path / "file")]) == 1
    assert not sys.dont_write_bytecode
