"""FLUX.1 that is shown a picture: depth and canny a map, Kontext what it is to change. Its latents are compared in test_flow_against_diffusers.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from modules.engine.image_conditioning import everything_masked, masked_picture
from modules.engine.resolved import ResolvedHires, ResolvedInit, ResolvedInpaint
from modules.families.flux import FLUX_DEV, FLUX_KONTEXT
from modules.library.facts import read_facts
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.loading.lora import LoraShelf
from modules.schema.errors import CannotLoad
from tests.families import tiny_flow as tiny
from tests.families.flow_pipelines import MASK, PICTURE, POLICY, PROMPT, SIZE, Ours, files_of, listed, modules_of, reference_latents

CONTROL, KONTEXT = "FLUX.1 depth or canny", "FLUX.1 Kontext"
_FEW = np.random.default_rng(5).integers(0, 256, (4, 4), dtype=np.uint8)
_FEW[0, 0], _FEW[0, 1] = 0, 255
LEVELS = _FEW.repeat(SIZE // 4, axis=0).repeat(SIZE // 4, axis=1)
MAPS = {"8 bits": Image.fromarray(LEVELS), "16 bits": Image.fromarray(LEVELS.astype(np.uint16) * 200), "larger": Image.fromarray(LEVELS).resize((SIZE * 2, SIZE * 2), Image.Resampling.NEAREST)}


def loaded(name: str, folder: Path) -> Components:
    file, parts = files_of(name, folder)
    return load_checkpoint(file, POLICY, files=parts)


@pytest.mark.parametrize("kind", MAPS)
def test_a_map_beside_the_picture_is_what_the_model_is_shown(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded(CONTROL, tmp_path)
    alone = Ours(model, monkeypatch, denoising_strength=1.0, init=ResolvedInit(pictures=(Image.fromarray(LEVELS).convert("RGB"),)))
    beside = Ours(model, monkeypatch, denoising_strength=1.0, init=ResolvedInit(pictures=(PICTURE,), depth_map=MAPS[kind]))
    other = Ours(model, monkeypatch, denoising_strength=1.0, init=ResolvedInit(pictures=(PICTURE,)))
    difference, whole = (float((each.latents - alone.latents).norm()) for each in (beside, other))
    assert difference < 0.2 * whole


def control_lora() -> dict[str, Tensor]:
    """As FLUX.1's makers publish depth and canny: pairs with a bias, for the first layer as wide as that of their models, and norms as they are to be."""
    torch.manual_seed(1)
    pairs = {"img_in": (64, 128), "double_blocks.0.img_attn.qkv": (192, 64), "single_blocks.0.linear2": (64, 320)}
    lora = {f"{name}.lora_{side}.weight": torch.randn(*size) * 0.2 for name, (rows, columns) in pairs.items() for side, size in (("B", (rows, 4)), ("A", (4, columns)))}
    return lora | {"img_in.lora_B.bias": torch.randn(64) * 0.2, "double_blocks.0.img_attn.norm.query_norm.scale": torch.rand(32) + 0.5}


def test_depth_and_canny_as_loras_show_dev_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held against the pipeline of such models over dev's weights with the LoRA's added by hand."""
    model, lora = loaded("FLUX.1 dev", tmp_path), control_lora()
    shelf = LoraShelf(lambda: [listed(tiny.write(tmp_path / "flux1-depth-dev-lora.safetensors", lora))])
    asked: dict[str, Any] = {"prompt": f"{PROMPT}<lora:flux1-depth-dev-lora:1>", "loras": shelf, "init": ResolvedInit(pictures=(PICTURE,)), "denoising_strength": 1.0}
    before, ours = Ours(model, monkeypatch), Ours(model, monkeypatch, **asked)
    assert not ours.result.comments
    dev, vae, texts = modules_of("FLUX.1 dev")
    state, delta = dict(dev.state_dict()), {name: lora[f"{name}.lora_B.weight"] @ lora[f"{name}.lora_A.weight"] for name in ("img_in", "double_blocks.0.img_attn.qkv", "single_blocks.0.linear2")}
    state["x_embedder.weight"] = torch.nn.functional.pad(state["x_embedder.weight"], (0, 64)) + delta["img_in"]
    state["x_embedder.bias"] = state["x_embedder.bias"] + lora["img_in.lora_B.bias"]
    state["single_transformer_blocks.0.proj_out.weight"] = state["single_transformer_blocks.0.proj_out.weight"] + delta["single_blocks.0.linear2"]
    state["transformer_blocks.0.attn.norm_q.weight"] = lora["double_blocks.0.img_attn.norm.query_norm.scale"]
    for part, rows in zip("qkv", delta["double_blocks.0.img_attn.qkv"].chunk(3)):
        state[f"transformer_blocks.0.attn.to_{part}.weight"] = state[f"transformer_blocks.0.attn.to_{part}.weight"] + rows
    wide = tiny.transformer_of(CONTROL)
    wide.load_state_dict(state)
    monkeypatch.setattr("tests.families.flow_pipelines.modules_of", lambda name: (wide, vae, texts))
    theirs = reference_latents(CONTROL, ours)
    assert float((ours.latents - theirs).norm() / theirs.norm()) < 1e-4
    other = Ours(model, monkeypatch, **asked | {"init": ResolvedInit(pictures=(Image.fromarray(LEVELS).convert("RGB"),))})
    assert float((other.latents - theirs).norm() / theirs.norm()) > 1e-3
    Ours(model, monkeypatch, prompt=asked["prompt"], loras=shelf)       # without a picture it is shown black
    assert torch.equal(Ours(model, monkeypatch).latents, before.latents) and model.unet.x_embedder.weight.shape == (64, 64)      # type: ignore[union-attr]


def test_without_a_picture_a_map_is_black_and_kontext_draws_as_dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded(CONTROL, tmp_path)
    nothing = everything_masked(model, 2, SIZE, SIZE, seed=1)
    assert nothing is not None and nothing.shape == (2, 16, 8, 8)
    black = Ours(model, monkeypatch, denoising_strength=1.0, init=ResolvedInit(pictures=(Image.new("RGB", (SIZE, SIZE)),)))
    assert torch.allclose(Ours(model, monkeypatch).latents, black.latents, atol=1e-3)
    kontext, dev = loaded(KONTEXT, tmp_path / "kontext"), loaded("FLUX.1 dev", tmp_path / "dev")
    hires = ResolvedHires(enabled=True, scale=1.5, upscaler="Latent")
    assert torch.equal(Ours(kontext, monkeypatch, hires=hires, denoising_strength=0.8).latents, Ours(dev, monkeypatch, hires=hires, denoising_strength=0.8).latents)


def test_kontext_sees_the_whole_picture_also_where_it_paints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, pixels = loaded(KONTEXT, tmp_path), torch.rand(1, 3, SIZE, SIZE)
    latents = torch.zeros(1, 16, 8, 8)
    shown = masked_picture(model, pixels, latents, MASK, rounded=True, weight=1.0, seed=1)
    assert shown is not None and torch.equal(shown, masked_picture(model, pixels, latents, None, rounded=True, weight=1.0, seed=1))     # type: ignore[arg-type]
    kept = Ours(model, monkeypatch, denoising_strength=1.0, init=ResolvedInit(pictures=(PICTURE,), inpaint=ResolvedInpaint(mask=MASK, blur_x=0, blur_y=0, fill=1)))
    drawn, picture, mask = (np.asarray(each) for each in (kept.result.images[0].picture, PICTURE, MASK))
    assert np.array_equal(drawn[mask == 0], picture[mask == 0]) and not np.array_equal(drawn[mask > 0], picture[mask > 0])


@pytest.mark.parametrize("name", ["flux1-dev-kontext_fp8_scaled.safetensors", "FLUX.1-Kontext-dev.safetensors", "flux1-dev.safetensors"])
def test_kontext_is_told_by_its_name(name: str, tmp_path: Path) -> None:
    file, parts = files_of("FLUX.1 dev", tmp_path)
    path = file.path.rename(file.path.with_name(name))
    wanted = FLUX_KONTEXT if "kontext" in name.casefold() else FLUX_DEV
    assert read_facts(path).family_name == wanted.name and load_checkpoint(type(file)(path=path, name=name, kind="checkpoint", size=1), POLICY, files=parts).family is wanted


def test_a_part_whose_download_broke_off_is_named_where_it_is_missed(tmp_path: Path) -> None:
    file, parts = files_of(KONTEXT, tmp_path)
    cut = next(each for each in parts.text_encoders if each.name.startswith("t5xxl"))
    with cut.path.open("r+b") as opened:
        opened.truncate(cut.size // 2)
    with pytest.raises(CannotLoad, match=r"no T5-XXL text encoder.*t5xxl_fp16.safetensors lies there, but is damaged.*Download what is damaged once more"):
        load_checkpoint(file, POLICY, files=parts)
