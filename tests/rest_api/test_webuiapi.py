"""The client from PyPI, unmodified, against the real server."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import webuiapi
from PIL import Image, ImageDraw

from tests.conftest import RunningServer

SMALL: dict[str, Any] = {"steps": 2, "width": 64, "height": 64, "seed": 5}


@pytest.fixture(scope="module")
def api(running_app: RunningServer) -> Iterator[webuiapi.WebUIApi]:
    client = webuiapi.WebUIApi(host="127.0.0.1", port=urlsplit(running_app.url).port)
    client.session.trust_env = False
    yield client
    client.session.close()


@pytest.fixture(scope="module")
def first(api: webuiapi.WebUIApi) -> webuiapi.WebUIApiResult:
    return api.txt2img(prompt="a cat", negative_prompt="bad", sampler_name="Euler a", cfg_scale=5, n_iter=2, **SMALL)


def test_txt2img(first: webuiapi.WebUIApiResult) -> None:
    assert len(first.images) == 2 and first.image.size == (64, 64)
    assert first.info["all_seeds"] == [5, 6] and first.info["sampler_name"] == "Euler a" and first.parameters["cfg_scale"] == 5


def test_hires(api: webuiapi.WebUIApi) -> None:
    result = api.txt2img(prompt="a cat", enable_hr=True, hr_scale=2, hr_upscaler=webuiapi.HiResUpscaler.Latent, hr_second_pass_steps=1,
                         denoising_strength=0.5, **SMALL)
    assert result.image.size == (128, 128) and "Hires upscaler: Latent" in result.info["infotexts"][0]


def test_img2img_and_inpaint(api: webuiapi.WebUIApi, first: webuiapi.WebUIApiResult) -> None:
    moved = api.img2img(images=[first.image], prompt="a dog", denoising_strength=0.8, **SMALL)
    assert moved.image.size == (64, 64) and moved.info["denoising_strength"] == 0.8
    mask = Image.new("RGB", (64, 64))
    ImageDraw.Draw(mask).rectangle((32, 0, 63, 63), fill="white")
    painted = api.img2img(images=[first.image], mask_image=mask, mask_blur=0, inpainting_fill=1, inpaint_full_res=False, prompt="a dog",
                          denoising_strength=0.9, **SMALL)
    change = np.abs(np.asarray(painted.image.convert("RGB"), dtype=int) - np.asarray(first.image.convert("RGB"), dtype=int)).max(axis=2)
    assert change[:, :24].max() <= 2 < change[:, 40:].max()


def test_extras_single_and_batch(api: webuiapi.WebUIApi, first: webuiapi.WebUIApiResult) -> None:
    single = api.extra_single_image(image=first.image, upscaler_1=webuiapi.Upscaler.Lanczos, upscaling_resize=1.5)
    assert single.image.size == (96, 96)
    batch = api.extra_batch_images(images=first.images, upscaler_1=webuiapi.Upscaler.Nearest, upscaling_resize=2)
    assert [each.size for each in batch.images] == [(128, 128)] * 2


def test_png_info(api: webuiapi.WebUIApi, first: webuiapi.WebUIApiResult) -> None:
    found = api.png_info(first.image)
    assert "Seed: 5" in found.info and found.parameters["Seed"] == "5"


def test_interrogate_says_what_is_missing(api: webuiapi.WebUIApi, first: webuiapi.WebUIApiResult) -> None:
    with pytest.raises(RuntimeError) as caught:
        api.interrogate(first.image)
    assert caught.value.args[0] == 422 and "model_base_caption_capfilt_large.pth" in caught.value.args[1]
    with pytest.raises(RuntimeError) as caught:
        api.interrogate(first.image, model="nope")
    assert caught.value.args[0] == 404


def test_options_lists_and_progress(api: webuiapi.WebUIApi) -> None:
    before = api.get_options()["jpeg_quality"]
    api.set_options({"jpeg_quality": 77})
    assert api.get_options()["jpeg_quality"] == 77
    api.set_options({"jpeg_quality": before})
    assert api.util_get_current_model().startswith("sd15-tiny") and "sd15-tiny.safetensors" in api.util_get_model_names()[0]
    assert "Euler a" in api.util_get_sampler_names() and "karras" in api.util_get_scheduler_names()
    assert api.get_progress()["progress"] == 0.0 and api.get_cmd_flags()["api"] is True
    assert {"name": "watercolor"} in [{"name": each["name"]} for each in api.get_prompt_styles()]
    assert [each["name"] for each in api.get_loras()] == ["tiny-lora"] and "tiny-emb" in api.get_embeddings()["loaded"]
    assert set(api.get_scripts()) >= {"txt2img", "img2img"} and api.get_memory()["ram"]["total"] > 0
    for ask in (api.get_upscalers, api.get_sd_vae, api.get_hypernetworks, api.get_face_restorers, api.get_realesrgan_models, api.refresh_checkpoints,
                api.get_latent_upscale_modes, api.interrupt, api.skip):
        ask()
    api.util_wait_for_ready()


def test_styles_are_applied(api: webuiapi.WebUIApi) -> None:
    style = api.get_prompt_styles()[0]
    result = api.txt2img(prompt="a cat", styles=[style["name"]], **SMALL)
    assert result.info["prompt"] != "a cat" and result.info["styles"] == [style["name"]]
