"""Upscaler files in models/: listed as A1111 lists them, at work in hires fix and img2img."""
from __future__ import annotations

import base64
import io
from collections.abc import Iterator

import pytest
from PIL import Image

from tests.conftest import RunningServer, serve
from tests.loading.picture_files import tiny_upscaler

SMALL = {"prompt": "a cat", "steps": 2, "width": 64, "height": 64, "seed": 5, "override_settings": {"randn_source": "CPU"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The real engine, A1111's tiny checkpoint, and three tiny upscalers."""
    from modules.application.build import build_app
    from modules.schema.flags import parse_flags
    from tests.golden.cases import data_dir

    folder = tmp_path_factory.mktemp("server")
    models = folder / "models"
    tiny_upscaler(models / "ESRGAN" / "4x-Tiny.pth", "ESRGAN", 4)
    tiny_upscaler(models / "RealESRGAN" / "RealESRGAN_x4plus.pth", "Compact", 4)
    tiny_upscaler(models / "SwinIR" / "4x-Tiny.safetensors", "SwinIR", 2)
    flags = ["--data-dir", str(folder), "--ckpt-dir", str(data_dir() / "models" / "Stable-diffusion"), "--no-half", "--api"]
    yield from serve(build_app(parse_flags(flags, {}).flags))


def picture(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def test_files_are_listed_under_a1111s_names(server: RunningServer) -> None:
    listed = server.client.get("/sdapi/v1/upscalers").json()
    assert [each["name"] for each in listed] == ["None", "Lanczos", "Nearest", "4x-Tiny", "R-ESRGAN 4x+", "4x-Tiny (SwinIR)"]
    assert listed[3]["model_path"].endswith("4x-Tiny.pth") and listed[3]["scale"] == 4.0
    offered = {each["name"]: each["path"] for each in server.client.get("/sdapi/v1/realesrgan-models").json()}
    assert len(offered) == 6
    assert offered["R-ESRGAN 4x+"].endswith("RealESRGAN_x4plus.pth") and not offered["R-ESRGAN 4x+"].startswith("http")
    assert offered["R-ESRGAN 2x+"].startswith("https://")


def test_hires_fix_enlarges_by_a_model(server: RunningServer) -> None:
    def drawn(upscaler: str) -> Image.Image:
        asked = {**SMALL, "enable_hr": True, "hr_scale": 2, "hr_upscaler": upscaler, "denoising_strength": 0.2}
        answer = server.client.post("/sdapi/v1/txt2img", json=asked)
        assert answer.status_code == 200, answer.text[:300]
        return picture(answer.json()["images"][0])

    by_model, by_lanczos = drawn("4x-Tiny"), drawn("Lanczos")
    assert by_model.size == (128, 128)
    assert "Hires upscaler: 4x-Tiny" in by_model.info["parameters"]
    assert by_model.tobytes() != by_lanczos.tobytes()


def test_img2img_enlarges_small_inputs_by_a_model(server: RunningServer) -> None:
    source = io.BytesIO()
    Image.linear_gradient("L").resize((32, 32)).convert("RGB").save(source, "PNG")

    def drawn(upscaler: str) -> bytes:
        overrides = {**SMALL["override_settings"], "upscaler_for_img2img": upscaler}  # type: ignore[dict-item]
        asked = {**SMALL, "init_images": [base64.b64encode(source.getvalue()).decode()], "denoising_strength": 0.1, "override_settings": overrides}
        answer = server.client.post("/sdapi/v1/img2img", json=asked)
        assert answer.status_code == 200, answer.text[:300]
        return picture(answer.json()["images"][0]).tobytes()

    assert drawn("4x-Tiny") != drawn("None")


def test_a_known_upscaler_that_is_not_here_tells_where_to_get_it(server: RunningServer) -> None:
    answer = server.client.post("/sdapi/v1/txt2img", json={**SMALL, "enable_hr": True, "hr_upscaler": "R-ESRGAN 4x+ Anime6B"})
    assert answer.status_code == 404
    words = answer.json()["detail"]
    assert "RealESRGAN_x4plus_anime_6B.pth" in words and "https://github.com/xinntao" in words and "RealESRGAN and refresh" in words
