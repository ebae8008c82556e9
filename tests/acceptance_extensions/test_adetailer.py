"""adetailer, unmodified: what it finds in a picture is drawn again by itself, and nothing else is.

What finds things is not the real one: a package called ultralytics stands on the user's path, outside of the extension, whose detector
reports one box. torchvision is the real one where it is installed, else the program's stand-in. So this shows adetailer's own way through the program (its hooks, its p for img2img with only the masked part, process_images within a job,
its texts), and says nothing about how well faces are found, nor whether the real packages can be installed.
"""
from __future__ import annotations

import base64
import io
import json
import os
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.acceptance_extensions.conftest import server_with
from tests.browser.conftest import RealServer, Visit

BOX = (40, 40, 88, 88)
DETECTOR = f"""
import numpy, torch
class _Boxes:
    xyxy, conf = torch.tensor([{list(map(float, BOX))}]), torch.tensor([0.9])
class _Found:
    boxes, masks = _Boxes(), None
    def plot(self):
        return numpy.zeros((128, 128, 3), dtype=numpy.uint8)
class YOLO:
    def __init__(self, path):
        self.path = path
    def __call__(self, image, conf=0.3, device=""):
        return [_Found()]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    folder = tmp_path_factory.mktemp("adetailer")
    packages = folder / "site"
    packages.mkdir()
    (packages / "ultralytics.py").write_text(DETECTOR, encoding="utf-8")
    (folder / "detectors").mkdir()
    (folder / "detectors" / "one-box.pt").write_bytes(b"")
    (folder / "config.json").write_text(json.dumps({"ad_extra_models_dir": str(folder / "detectors")}), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(packages), os.environ.get("PYTHONPATH", "")))))
        with server_with(folder, "adetailer") as server:
            yield server


def drawn(server: RealServer, **unit: Any) -> tuple[np.ndarray, str]:
    body = {"prompt": "a house", "seed": 5, "steps": 3, "width": 128, "height": 128, "sampler_name": "Euler"}
    if unit:
        body["alwayson_scripts"] = {"ADetailer": {"args": [True, False, {"ad_model": "one-box.pt", **unit}]}}
    request = urllib.request.Request(server.url + "sdapi/v1/txt2img", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=300) as answer:
        found = json.load(answer)
    picture = Image.open(io.BytesIO(base64.b64decode(found["images"][0]))).convert("RGB")
    return np.asarray(picture).astype(int), json.loads(found["info"])["infotexts"][0]


def test_only_what_was_found_is_drawn_again(server: RealServer) -> None:
    (plain, text), (again, told) = drawn(server), drawn(server, ad_prompt="a red circle", ad_denoising_strength=0.8, ad_mask_blur=2, ad_dilate_erode=0)
    changed = np.abs(plain - again).max(axis=2) > 3
    left, top, right, bottom = BOX
    assert changed[top + 8 : bottom - 8, left + 8 : right - 8].mean() > 0.5
    outside = changed.copy()
    outside[top - 8 : bottom + 8, left - 8 : right + 8] = False
    assert not outside.any()
    for part in ("ADetailer model: one-box.pt", "ADetailer prompt: a red circle", "ADetailer denoising strength: 0.8", "ADetailer version"):
        assert part in told and part not in text


def test_the_page_has_its_fields(server: RealServer, visit: Callable[..., Visit]) -> None:
    page = visit(server.url).page
    for each in ("txt2img_adetailer_ad_prompt textarea", "img2img_adetailer_ad_model input"):
        assert page.locator(f"#script_{each}").count() == 1


def test_nothing_failed(server: RealServer) -> None:
    assert "extension adetailer" not in server.log() and Path(server.folder).is_dir()
