"""The export is a Stable Diffusion 1 file: names, sizes, scale."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from modules.starter.architecture import (
    LATENT_CHANNELS,
    LATENT_SCALE,
    TEXT_WIDTH,
    build_text_encoder,
    build_unet,
    build_vae,
    decode,
    encode,
)
from modules.starter.captions import COLOUR_WORDS, OBJECT_WORDS
from modules.starter.drawing import COLOUR_NAMES, OBJECTS, PICTURE_SIZE, STYLES
from modules.starter.export import CHECKPOINT, LARGEST_BYTES, card, export_checkpoint
from modules.starter.latents import whiten_latents
from modules.starter.original_layout import original_tensors

LANDMARKS = {
    "model.diffusion_model.input_blocks.0.0.weight": (64, LATENT_CHANNELS, 3, 3),
    "model.diffusion_model.time_embed.0.weight": (256, 64),
    "model.diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight": (128, TEXT_WIDTH),
    "model.diffusion_model.out.2.weight": (LATENT_CHANNELS, 64, 3, 3),
    "first_stage_model.quant_conv.weight": (2 * LATENT_CHANNELS, 2 * LATENT_CHANNELS, 1, 1),
    "first_stage_model.decoder.mid.attn_1.q.weight": (96, 96, 1, 1),
    "first_stage_model.decoder.up.3.block.1.conv2.weight": (96, 96, 3, 3),
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (49408, TEXT_WIDTH),
    "cond_stage_model.transformer.text_model.final_layer_norm.weight": (TEXT_WIDTH,),
}


def test_export_writes_the_original_names_in_half_precision(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    export_checkpoint(build_unet(), build_vae(), build_text_encoder(), path)
    _check_file(path)


@pytest.mark.skipif(not CHECKPOINT.exists(), reason=f"{CHECKPOINT.name} is not in models/Stable-diffusion")
def test_the_shipped_checkpoint_is_of_this_architecture() -> None:
    _check_file(CHECKPOINT)
    shapes = {name: tuple(t.shape) for name, t in original_tensors(build_unet(), build_vae(), build_text_encoder()).items()}
    with safe_open(CHECKPOINT, "pt") as file:
        assert {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()} == shapes  # noqa: SIM118


def _check_file(path: Path) -> None:
    assert path.stat().st_size <= LARGEST_BYTES
    with safe_open(path, "pt") as file:
        names = set(file.keys())
        for name, shape in LANDMARKS.items():
            assert tuple(file.get_slice(name).get_shape()) == shape
        assert all(file.get_slice(name).get_dtype() == "F16" for name in names)
        metadata = file.metadata()
    assert not any("_blocks.0.resnets" in name or "mid_block" in name for name in names), "a name of diffusers is left"
    assert metadata["modelspec.resolution"] == f"{PICTURE_SIZE}x{PICTURE_SIZE}"
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1"
    assert all(metadata[f"modelspec.{key}"] for key in ("title", "license", "description"))


@pytest.mark.skipif(not CHECKPOINT.exists(), reason=f"{CHECKPOINT.name} is not in models/Stable-diffusion")
def test_the_shipped_card_names_what_the_drawing_tables_hold() -> None:
    shipped = json.loads(CHECKPOINT.with_suffix(".json").read_text(encoding="utf-8"))
    assert shipped == json.loads(json.dumps(card()))
    assert tuple(shipped["objects"]) == OBJECTS and tuple(shipped["colours"]) == COLOUR_NAMES and tuple(shipped["styles"]) == STYLES
    assert set(shipped["words"]) == {*OBJECT_WORDS, *COLOUR_WORDS}


def test_scaled_latents_are_white_and_decode_as_before() -> None:
    torch.manual_seed(0)
    vae = build_vae().eval()
    pictures = torch.rand(12, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        before = decode(vae, encode(vae, pictures).mean)
        whiten_latents(vae, pictures)
        means = encode(vae, pictures).mean
        after = decode(vae, means)
    latents = (LATENT_SCALE * means).transpose(0, 1).flatten(1)
    assert torch.allclose(latents.mean(dim=1), torch.zeros(LATENT_CHANNELS), atol=1e-3)
    assert torch.allclose(torch.cov(latents), torch.eye(LATENT_CHANNELS), atol=1e-2)
    assert torch.allclose(before, after, atol=1e-3)
