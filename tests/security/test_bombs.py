"""Files that grow when they are opened, and requests that are too long: refused at once, with little memory, and the next request works."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from modules.rest_api.guard import MAX_BODY
from modules.rest_api.info_routes import process_memory
from tests.security.conftest import Attacked
from tests.security.corpora import LARGE_WEBP, bombs

pytestmark = pytest.mark.group("S16")
MOST_GROWTH = 300 * 2**20
SECONDS_OF_CPU = 1.0


@contextmanager
def within_bounds(what: str, seconds: float = SECONDS_OF_CPU) -> Iterator[None]:
    """What is done inside may take ``seconds`` of processor time and let memory grow by MOST_GROWTH at its highest."""
    before, began, most, over = process_memory(), time.process_time(), [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            most[0] = max(most[0], process_memory())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        took = time.process_time() - began
        over.set()
        watcher.join()
    assert took < seconds, (what, took)
    assert most[0] - before < MOST_GROWTH, (what, (most[0] - before) / 2**20)


def ways(attacked: Attacked) -> dict[str, Callable[[str], Any]]:
    """Every way over the API by which a picture comes in, as text in base64."""
    small = {"steps": 1, "width": 64, "height": 64}
    wire = attacked.wire
    return {
        "png-info": lambda text: wire.json("POST", "/sdapi/v1/png-info", {"image": text}),
        "infotext": lambda text: wire.json("POST", "/internal/infotext", {"image": text}),
        "img2img": lambda text: wire.json("POST", "/sdapi/v1/img2img", {**small, "init_images": [text]}),
        "mask": lambda text: wire.json("POST", "/sdapi/v1/img2img", {**small, "init_images": [PIXEL], "mask": text}),
        "extras": lambda text: wire.json("POST", "/sdapi/v1/extra-single-image", {"image": text, "upscaling_resize": 2, "upscaler_1": "Nearest"}),
        "batch": lambda text: wire.json("POST", "/sdapi/v1/extra-batch-images", {"imageList": [{"name": "a.png", "data": text}]}),
        "interrogate": lambda text: wire.json("POST", "/sdapi/v1/interrogate", {"image": text}),
        "preview": lambda text: wire.json("POST", "/sd_extra_networks/preview", {"page": "checkpoints", "name": "real", "image": text}),
        "controlnet": lambda text: wire.json("POST", "/controlnet/detect", {"controlnet_input_images": [text], "controlnet_module": "invert"}),
    }


def _pixel() -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


PIXEL = _pixel()


@pytest.mark.parametrize("name", sorted(bombs()))
def test_a_picture_that_grows(attacked: Attacked, name: str) -> None:
    attack(attacked, name, bombs()[name], 3)


@pytest.mark.long
@pytest.mark.parametrize("name", [*sorted(bombs()), LARGE_WEBP])
def test_a_picture_that_grows_by_every_way(attacked: Attacked, name: str) -> None:
    attack(attacked, name, bombs(1024)[name], 1)


def attack(attacked: Attacked, name: str, data: bytes, every: int) -> None:
    text = base64.b64encode(data).decode()
    listed = list(ways(attacked).items())
    for way, send in listed[len(name) % every :: every]:
        with within_bounds(f"{name} by {way}"):
            answer = send(text)
        assert answer.status < 500, (name, way, answer.status, answer.text[:200])
        only_text = way == "infotext" and name in (LARGE_WEBP, "PPM in words", "icon with a huge picture in it")       # the text is read without the pixels
        no_mask = way == "mask" and not data
        assert answer.status >= 400 or only_text or no_mask or name in HARMLESS or way == "batch", (name, way, answer.text[:200])
    assert attacked.wire.send("GET", "/internal/ping").status == 200


# pictures whose first frame or whose pixels are small: they may be used
HARMLESS = frozenset({"GIF of many frames", "PNG that inflates", "zTXt", "iTXt", "iCCP", "many text chunks", "TIFF with a huge size"})


def test_two_hundred_megabytes_of_base64(attacked: Attacked) -> None:
    body = b'{"image": "' + b"A" * 200_000_000 + b'"}'
    for path in ("/sdapi/v1/img2img",):
        with within_bounds(path, seconds=1.5):
            answer = attacked.wire.send("POST", path, body=body, headers={"Content-Type": "application/json"})
        assert answer.status == 413 and f"{MAX_BODY >> 20} MB" in answer.text


def test_a_file_name_of_fifty_megabytes(attacked: Attacked) -> None:
    name = b"a" * 50_000_000
    bodies = [b'--x\r\nContent-Disposition: form-data; name="files"; filename="' + name + b'.png"\r\n\r\nx\r\n--x--\r\n',
              b'--x\r\nContent-Disposition: form-data; name="' + name + b'"\r\n\r\nx\r\n--x--\r\n']  # fmt: skip
    for body in bodies:
        with within_bounds("upload", seconds=2.0):
            answer = attacked.wire.send("POST", "/gradio_api/upload", body=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
        assert answer.status < 500
    with suppress(ConnectionError):                 # refused while the rest of it was on its way
        assert attacked.wire.send("GET", "/" + "a" * 500_000).status in (400, 404, 414, 431)
    assert attacked.wire.send("GET", "/internal/ping").status == 200


@pytest.mark.parametrize("shape", ["deep", "wide", "long key", "numbers"])
def test_json_that_grows(attacked: Attacked, shape: str) -> None:
    text = {"deep": "[" * 200_000 + "]" * 200_000, "wide": json.dumps({"alwayson_scripts": {str(number): {} for number in range(20_000)}}), "long key": json.dumps({"k" * 5_000_000: 1}),
            "numbers": '{"seed": ' + "9" * 100_000 + "}"}[shape]  # fmt: skip
    for path in ("/sdapi/v1/txt2img", "/gradio_api/queue/join"):
        with within_bounds(f"{shape} at {path}", seconds=3.0):
            answer = attacked.wire.send("POST", path, body=text.encode(), headers={"Content-Type": "application/json"})
        assert answer.status < 500, (path, answer.text[:200])


def test_pillows_own_limit_stays_set_whatever_is_imported(attacked: Attacked) -> None:
    from PIL import Image

    assert Image.MAX_IMAGE_PIXELS is not None and Image.MAX_IMAGE_PIXELS < 2**28
