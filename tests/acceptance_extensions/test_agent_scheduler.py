"""sd-webui-agent-scheduler puts jobs in its line over its API, draws them and keeps what came of them."""
from __future__ import annotations

import importlib.util
import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance_extensions.conftest import server_with
from tests.browser.conftest import SECONDS, RealServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    if importlib.util.find_spec("sqlalchemy") is None:
        pytest.skip("sd-webui-agent-scheduler needs the package sqlalchemy, which is not installed here")
    with server_with(tmp_path_factory.mktemp("agent-scheduler"), "sd-webui-agent-scheduler") as server:
        yield server


def asked(server: RealServer, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{server.url}agent-scheduler/v1/{path}", data, {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=SECONDS) as answer:
        return json.load(answer)


def test_a_task_is_drawn_and_remembered(server: RealServer) -> None:
    task = asked(server, "queue/txt2img", {"prompt": "a house", "steps": 2, "width": 64, "height": 64, "seed": 3})["task_id"]
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and not (found := asked(server, "history")["tasks"]):
        time.sleep(1)
    assert [(each["id"], each["status"]) for each in found] == [(task, "done")]
    (picture,) = asked(server, f"task/{task}/results")["data"]
    assert picture["image"].startswith("data:image/png;base64,") and "Seed: 3" in picture["infotext"]
    assert len(server.pictures()) == 1
