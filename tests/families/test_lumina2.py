"""Lumina 2: its text encoder's own tokenizer, and LoRAs on queries with more heads than keys. Its latents are compared in test_flow_against_diffusers.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from modules.families.qwen_text import QWEN3_4B
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.loading.language_model import width_of
from modules.loading.parts import PartFiles
from modules.schema.errors import CannotLoad
from tests.families import tiny_flow as tiny
from tests.families.flow_pipelines import POLICY, files_of, folder_of_diffusers, listed, modules_of
from tests.families.lora_changes import assert_adds_to

NAME = "Lumina 2"
WIDTH = tiny.LUMINA_WIDTH


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Components:
    file, parts = files_of(NAME, tmp_path_factory.mktemp("lumina"), "split")
    return load_checkpoint(file, POLICY, files=parts)


def test_split_files_and_a_folder_of_diffusers_are_the_same_model(model: Components, tmp_path: Path) -> None:
    transformer, vae, texts = modules_of(NAME)
    folder = tmp_path / "some model"
    folder_of_diffusers(folder, NAME, {"text_encoder": texts["gemma2_2b"].state_dict()}, {"_class_name": "Lumina2Pipeline", "text_encoder": ["transformers", "Gemma2Model"]})
    with pytest.raises(CannotLoad, match=r"without its tokenizer.*gemma_2_2b_fp16"):
        load_checkpoint(listed(folder), POLICY)
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "tokenizer.model").write_bytes(tiny.gemma_tokenizer())
    for loaded in (model, load_checkpoint(listed(folder), POLICY)):
        assert loaded.family.name == NAME and loaded.text_encoders[0].tokenizer.encode("a cat").ids
        for ours, theirs in ((loaded.unet, transformer), (loaded.vae, vae), (loaded.text_encoders[0].module, texts["gemma2_2b"])):
            assert all(torch.equal(tensor, theirs.state_dict()[key]) for key, tensor in ours.state_dict().items())


def test_a_text_encoder_without_a_tokenizer_is_refused_with_the_file_to_get(tmp_path: Path) -> None:
    file, parts = files_of(NAME, tmp_path, "split")
    state = tiny.text_state("gemma2_2b", modules_of(NAME)[2]["gemma2_2b"])
    damaged = state | {"spiece_model": state["spiece_model"][:5000]}
    del state["spiece_model"]
    for own, words in ((state, r"without its tokenizer.*gemma_2_2b_fp16"), (damaged, "tokenizer of its Gemma 2 2B text encoder cannot be read: it is damaged")):
        encoder = listed(tiny.write(tmp_path / "text_encoder" / "other.safetensors", own))
        with pytest.raises(CannotLoad, match=words):
            load_checkpoint(file, POLICY, files=PartFiles(text_encoders=(encoder,), vaes=parts.vaes))
    with pytest.raises(CannotLoad, match=r"Gemma 2 2B text encoder.*gemma_2_2b_fp16\.safetensors.*ae\.safetensors"):
        load_checkpoint(file, POLICY)


def test_gemma_and_qwen_of_one_width_are_told_apart() -> None:
    shapes = {"model.embed_tokens.weight": (10, 2560), "model.layers.0.self_attn.q_norm.weight": (128,)}
    assert (width_of("qwen", shapes, ""), width_of("gemma", shapes, "")) == (2560, 0) and QWEN3_4B.kind == "qwen"
    shapes["model.layers.0.pre_feedforward_layernorm.weight"] = (2560,)
    assert (width_of("qwen", shapes, ""), width_of("gemma", shapes, "")) == (0, 2560)


@pytest.mark.parametrize(("key", "rows", "layers"), [
    ("lora_unet_layers_0_attention_qkv", 2 * WIDTH, [f"layers.0.attn.to_{part}.weight" for part in "qkv"]),
    ("diffusion_model.context_refiner.0.attention.out", WIDTH, ["context_refiner.0.attn.to_out.0.weight"]),
    ("lora_unet_layers_1_feed_forward_w1", 4 * WIDTH, ["layers.1.feed_forward.linear_1.weight"]),
    ("transformer.noise_refiner.0.attn.to_k", WIDTH // 2, ["noise_refiner.0.attn.to_k.weight"]),
    ("lora_unet_layers_0_adaLN_modulation_1", 4 * WIDTH, ["layers.0.norm1.linear.weight"]),
])  # fmt: skip
def test_loras_in_the_names_of_each_trainer(model: Components, tmp_path: Path, key: str, rows: int, layers: list[str]) -> None:
    assert_adds_to(layers, key, rows, WIDTH, model, tmp_path)
