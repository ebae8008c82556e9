"""Extensions that reach into LoRAs, the text stage, the model's call and the VAE, together on one server: each acts when asked, and none is felt when it is off."""
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

NAMES = ("sd-webui-lora-block-weight", "multidiffusion-upscaler-for-automatic1111", "sd-webui-cutoff", "sd-webui-negpip", "sd-webui-neutral-prompt", "sd-dynamic-thresholding")
LORA = "a cat <lora:tiny-lora:1{}>"
LONG = {"width": 576, "height": 64, "steps": 1}      # longer than one tile and its surroundings


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with server_with(tmp_path_factory.mktemp("inside-the-model"), *NAMES) as server:
        yield server


def asked(server: RealServer, path: str, body: dict[str, Any] | None = None) -> Any:
    request = urllib.request.Request(server.url + path, None if body is None else json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=600) as answer:
        return json.load(answer)


def drawn(server: RealServer, scripts: dict[str, Any] | None = None, **values: Any) -> np.ndarray:
    body = {"prompt": "a cat", "seed": 5, "steps": 2, "width": 64, "height": 64, "sampler_name": "Euler", "cfg_scale": 30, "alwayson_scripts": scripts or {}}
    found = asked(server, "sdapi/v1/txt2img", body | values)
    assert "comments" not in json.loads(found["info"])
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found["images"][0]))).convert("RGB")).astype(int)


def usual(server: RealServer, title: str, **by_place: Any) -> dict[str, Any]:
    """The script's own values with some of them changed. by_place: _0=True changes the first."""
    arguments = [each["value"] for info in asked(server, "sdapi/v1/script-info") if info["name"] == title and not info["is_img2img"] for each in info["args"]]
    for place, value in by_place.items():
        arguments[int(place[1:])] = value
    return {title: {"args": arguments}}


def test_block_weights_act_on_the_loras_layers(server: RealServer) -> None:
    weights = usual(server, "lora block weight")
    full, none, words_alone = (drawn(server, prompt=text) for text in (LORA.format(""), "a cat", "a cat <lora:tiny-lora:te=1:unet=0>"))
    assert np.array_equal(drawn(server, weights, prompt=LORA.format(":lbw=ALL")), full)
    assert np.array_equal(drawn(server, weights, prompt=LORA.format(":lbw=NONE")), none)
    assert np.array_equal(drawn(server, weights, prompt=LORA.format(":lbw=1" + ",0" * 16)), words_alone)
    half = drawn(server, weights, prompt=LORA.format(":lbw=OUTALL"))
    assert not np.array_equal(half, full) and not np.array_equal(half, words_alone)
    assert np.array_equal(drawn(server, prompt=LORA.format("")), full)


def test_a_picture_is_decoded_and_drawn_in_tiles(server: RealServer) -> None:
    plain = drawn(server, **LONG)
    tiled = drawn(server, usual(server, "tiled vae", _0=True, _2=48, _4=False), **LONG)
    assert "input_size: torch.Size([1, 4, 8, 72])" in server.log(), "Tiled VAE was at work"
    assert np.abs(tiled - plain).mean() < 4, "its exact mode draws nearly what the whole decoder draws"
    for method in ("MultiDiffusion", "Mixture of Diffusers"):
        found = drawn(server, usual(server, "tiled diffusion", _0=True, _1=method, _6=16, _7=16, _8=4), **LONG)
        assert found.shape == plain.shape and f"{method} hooked into" in server.log()
        assert not np.array_equal(found, plain)
    assert np.array_equal(drawn(server, **LONG), plain)


@pytest.mark.parametrize(("title", "prompt", "plain", "values"), [
    ("cutoff", "a red cat, a blue hat", "a red cat, a blue hat", {"_0": True, "_1": "red, blue", "_2": 1.0}),
    ("negpip", "a cat, (dog:-1.2)", "a cat, (dog:-1.2)", {"_0": True}),
    ("neutral prompt", "a cat AND_PERP a dog", "a cat AND a dog", {"_0": 0.2}),
    ("dynamic thresholding (cfg scale fix)", "a cat", "a cat", {"_0": True}),
])  # fmt: skip
def test_each_changes_what_is_drawn_and_lets_go(server: RealServer, title: str, prompt: str, plain: str, values: dict[str, Any]) -> None:
    before = drawn(server, prompt=plain)
    assert not np.array_equal(drawn(server, usual(server, title, **values), prompt=prompt), before)
    assert np.array_equal(drawn(server, prompt=plain), before)


def test_nothing_failed(server: RealServer) -> None:
    assert [name for name in NAMES if f"extension {name.lower()}" in server.log().lower()] == []
