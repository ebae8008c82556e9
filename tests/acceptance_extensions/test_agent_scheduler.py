"""sd-webui-agent-scheduler puts jobs in its line over its API, draws them and keeps what came of them."""
from __future__ import annotations

import base64
import importlib.util
import io
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image

from tests.acceptance_extensions.conftest import server_with
from tests.browser.conftest import SECONDS, RealServer, Visit


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


def finished(server: RealServer, count: int) -> list[dict[str, Any]]:
    """The tasks of the line that are over, once there are ``count``, newest first."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and len(found := asked(server, "history")["tasks"]) < count:
        time.sleep(1)
    return sorted(found, key=lambda each: each["created_at"], reverse=True)


def test_enqueue_draws_what_the_page_says(server: RealServer, visit: Callable[..., Visit]) -> None:
    """The button takes all fields of the tab, scripts' and the seed's too; the picture is that of Generate."""
    found = visit(server.url)
    page, before = found.page, len(asked(server, "history")["tasks"])
    page.fill("#txt2img_prompt textarea", "a red circle")
    for name, value in (("steps", 3), ("width", 64), ("height", 64), ("seed", 77), ("cfg_scale", 5)):
        found.set(f"txt2img_{name}", value)
    page.click("#txt2img_enqueue")
    task = finished(server, before + 1)[0]
    assert task["status"] == "done", task
    (picture,) = asked(server, f"task/{task['id']}/results")["data"]
    for part in ("a red circle", "Steps: 3", "Seed: 77", "CFG scale: 5", "Size: 64x64"):
        assert part in picture["infotext"]
    found.page.click("#txt2img_generate")
    found.wait_idle()
    newest = max(server.pictures(), key=lambda each: each.stat().st_mtime)
    assert Image.open(io.BytesIO(base64.b64decode(picture["image"].split(",")[1]))).tobytes() == Image.open(newest).tobytes()


def test_enqueue_of_img2img_takes_the_canvas_along(server: RealServer, visit: Callable[..., Visit]) -> None:
    found = visit(server.url)
    page, before = found.page, len(asked(server, "history")["tasks"])
    page.click("#tab_img2img-button")
    page.wait_for_function("webui.canvases.img2img_image")
    page.set_input_files("#img2img_image input[type=file]", files=[{"name": "a.png", "mimeType": "image/png", "buffer": png("teal")}])
    page.fill("#img2img_prompt textarea", "a blue square")
    for name, value in (("steps", 4), ("seed", 5), ("denoising_strength", 0.5), ("width", 64), ("height", 64)):
        found.set(f"img2img_{name}", value)
    page.wait_for_function("webui.canvases.img2img_image.picture !== null")
    page.click("#img2img_enqueue")
    task = finished(server, before + 1)[0]
    assert task["status"] == "done", task
    (picture,) = asked(server, f"task/{task['id']}/results")["data"]
    assert "a blue square" in picture["infotext"] and "Denoising strength: 0.5" in picture["infotext"]


def png(colour: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(data, "PNG")
    return data.getvalue()
