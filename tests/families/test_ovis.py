"""Ovis-Image: the names that its files go by, prompts and LoRAs. Its latents are compared in test_flow_against_diffusers.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from modules.families.ovis import OVIS_IMAGE
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.loading.parts import PartFiles
from modules.schema.errors import CannotLoad
from tests.families import tiny_flow as tiny
from tests.families.flow_pipelines import POLICY, Ours, files_of, folder_of_diffusers, listed, modules_of, reference_latents
from tests.families.lora_changes import assert_adds_to

NAME, WIDTH = "Ovis-Image", tiny.WIDTH


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Components:
    file, parts = files_of(NAME, tmp_path_factory.mktemp("ovis"))
    return load_checkpoint(file, POLICY, files=parts)


@pytest.mark.parametrize("form", ["its makers'", "diffusers", "folder", "whole"])
def test_it_is_the_same_by_every_name(form: str, model: Components, tmp_path: Path) -> None:
    transformer, _, texts = modules_of(NAME)
    file, parts = files_of(NAME, tmp_path, form if form in ("diffusers", "whole") else "")
    if form == "its makers'":       # ComfyUI renamed two
        own = {name.replace("txt_norm", "semantic_txt_norm").replace("txt_in.", "semantic_txt_in."): tensor
               for name, tensor in tiny.original_transformer(NAME, transformer.state_dict()).items()}  # fmt: skip
        file = listed(tiny.write(tmp_path / "ovis_image.safetensors", {name.replace("_norm.scale", "_norm.weight"): tensor for name, tensor in own.items()}))
    elif form == "folder":
        folder = tmp_path / "some"
        index = {"_class_name": "OvisImagePipeline", "text_encoder": ["transformers", "Qwen3Model"]}
        file, parts = folder_of_diffusers(folder, NAME, {"text_encoder": texts["qwen3_2b"].state_dict()}, index), PartFiles()
        (folder / "text_encoder" / "config.json").write_text(json.dumps({"hidden_size": 2048}))
    found = load_checkpoint(file, POLICY, files=parts)
    assert found.family is OVIS_IMAGE
    for ours, theirs in ((found.unet, model.unet), (found.text_encoders[0].module, model.text_encoders[0].module)):
        state = theirs.state_dict()
        assert all(torch.equal(tensor, state[name]) for name, tensor in ours.state_dict().items())


@pytest.mark.parametrize("asked", [{"prompt": "", "negative_prompt": ""}, {"prompt": " ".join(["cat"] * 150), "negative_prompt": "a dog"}], ids=["none", "long"])
def test_prompts_of_every_length(asked: dict[str, Any], model: Components, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Ours(model, monkeypatch, **asked)
    theirs = reference_latents(NAME, ours, **asked)
    assert float((ours.latents - theirs).norm() / theirs.norm()) < 1e-4


def test_what_it_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotLoad, match=r"Ovis2\.5 2B text encoder.*ovis_2\.5\.safetensors.*ae\.safetensors"):
        load_checkpoint(files_of(NAME, tmp_path)[0], POLICY)


@pytest.mark.parametrize(("half", "said"), [(None, "transformer is incomplete.*img_mlp.up_proj"), (torch.zeros(WIDTH, WIDTH), "img_mlp.up_proj.weight' is")])
def test_a_gated_layer_of_which_a_half_is_missing_is_named(half: torch.Tensor | None, said: str, tmp_path: Path) -> None:
    transformer, _, _ = modules_of(NAME)
    own = tiny.original_transformer(NAME, transformer.state_dict())
    del own["double_blocks.0.img_mlp.up_proj.weight"]
    own |= {} if half is None else {"double_blocks.0.img_mlp.up_proj.weight": half}
    _, parts = files_of(NAME, tmp_path)
    with pytest.raises(CannotLoad, match=said):
        load_checkpoint(listed(tiny.write(tmp_path / "ovis_broken.safetensors", own)), POLICY, files=parts)


@pytest.mark.parametrize(("key", "layers", "rows", "columns"), [
    ("lora_unet_double_blocks_0_img_attn_qkv", [f"transformer_blocks.0.attn.to_{part}.weight" for part in "qkv"], 3 * WIDTH, WIDTH),
    ("transformer.single_transformer_blocks.1.proj_out", ["single_transformer_blocks.1.proj_out.weight"], WIDTH, 5 * WIDTH),
    ("diffusion_model.single_blocks.0.linear2", ["single_transformer_blocks.0.proj_out.weight"], WIDTH, 5 * WIDTH),
    ("transformer.transformer_blocks.0.ff.net.0.proj", ["transformer_blocks.0.ff.net.0.proj.weight"], 8 * WIDTH, WIDTH),
])  # fmt: skip
def test_loras(key: str, layers: list[str], rows: int, columns: int, model: Components, tmp_path: Path) -> None:
    assert_adds_to(layers, key, rows, columns, model, tmp_path)
