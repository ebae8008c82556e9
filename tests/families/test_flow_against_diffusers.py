"""Each flow family that runs, tiny and random, in the files it comes in, against its plain diffusers pipeline: same noise and sigmas, same latents."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageChops
from torch import Tensor

from modules.application.build import build_app
from modules.engine.decode import decode_latent
from modules.engine.encode import encode_pixels
from modules.engine.preview import preview_map
from modules.engine.resolved import ResolvedInit, ResolvedInpaint
from modules.families.table import FAMILIES, NAMED_FAMILIES
from modules.library.model_file import ModelFile
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.loading.parts import PartFiles
from modules.schema.errors import CannotLoad
from modules.schema.flags import parse_flags
from tests.conftest import RunningServer, serve
from tests.families import tiny_flow as tiny
from tests.families.flow_pipelines import (
    MASK,
    NEGATIVE,
    PICTURE,
    POLICY,
    PROMPT,
    SCALE,
    SEED,
    SIZE,
    SMALLER,
    STEPS,
    Ours,
    files_of,
    folder_of_diffusers,
    listed,
    modules_of,
    reference_latents,
)
from tests.families.lora_changes import layers_changed_by
from tests.short_form import one_in

NAMES = tuple(family.name for family in (*FAMILIES, *NAMED_FAMILIES) if family.runs and family.is_flow)
SHOWN = ("FLUX.1 Kontext", "FLUX.1 depth or canny", "Qwen-Image-Edit", "Qwen-Image-Edit Plus")         # img2img's picture


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server looks for models; each family adds its own."""
    return tmp_path_factory.mktemp("flow") / "models"


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[RunningServer]:
    yield from serve(build_app(parse_flags(["--data-dir", str(models.parent), "--models-dir", str(models), "--no-half", "--api"], {}).flags))


@pytest.mark.parametrize("name", one_in(4, NAMES))
def test_latents_are_those_of_the_diffusers_pipeline_and_the_api_gives_the_same_picture(
    name: str, server: RunningServer, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, parts = files_of(name, models)
    model = load_checkpoint(file, POLICY, files=parts)
    assert model.family.name == name
    asked: dict[str, Any] = {}
    if name in SMALLER:
        SMALLER[name](monkeypatch)
    if name == "FLUX.1 fill":
        asked = {"denoising_strength": 1.0, "init": ResolvedInit(pictures=(PICTURE,), inpaint=ResolvedInpaint(mask=MASK, blur_x=0, blur_y=0, fill=1))}
        monkeypatch.setattr("modules.engine.img2img.step_blend", lambda *args, **kwargs: None)      # the pipeline trusts the model to keep the rest
        monkeypatch.setattr("modules.engine.img2img.final_blend", lambda inpaint, latents, *_: latents)
    elif name == "Lumina 2":        # the instruction is typed
        asked = {"prompt": "You are an assistant. <Prompt Start> a red cat"}
    elif name in SHOWN:
        asked = {"denoising_strength": 1.0, "init": ResolvedInit(pictures=(PICTURE,))}
    ours = Ours(model, monkeypatch, **asked)
    theirs = reference_latents(name, ours)
    off = float((ours.latents - theirs).norm() / theirs.norm())
    assert off <= 1e-4, f"off by {off:.2g}"
    through_api(server, file, asked, ours.result.images[0].picture)


def through_api(server: RunningServer, file: ModelFile, asked: dict[str, Any], picture: Image.Image) -> None:
    """The same request, with the checkpoint chosen for it alone, and the picture as the beginning of another."""
    server.client.post("/sdapi/v1/refresh-checkpoints")
    request: dict[str, Any] = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "width": SIZE, "height": SIZE, "steps": STEPS, "cfg_scale": SCALE, "sampler_name": "Euler",
                               "scheduler": "Automatic", "seed": SEED, "override_settings": {"sd_model_checkpoint": file.name, "randn_source": "CPU"}}  # fmt: skip
    again = request | {"init_images": [encoded(PICTURE)], "denoising_strength": 0.4}
    shown = again | {"denoising_strength": 1.0}
    masked = shown | {"mask": encoded(MASK), "mask_blur": 0, "inpainting_fill": 1, "inpaint_full_res": False}
    prompt = asked.pop("prompt", PROMPT)
    for body in (request, again, shown, masked):
        body["prompt"] = prompt
    first = masked if file.stem == "FLUX.1 fill" else shown
    for number, (tab, body) in enumerate([("img2img", first), ("txt2img", request)] if asked else [("txt2img", request), ("img2img", again)]):
        answer = server.client.post(f"/sdapi/v1/{tab}", json=body).json()
        made = Image.open(BytesIO(base64.b64decode(answer["images"][0]))).convert("RGB")
        assert f"Model: {file.stem}" in json.loads(answer["info"])["infotexts"][0]
        assert (made.tobytes() == picture.tobytes()) == (number == 0)
        assert made.size == (SIZE, SIZE)


def test_the_api_shows_a_model_all_pictures_that_it_is_sent(server: RunningServer, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a batch has images; for other models that stays the mistake that it is in A1111."""
    file, parts = files_of("FLUX.2 klein 4B", models)
    other, sd3, _ = PICTURE.rotate(90), *files_of("SD3", models)
    ours = Ours(load_checkpoint(file, POLICY, files=parts), monkeypatch, denoising_strength=1.0, init=ResolvedInit(pictures=(PICTURE, other)))
    server.client.post("/sdapi/v1/refresh-checkpoints")
    request: dict[str, Any] = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "width": SIZE, "height": SIZE, "steps": STEPS, "cfg_scale": SCALE, "sampler_name": "Euler",
                               "seed": SEED, "init_images": [encoded(PICTURE), encoded(other)], "denoising_strength": 1.0}  # fmt: skip
    answer = server.client.post("/sdapi/v1/img2img", json=request | {"override_settings": {"sd_model_checkpoint": file.name, "randn_source": "CPU"}}).json()
    made = Image.open(BytesIO(base64.b64decode(answer["images"][0]))).convert("RGB")
    assert len(answer["images"]) == 1 and made.tobytes() == ours.result.images[0].picture.tobytes()
    again = request | {"init_images": request["init_images"][:1], "further_images": request["init_images"][1:], "batch_size": 2}
    both = server.client.post("/sdapi/v1/img2img", json=again | {"override_settings": {"sd_model_checkpoint": file.name, "randn_source": "CPU", "return_grid": False}}).json()["images"]
    assert len(both) == 2 and apart(both[0], made) < 2      # levels of 255
    refused = server.client.post("/sdapi/v1/img2img", json=request | {"override_settings": {"sd_model_checkpoint": sd3.name}})
    assert refused.status_code == 422 and "FLUX.2 and Qwen-Image-Edit Plus are shown several" in refused.text


def apart(text: str, picture: Image.Image) -> float:
    """The largest difference between a picture in base64 and another one."""
    found = ImageChops.difference(Image.open(BytesIO(base64.b64decode(text))).convert("RGB"), picture)
    return max(high for _, high in found.getextrema())


def encoded(picture: Image.Image) -> str:
    data = BytesIO()
    picture.save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode("ascii")


@pytest.mark.parametrize("name", ["SD3.5", "Z-Image", "Qwen-Image"])
def test_a_folder_of_diffusers_is_the_same_model(name: str, tmp_path: Path) -> None:
    transformer, vae, texts = modules_of(name)
    kinds = [type(module).__name__ for module in texts.values()]
    order = sorted(zip(kinds, texts.values()), key=lambda each: each[0].startswith("T5"))       # in SD3's folders T5 is the third
    index: dict[str, Any] = {"_class_name": "SomePipeline"}
    states = {}
    for number, (kind, module) in enumerate(order, 1):
        part = "text_encoder" + (f"_{number}" if number > 1 else "")
        index[part] = ["transformers", kind]
        states[part] = module.state_dict()
    loaded = load_checkpoint(folder_of_diffusers(tmp_path / "some model", name, states, index), POLICY)
    assert loaded.family.name == name
    text = order[-1][1].language_model if name == "Qwen-Image" else order[-1][1]
    for ours, theirs in ((loaded.unet, transformer), (loaded.vae, vae), (loaded.text_encoders[-1].module, text)):
        assert all(torch.equal(tensor, theirs.state_dict()[key]) for key, tensor in ours.state_dict().items())


@torch.no_grad()
def test_a_vae_of_films_takes_pictures_and_is_for_no_other_model(tmp_path: Path) -> None:
    model = load_checkpoint(files_of("Qwen-Image", tmp_path, "whole")[0], POLICY)
    vae, picture = modules_of("Qwen-Image")[1], torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    mean, deviation = (torch.tensor(values).view(1, -1, 1, 1) for values in (vae.config.latents_mean, vae.config.latents_std))
    latent = (vae.encode(picture[:, :, None] * 2 - 1).latent_dist.mean[:, :, 0] - mean) / deviation
    assert torch.allclose(encode_pixels(picture, model.vae, model.family.latent, seed=1), latent, atol=1e-4)
    wanted = vae.decode((latent * deviation + mean)[:, :, None]).sample[0, :, 0] / 2 + 0.5
    assert torch.allclose(decode_latent(latent[0], model.vae, scale=1.0), wanted.clamp(0, 1), atol=1e-4)
    assert preview_map(model.vae, model.family.latent).weight.shape == (16, 3)
    flux, parts = files_of("FLUX.1 dev", tmp_path / "flux")
    films = listed(tiny.write(tmp_path / "VAE" / "qwen_image_vae.safetensors", tiny.original_vae(vae.state_dict())))
    with pytest.raises(CannotLoad, match="Qwen-Image and Wan"):
        load_checkpoint(flux, POLICY, files=parts, vae_file=films)
    assert load_checkpoint(flux, POLICY, files=replace(parts, vaes=(films, *parts.vaes))).vae_file == parts.vaes[0]


def test_what_is_missing_is_listed_all_at_once(tmp_path: Path) -> None:
    file, parts = files_of("FLUX.1 dev", tmp_path)
    with pytest.raises(CannotLoad) as raised:
        load_checkpoint(file, POLICY, files=PartFiles(text_encoders=parts.text_encoders[1:]))
    text = str(raised.value)
    assert "CLIP-L" in text or "T5-XXL" in text
    with pytest.raises(CannotLoad) as raised:
        load_checkpoint(file, POLICY)
    assert all(word in str(raised.value) for word in ("clip_l.safetensors", "t5xxl_fp16.safetensors", "models/text_encoder", "ae.safetensors", "models/VAE"))


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M SDE", "DDIM", "UniPC", "Restart", "LCM", "DPM++ 2M", "Euler CFG++", "DPM adaptive"])
def test_every_kind_of_sampler_ends_at_a_picture(sampler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of a standard normal distribution: wherever a sampler starts, it ends at values of about that size."""
    model = sd3(tmp_path)
    monkeypatch.setattr("modules.engine.flow_predictor._CALLS", {"sd3": lambda call: _normal_velocity(call.x, float(call.sigma[0]))})
    ours = Ours(model, monkeypatch, sampler_name=sampler, steps=12, guidance_scale=1.0, width=72, height=64)
    assert ours.latents.shape == (1, 16, 8, 9)
    assert ours.latents.mean() == pytest.approx(2.0, abs=0.1) and 0.5 < float(ours.latents.std()) < 1.3


def _normal_velocity(x: Tensor, sigma: float) -> Tensor:
    """Of pictures whose values are normal around 2 with variance 1."""
    variance = (1 - sigma) ** 2 + sigma**2
    clean = 2.0 + (1 - sigma) / variance * (x - (1 - sigma) * 2.0)
    return (x - clean) / max(sigma, 1e-6)


@cache
def _sd3_folder(folder: Path) -> Components:
    file, parts = files_of("SD3", folder)
    return load_checkpoint(file, POLICY, files=parts)


_kept: list[Components] = []


def sd3(folder: Path) -> Components:
    if not _kept:
        _kept.append(_sd3_folder(folder))
    return _kept[0]


def test_a_lora_with_joined_layers_changes_each_of_them_and_goes_without_a_trace(tmp_path: Path) -> None:
    """kohya's files join query, key and value as FLUX.1's makers do; diffusers' name each."""
    file, parts = files_of("FLUX.1 dev", tmp_path)
    model = load_checkpoint(file, POLICY, files=parts)
    torch.manual_seed(1)
    shapes = {"lora_unet_double_blocks_0_img_attn_qkv": (192, 64), "lora_unet_single_blocks_1_linear1": (448, 64), "lora_te1_text_model_encoder_layers_0_mlp_fc1": (64, 32)}
    lora = {f"{name}.{part}": torch.randn(*size) for name, (rows, columns) in shapes.items()
            for part, size in (("lora_up.weight", (rows, 4)), ("lora_down.weight", (4, columns)))}
    lora |= {f"transformer.transformer_blocks.0.attn.to_add_out.lora_{side}.weight": torch.randn(*size) for side, size in (("B", (64, 4)), ("A", (4, 64)))}
    delta = {name: lora[f"{name}.lora_up.weight"] @ lora[f"{name}.lora_down.weight"] * 0.5 for name in shapes}
    joined = torch.cat([delta["lora_unet_double_blocks_0_img_attn_qkv"], delta["lora_unet_single_blocks_1_linear1"]])
    change = layers_changed_by(lora, model, tmp_path, strength=0.5)
    names = [f"transformer_blocks.0.attn.to_{part}.weight" for part in "qkv"] + [f"single_transformer_blocks.1.attn.to_{part}.weight" for part in "qkv"]
    found = torch.cat([change[name] for name in (*names, "single_transformer_blocks.1.proj_mlp.weight")])
    assert float((found - joined).norm() / joined.norm()) < 1e-5 and "transformer_blocks.0.attn.to_add_out.weight" in change


def test_a_lora_of_the_last_layer_of_t5_and_in_the_layout_of_xlabs(tmp_path: Path) -> None:
    """FLUX.1's makers have the halves of the last modulation the other way round; kohya counts T5 as the third encoder."""
    file, parts = files_of("FLUX.1 dev", tmp_path)
    model = load_checkpoint(file, POLICY, files=parts)
    torch.manual_seed(1)
    lora = {"lora_unet_final_layer_adaLN_modulation_1.diff": torch.randn(128, 64), "lora_te3_encoder_block_0_layer_1_DenseReluDense_wo.diff": torch.randn(tiny.T5_WIDTH, 64)}
    lora |= {"double_blocks.0.processor.qkv_lora2.up.weight": torch.randn(192, 2), "double_blocks.0.processor.qkv_lora2.down.weight": torch.randn(2, 64)}
    change = layers_changed_by(lora, model, tmp_path)
    last, text = lora["lora_unet_final_layer_adaLN_modulation_1.diff"], lora["lora_te3_encoder_block_0_layer_1_DenseReluDense_wo.diff"]
    joined = lora["double_blocks.0.processor.qkv_lora2.up.weight"] @ lora["double_blocks.0.processor.qkv_lora2.down.weight"]
    wanted = {"norm_out.linear.weight": torch.cat([last[64:], last[:64]]), "encoder.block.0.layer.1.DenseReluDense.wo.weight": text,
              **{f"transformer_blocks.0.attn.add_{part}_proj.weight": rows for part, rows in zip("qkv", joined.chunk(3))}}  # fmt: skip
    assert change.keys() == wanted.keys() and all(torch.allclose(change[name], wanted[name], atol=1e-5) for name in wanted)
