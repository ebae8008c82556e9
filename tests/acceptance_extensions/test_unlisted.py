"""Extensions that nobody wrote this program for: they work by the same means as the others."""
from __future__ import annotations

import base64
import io
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.acceptance_extensions.conftest import server_with
from tests.browser.conftest import RealServer

NAMES = ("sd-webui-regional-prompter", "sd-webui-freeu", "sd-webui-model-converter", "Stable-Diffusion-Webui-Civitai-Helper")
TWO_COLUMNS = [True, False, "Matrix", "Columns", "Mask", "Prompt", "1,1", "0.2", False, False, False, "Attention", [], "0", "0", "0", "", "0", "0", False]
FREE_U = {"enable": True, "stage_infos": [{"backbone_factor": 1.5, "skip_factor": 0.5}, {"backbone_factor": 1.6, "skip_factor": 0.4}]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with server_with(tmp_path_factory.mktemp("unlisted"), *NAMES) as server:
        yield server


def drawn(server: RealServer, scripts: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    body = {"prompt": "a red circle BREAK a blue square", "seed": 5, "steps": 4, "width": 64, "height": 64, "sampler_name": "Euler", "alwayson_scripts": scripts}
    request = urllib.request.Request(server.url + "sdapi/v1/txt2img", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=300) as answer:
        found = json.load(answer)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found["images"][0]))).convert("RGB")).astype(int), json.loads(found["info"])


def test_regional_prompter_draws_by_regions_and_lets_go_of_the_model(server: RealServer) -> None:
    plain, _ = drawn(server, {})
    regions, info = drawn(server, {"Regional Prompter": {"args": TWO_COLUMNS}})
    assert "RP Active: True" in info["infotexts"][0] and "comments" not in info
    assert np.abs(plain - regions).max() > 20
    assert np.array_equal(drawn(server, {})[0], plain)


def test_freeu_is_asked_where_the_unet_joins_its_sides(server: RealServer) -> None:
    """It changes widths of 1280, 640 and 320 alone, which this tiny checkpoint has not: what shows here is that nothing fails and its text is written."""
    _, info = drawn(server, {"FreeU": {"args": [FREE_U]}})
    assert "FreeU Stages" in info["infotexts"][0] and "comments" not in info


def test_nothing_failed(server: RealServer) -> None:
    assert [name for name in NAMES if f"extension {name.lower()}" in server.log().lower()] == []
