"""Extensions that change what is drawn, together on one server: each does its work when asked, and none is felt when it is off."""
from __future__ import annotations

import base64
import importlib.util
import io
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from tests.acceptance_extensions.conftest import repository, server_with
from tests.browser.conftest import RealServer

NAMES = ("sd-dynamic-prompts", "StyleSelectorXL", "sd-webui-detail-daemon", "sd-webui-vectorscope-cc", "ultimate-upscale-for-automatic1111", "sd-webui-aspect-ratio-helper")
OFF = {"style selector for sdxl 1.0": {"args": [False, False, False, False, "Anime"]}}
DAEMON = [True, True, False, "both", 0.2, 0.8, 0.5, 0.9, 1.0, 0, 0, 0, True]
COLOUR = [True, True, 5, 0, 1, 0, 0, 0, False, False, False, "Straight Abs.", "Flat"]  # on the latent: Euler, as in A1111, has used its prediction by then


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with server_with(tmp_path_factory.mktemp("picture-extensions"), *NAMES) as server:
        yield server


def asked(server: RealServer, path: str, **body: Any) -> dict[str, Any]:
    sent = {"prompt": "a house", "seed": 5, "steps": 4, "width": 64, "height": 64, "sampler_name": "Euler", **body}
    request = urllib.request.Request(server.url + path, json.dumps(sent).encode(), {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=300) as answer:
        found = json.load(answer)
    return {**found, "info": json.loads(found["info"]), "pictures": [Image.open(io.BytesIO(base64.b64decode(each))) for each in found["images"]]}


def drawn(server: RealServer, scripts: dict[str, Any] | None = None, **body: Any) -> dict[str, Any]:
    return asked(server, "sdapi/v1/txt2img", alwayson_scripts={**OFF, **(scripts or {})}, **body)


def test_detail_daemon_and_vectorscope_change_the_picture_and_nothing_else_does(server: RealServer) -> None:
    plain = drawn(server)
    daemon, colour = drawn(server, {"detail daemon": {"args": DAEMON}}), drawn(server, {"vectorscope cc": {"args": COLOUR}})
    assert "Detail Daemon" in daemon["info"]["infotexts"][0] and "Vec CC Brightness: 5.0" in colour["info"]["infotexts"][0]
    assert len({each["pictures"][0].tobytes() for each in (plain, daemon, colour)}) == 3
    assert drawn(server)["pictures"][0].tobytes() == plain["pictures"][0].tobytes()


def test_a_style_is_put_around_the_prompt(server: RealServer) -> None:
    found = drawn(server, {"style selector for sdxl 1.0": {"args": [True, False, False, False, "Anime"]}})["info"]
    assert found["infotexts"][0].startswith("anime artwork a house") and "Style Selector Style: Anime" in found["infotexts"][0]


def test_dynamic_prompts_draws_every_combination(server: RealServer) -> None:
    if importlib.util.find_spec("dynamicprompts") is None:
        pytest.skip("sd-dynamic-prompts needs the package dynamicprompts, which is not installed here")
    title = next(each for each in json.load(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(server.url + "sdapi/v1/scripts"))["txt2img"] if each.startswith("dynamic prompts"))
    found = drawn(server, {title: {"args": [True, True]}}, prompt="a {red|blue} house")["info"]
    assert [each.splitlines()[0] for each in found["infotexts"]] == ["a red house", "a blue house"]


def test_ultimate_upscale_draws_tile_by_tile(server: RealServer) -> None:
    start = drawn(server)
    values = [None, 64, 64, 8, 32, 64, 0.35, 32, 0, True, 0, False, 8, 0, 2, 128, 128, 2]
    found = asked(server, "sdapi/v1/img2img", init_images=start["images"], denoising_strength=0.4, script_name="ultimate sd upscale", script_args=values, alwayson_scripts=OFF)
    assert found["pictures"][0].size == (128, 128) and "Ultimate SD upscale tile_width: 64" in found["info"]["infotexts"][0]
    plain = start["pictures"][0].resize((128, 128), Image.Resampling.LANCZOS)
    assert found["pictures"][0].tobytes() != plain.convert(found["pictures"][0].mode).tobytes()


def test_nothing_failed(server: RealServer) -> None:
    missing = [] if importlib.util.find_spec("dynamicprompts") else ["sd-dynamic-prompts"]
    failed = [name for name in NAMES if f"extension {name.lower()}" in server.log().lower() and name not in missing]
    assert repository(NAMES[0]) and failed == []
