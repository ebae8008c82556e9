"""A1111's Extras routes on the real server: its own pictures and words come back, and what cannot be done is said."""
from __future__ import annotations

import base64
import io
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.conftest import RunningServer, serve
from tests.golden.cases import Case, cases
from tests.loading.picture_files import tiny_upscaler

# A1111's html_info for its own pictures
SAID = {
    "extras-blend": "Postprocess upscale by: 2.0, Postprocess upscaler: Lanczos, Postprocess upscaler 2: Nearest",
    "extras-lanczos-to-size-crop": "Postprocess upscale to: 100x100, Postprocess crop to: 100x100, Postprocess upscaler: Lanczos",
    "extras-lanczos-x2": "Postprocess upscale by: 2.0, Postprocess upscaler: Lanczos",
    "extras-nearest-x3": "Postprocess upscale by: 3.0, Postprocess upscaler: Nearest",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """No checkpoint, one tiny upscaler."""
    from modules.application.build import build_app
    from modules.schema.flags import parse_flags

    folder = tmp_path_factory.mktemp("server")
    tiny_upscaler(folder / "models" / "ESRGAN" / "4x-Tiny.pth", "ESRGAN", 4)
    yield from serve(build_app(parse_flags(["--data-dir", str(folder), "--api"], {}).flags))


def sent(picture: Image.Image, **texts: str) -> str:
    buffer, chunks = io.BytesIO(), PngImagePlugin.PngInfo()
    for key, text in texts.items():
        chunks.add_text(key, text)
    picture.save(buffer, "PNG", pnginfo=chunks)
    return base64.b64encode(buffer.getvalue()).decode()


def received(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def gradient(width: int = 40, height: int = 24) -> Image.Image:
    return Image.linear_gradient("L").resize((width, height)).convert("RGB")


def post(server: RunningServer, route: str = "extra-single-image", **asked: Any) -> Any:
    answer = server.client.post(f"/sdapi/v1/{route}", json=asked)
    assert answer.status_code == 200, answer.text[:500]
    return answer.json()


def test_the_picture_comes_whatever_show_extras_results_says(server: RunningServer) -> None:
    """Photoshop's plugin and other programs send false or 0, and A1111 answers with the picture."""
    asked = {"upscaler_1": "Nearest", "upscaling_resize": 2, "show_extras_results": False}
    assert received(post(server, image=sent(gradient()), **asked)["image"]).size == (80, 48)
    assert [received(each).size for each in post(server, "extra-batch-images", imageList=[{"data": sent(gradient()), "name": "a.png"}], **asked)["images"]] == [(80, 48)]



@pytest.mark.parametrize("golden", [case for case in cases() if case.name.startswith("extras-")], ids=str)
def test_the_answer_is_a1111s(server: RunningServer, golden: Case) -> None:
    body = post(server, **golden.request)
    (expected,) = golden.images()
    assert np.array_equal(np.asarray(received(body["image"])), np.asarray(expected))
    assert body["html_info"] == f"<p>{SAID[golden.name]}</p>"


def test_a_model_enlarges_and_the_picture_keeps_its_parameters(server: RunningServer) -> None:
    source = sent(gradient(), parameters="a cat\nSteps: 20, Seed: 1, Size: 40x24, Sampler: Euler", comment="mine", Author="me")
    result = received(post(server, image=source, upscaler_1="4x-Tiny", upscaling_resize=4)["image"])
    assert result.size == (160, 96)
    assert result.info["parameters"].startswith("a cat\nSteps: 20") and result.info["Author"] == "me"
    assert result.info["postprocessing"] == "Postprocess upscale by: 4.0, Postprocess upscaler: 4x-Tiny"


@pytest.mark.parametrize("asked", [
    {"upscaler_1": "Lanczos"}, {"upscaler_1": "4x-Tiny"}, {"upscaler_1": "4x-Tiny", "upscaler_2": "Nearest", "extras_upscaler_2_visibility": 0.5},
    {"upscaler_1": "Nearest", "resize_mode": 1, "upscaling_resize_w": 80, "upscaling_resize_h": 48, "upscaling_crop": True}, {"upscaler_1": "None"},
])  # fmt: skip
@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_what_was_transparent_stays_so(server: RunningServer, asked: dict[str, Any], mode: str) -> None:
    """A cut-out figure does not come back on a black ground."""
    figure = Image.new("RGBA", (40, 24), (200, 30, 30, 255))
    figure.paste((0, 0, 0, 0), (0, 0, 20, 24))
    made = received(post(server, image=sent(figure.convert(mode)), **{"upscaling_resize": 2, **asked})["image"])
    alpha = made.getchannel("A")
    assert made.width == (40 if asked["upscaler_1"] == "None" else 80)
    assert (alpha.getpixel((2, 2)), alpha.getpixel((made.width - 3, 2))) == (0, 255)


def test_two_upscalers_are_blended(server: RunningServer) -> None:
    one, two, both = (
        np.asarray(received(post(server, image=sent(gradient()), upscaling_resize=2, **names)["image"]), float)
        for names in (
            {"upscaler_1": "4x-Tiny"}, {"upscaler_1": "Nearest"}, {"upscaler_1": "4x-Tiny", "upscaler_2": "Nearest", "extras_upscaler_2_visibility": 0.25},
        )
    )
    assert np.abs(both - (0.75 * one + 0.25 * two)).max() <= 1


def test_a_batch_goes_on_past_what_is_no_picture(server: RunningServer) -> None:
    pictures = [{"data": sent(gradient(16 * n, 16)), "name": f"{n}.png"} for n in (1, 2)]
    body = post(server, "extra-batch-images", upscaler_1="Lanczos", upscaling_resize=2, imageList=pictures)
    assert [received(each).size for each in body["images"]] == [(32, 32), (64, 32)]
    assert "Postprocess upscaler: Lanczos" in body["html_info"]


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({"upscaler_1": "No such"}, 404, "No such"),
        ({"upscaler_1": "R-ESRGAN 2x+"}, 404, "RealESRGAN_x2plus.pth"),
        ({"upscaler_1": "Lanczos", "upscaling_resize": 0}, 422, "upscaling_resize"),
        ({"upscaler_1": "Lanczos", "upscaling_resize": -1}, 422, "upscaling_resize"),
        ({"upscaler_1": "Lanczos", "resize_mode": 7}, 422, "resize_mode"),
        ({"upscaler_1": "Lanczos", "upscaling_resize": 64, "image": "big"}, 422, "megapixels"),
        ({"upscaler_1": "Lanczos", "image": "AAAA"}, 422, "not a picture"),
        ({"upscaler_1": "Lanczos", "image": ""}, 422, "no picture"),
        ({"gfpgan_visibility": 1}, 422, "GFPGANv1.4.pth"),
        ({"codeformer_visibility": 0.5}, 422, "codeformer-v0.1.0.pth"),
    ],
)
def test_what_cannot_be_done_is_said_before_any_work(server: RunningServer, asked: dict[str, Any], status: int, words: str) -> None:
    image = sent(Image.new("RGB", (1200, 1200))) if asked.get("image") == "big" else asked.get("image", sent(gradient()))
    answer = server.client.post("/sdapi/v1/extra-single-image", json={**asked, "image": image})
    assert answer.status_code == status, answer.text[:300]
    assert words in answer.text


def test_an_interrupt_takes_effect_within_a_tile(server: RunningServer) -> None:
    server.app.settings.set("ESRGAN_tile", 16)
    try:
        answers: list[Any] = []
        picture = sent(gradient(640, 640))
        thread = threading.Thread(target=lambda: answers.append(server.client.post(
            "/sdapi/v1/extra-single-image", json={"image": picture, "upscaler_1": "4x-Tiny", "upscaling_resize": 4})))
        thread.start()
        progress = 0.0
        for _ in range(400):
            progress = server.client.get("/sdapi/v1/progress").json()["progress"]
            if progress > 0.02:
                break
            time.sleep(0.02)
        assert 0.02 < progress < 1
        server.client.post("/sdapi/v1/interrupt")
        began = time.monotonic()
        thread.join(20)
        assert time.monotonic() - began < 5 and not thread.is_alive()
        assert answers[0].status_code == 200 and answers[0].json()["image"] is None
    finally:
        server.app.settings.set("ESRGAN_tile", 192)


@pytest.mark.parametrize("empty", ["", None, "None"])
def test_a_choice_left_empty_is_no_upscaler(server: RunningServer, empty: str | None) -> None:
    answer = post(server, image=sent(gradient()), upscaler_1=empty, upscaler_2=empty, upscaling_resize=2)
    assert received(answer["image"]).size == (40, 24)
    answer = post(server, image=sent(gradient()), upscaler_1="Lanczos", upscaler_2=empty, upscaling_resize=2)
    assert received(answer["image"]).size == (80, 48)
