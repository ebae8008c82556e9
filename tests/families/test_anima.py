"""Anima: its prompts and LoRAs. Its latents are compared in test_flow_against_diffusers.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from modules.library.facts import read_facts
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.schema.errors import CannotLoad
from tests.families import tiny_flow as tiny
from tests.families.flow_pipelines import POLICY, Ours, files_of, listed, modules_of, reference_latents
from tests.families.lora_changes import layers_changed_by
from tests.loading.test_gguf import write as gguf_file

NAME, WIDTH = "Anima", tiny.QWEN_WIDTH
UP, DOWN = torch.randn(WIDTH, 4, generator=torch.Generator().manual_seed(1)), torch.randn(4, WIDTH, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Components:
    file, parts = files_of(NAME, tmp_path_factory.mktemp("anima"))
    return load_checkpoint(file, POLICY, files=parts)


def apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("asked", [
    {"prompt": "a red cat", "negative_prompt": ""}, {"prompt": "", "negative_prompt": "blurry"}, {"prompt": "cat " * 600, "negative_prompt": "dog, " * 40},
], ids=["no negative prompt", "no prompt", "too long"])  # fmt: skip
def test_prompts_of_every_length(asked: dict[str, Any], model: Components, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Ours(model, monkeypatch, **asked)
    assert apart(ours.latents, reference_latents(NAME, ours, **asked)) < 1e-4
    assert any("too long" in each for each in ours.result.comments) == (len(asked["prompt"]) > 2000)


def test_weights_of_words_act_on_what_the_denoiser_reads(model: Components, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, weighted, same = (Ours(model, monkeypatch, prompt=prompt).latents for prompt in ("a red cat", "a (red:1.5) cat", "a (red:1.0) cat"))
    assert apart(weighted, plain) > 1e-4 and torch.equal(same, plain)


def test_the_parts_that_it_lacks_are_named(tmp_path: Path) -> None:
    file, _ = files_of(NAME, tmp_path)
    assert read_facts(file.path).family_name == NAME
    with pytest.raises(CannotLoad, match=r"Qwen3 0\.6B text encoder.*qwen_3_06b_base\.safetensors.*qwen_image_vae\.safetensors"):
        load_checkpoint(file, POLICY)


def test_as_one_file_and_as_gguf(model: Components, tmp_path: Path) -> None:
    whole = load_checkpoint(files_of(NAME, tmp_path, "whole")[0], POLICY)
    _, parts = files_of(NAME, tmp_path / "split")
    original = {name.removeprefix("net."): tensor for name, tensor in tiny.original_transformer(NAME, modules_of(NAME)[0].state_dict()).items() if tensor.ndim > 1 or "norm" in name}
    adapter = {f"llm_adapter.{name}": tensor for name, tensor in tiny.adapter_of_anima().state_dict().items()}
    packed = load_checkpoint(listed(gguf_file(tmp_path / "anima-Q8_0.gguf", "cosmos", original | adapter)), POLICY, files=parts)
    for other, off in ((whole, 0.0), (packed, 0.02)):
        for ours, theirs in ((model.unet, other.unet), (model.text_encoders[0].module, other.text_encoders[0].module)):
            state = theirs.state_dict()
            assert all(torch.allclose(tensor, state[name], atol=off) for name, tensor in ours.state_dict().items() if tensor.ndim > 1)


@pytest.mark.parametrize(("name", "changed"), [
    ("lora_unet_blocks_0_self_attn_q_proj", "transformer_blocks.0.attn1.to_q.weight"), ("diffusion_model.blocks.1.cross_attn.output_proj", "transformer_blocks.1.attn2.to_out.0.weight"),
    ("transformer.transformer_blocks.0.attn1.to_k", "transformer_blocks.0.attn1.to_k.weight"), ("lora_te_layers_0_self_attn_o_proj", "layers.0.self_attn.o_proj.weight"),
    ("diffusion_model.llm_adapter.blocks.0.cross_attn.k_proj", "llm_adapter.blocks.0.cross_attn.k_proj.weight"),
    ("lora_unet_llm_adapter_blocks_1_self_attn_q_proj", "llm_adapter.blocks.1.self_attn.q_proj.weight"),
    ("text_conditioner.blocks.0.cross_attn.v_proj", "llm_adapter.blocks.0.cross_attn.v_proj.weight"),
])  # fmt: skip
def test_loras_in_kohyas_names_and_in_diffusers(name: str, changed: str, model: Components, tmp_path: Path) -> None:
    parts = ("lora_A.weight", "lora_B.weight") if "." in name else ("lora_down.weight", "lora_up.weight")
    change = layers_changed_by({f"{name}.{parts[0]}": DOWN, f"{name}.{parts[1]}": UP}, model, tmp_path, skipped=0)
    assert change.keys() == {changed} and torch.allclose(change[changed], UP @ DOWN, atol=1e-4)
