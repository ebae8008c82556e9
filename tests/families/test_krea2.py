"""Krea 2: its two kinds, its text encoder among others, prompts and LoRAs. Its latents are compared in test_flow_against_diffusers.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers.pipelines.krea2.pipeline_krea2 import calculate_shift

from modules.families.krea2 import KREA_2, KREA_2_TURBO
from modules.families.usual import usual_of
from modules.library.facts import read_facts
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.schema.errors import CannotLoad
from tests.families import tiny_flow as tiny
from tests.families.flow_pipelines import POLICY, SCALE, Ours, files_of, folder_of_diffusers, listed, modules_of, reference_latents
from tests.families.lora_changes import layers_changed_by
from tests.loading.test_gguf import write as gguf_file

library: Any = diffusers
NAME, WIDTH = "Krea 2", tiny.WIDTH


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Components:
    file, parts = files_of(NAME, tmp_path_factory.mktemp("krea"))
    return load_checkpoint(file, POLICY, files=parts)


@pytest.mark.parametrize("side", [32, 64, 80, 128])
def test_steps_are_moved_by_the_pictures_size_or_not(side: int) -> None:
    plain = torch.linspace(1, 1 / 8, 8)
    for family, mu in ((KREA_2, calculate_shift(side * side, 256, 6400, 0.5, 1.15)), (KREA_2_TURBO, 1.15)):
        scheduler = library.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=1.0)
        scheduler.set_timesteps(sigmas=plain.tolist(), mu=mu)
        factor = family.shift.at(side * side, 8)
        assert torch.allclose(factor * plain / (1 + (factor - 1) * plain), scheduler.sigmas[:-1], atol=1e-6)


@pytest.mark.parametrize("asked", [{"prompt": "", "negative_prompt": ""}, {"prompt": "cat " * 700, "negative_prompt": "a dog"}], ids=["none", "too long"])
def test_prompts_of_every_length(asked: dict[str, Any], model: Components, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pipeline fills up between the prompt and what follows it, and hides that; here nothing is filled up."""
    ours = Ours(model, monkeypatch, **asked)
    theirs = reference_latents(NAME, ours, guidance_scale=SCALE - 1, **asked)
    assert float((ours.latents - theirs).norm() / theirs.norm()) < 1e-4


@pytest.mark.parametrize(("name", "kind"), [("krea2_turbo_fp8_scaled", KREA_2_TURBO), ("Krea-2-Raw", KREA_2)])
def test_turbo_is_told_by_its_name(name: str, kind: Any, tmp_path: Path) -> None:
    path = files_of(NAME, tmp_path)[0].path.rename(tmp_path / f"{name}.safetensors")
    assert read_facts(path).family_name == kind.name and usual_of(kind, name).steps == (8 if kind is KREA_2_TURBO else 52)


@pytest.mark.parametrize("distilled", [True, False])
def test_a_folder_of_diffusers(distilled: bool, tmp_path: Path) -> None:
    transformer, vae, texts = modules_of(NAME)
    index = {"_class_name": "Krea2Pipeline", "is_distilled": distilled, "text_encoder": ["transformers", "Qwen3VLModel"]}
    loaded = load_checkpoint(folder_of_diffusers(tmp_path / "some model", NAME, {"text_encoder": texts["qwen3vl_4b"].state_dict()}, index), POLICY)
    assert loaded.family is (KREA_2_TURBO if distilled else KREA_2)
    for ours, theirs in ((loaded.unet, transformer), (loaded.vae, vae)):
        assert all(torch.equal(tensor, theirs.state_dict()[key]) for key, tensor in ours.state_dict().items())
    words = texts["qwen3vl_4b"].language_model.state_dict()
    assert all(torch.equal(tensor, words[key]) for key, tensor in loaded.text_encoders[0].module.state_dict().items())


def test_qwen3_and_qwen3_vl_are_not_taken_for_each_other(tmp_path: Path) -> None:
    """Their text parts have the same names and sizes; a GGUF has no part for pictures, and is told by its name."""
    krea, krea_parts = files_of(NAME, tmp_path / "krea")
    image, image_parts = files_of("Z-Image", tmp_path / "z")
    blind = {name: tensor for name, tensor in tiny.text_state("qwen3vl_4b", modules_of(NAME)[2]["qwen3vl_4b"]).items() if "visual." not in name}
    named = listed(tiny.write(tmp_path / "Qwen3-VL-4B-Instruct-Q8_0.safetensors", blind))
    noted = listed(gguf_file(tmp_path / "some.gguf", "qwen3vl", {name.replace("language_model.", ""): tensor for name, tensor in blind.items()}))
    for vl in (krea_parts.text_encoders[0], named, noted):
        both = (*image_parts.text_encoders, vl)
        seeing, plain = (load_checkpoint(file, POLICY, files=replace(parts, text_encoders=both)) for file, parts in ((krea, krea_parts), (image, image_parts)))
        assert [len(each.text_encoders[0].module.layers) for each in (seeing, plain)] == [35, 2]       # type: ignore[arg-type]
    with pytest.raises(CannotLoad, match=r"Qwen3-VL 4B.*qwen3vl_4b_fp8_scaled"):
        load_checkpoint(krea, POLICY, files=replace(krea_parts, text_encoders=image_parts.text_encoders))


@pytest.mark.parametrize(("name", "changed"), [
    ("diffusion_model.blocks.0.attn.wq", "transformer_blocks.0.attn.to_q"), ("lora_unet_blocks_1_attn_gate", "transformer_blocks.1.attn.to_gate"),
    ("transformer.transformer_blocks.1.attn.to_out.0", "transformer_blocks.1.attn.to_out.0"), ("diffusion_model.blocks.0.mlp.down", "transformer_blocks.0.ff.down"),
    ("base_model.model.first", "img_in"), ("diffusion_model.txtfusion.refiner_blocks.0.mlp.gate", "text_fusion.refiner_blocks.0.ff.gate"),
    ("transformer.text_fusion.layerwise_blocks.0.attn.to_k", "text_fusion.layerwise_blocks.0.attn.to_k"), ("diffusion_model.txtfusion.projector", "text_fusion.projector"),
])  # fmt: skip
def test_loras_in_its_makers_names_and_in_diffusers(name: str, changed: str, model: Components, tmp_path: Path) -> None:
    rows, columns = model.unet.get_submodule(changed).weight.shape      # type: ignore[union-attr, misc]
    torch.manual_seed(1)
    up, down = torch.randn(rows, 2), torch.randn(2, columns)
    parts = ("lora_A.weight", "lora_B.weight") if "." in name else ("lora_down.weight", "lora_up.weight")
    change = layers_changed_by({f"{name}.{parts[0]}": down, f"{name}.{parts[1]}": up}, model, tmp_path)
    assert change.keys() == {f"{changed}.weight"} and torch.allclose(change[f"{changed}.weight"], up @ down, atol=1e-4)
