"""What a checkpoint asks for: its card before its family, its name before both when it was trained for few steps."""
from __future__ import annotations

from pathlib import Path

import pytest

from modules.application.checkpoint_wishes import wishes_of
from modules.families.table import FAMILIES
from modules.families.usual import usual_of
from modules.library.card_edit import save_card
from modules.library.model_file import ModelFile


def listed(folder: Path, name: str, family: str | None) -> ModelFile:
    return ModelFile(path=folder / name, name=name, kind="checkpoint", size=1, family_name=family)


@pytest.mark.parametrize(("name", "family", "wanted"), [
    ("flux1-dev.safetensors", "FLUX.1 dev", {"sampler_name": "Euler", "steps": 20, "cfg_scale": 3.5, "width": 1024}),
    ("flux1-schnell.safetensors", "FLUX.1 schnell", {"steps": 4, "cfg_scale": 1.0}),
    ("flux2_dev_fp8mixed.safetensors", "FLUX.2 dev", {"steps": 28, "cfg_scale": 4.0}),
    ("flux-2-klein-4b.safetensors", "FLUX.2 klein 4B", {"steps": 4, "cfg_scale": 1.0, "width": 1024}),
    ("flux-2-klein-base-9b-fp8.safetensors", "FLUX.2 klein 9B", {"sampler_name": "Euler", "scheduler": "Automatic", "steps": 50, "cfg_scale": 4.0}),
    ("NetaYumev35_pretrained_unet.safetensors", "Lumina 2", {"sampler_name": "Euler", "steps": 30, "cfg_scale": 4.0, "width": 1024}),
    ("z_image_turbo_bf16.safetensors", "Z-Image", {"steps": 9, "cfg_scale": 1.0}),
    ("z_image_bf16.safetensors", "Z-Image", {"steps": 30, "cfg_scale": 4.0}),
    ("sdxl_lightning_8step.safetensors", "SDXL", {"sampler_name": "Euler", "scheduler": "SGM Uniform", "steps": 8, "width": 1024}),
    ("sd_xl_turbo_1.0.safetensors", "SDXL", {"steps": 4, "width": 512}),
    ("qwen-image-lightning-4steps.gguf", "Qwen-Image", {"steps": 4, "cfg_scale": 1.0, "width": 1328}),
])
def test_families_and_names_have_their_usual_values(tmp_path: Path, name: str, family: str, wanted: dict[str, object]) -> None:
    found = wishes_of(listed(tmp_path, name, family)).values
    assert {key: found.get(key) for key in wanted} == wanted


def test_the_card_beats_the_family_and_what_is_no_sampler_is_passed_over(tmp_path: Path) -> None:
    model = listed(tmp_path, "flux1-dev.safetensors", "FLUX.1 dev")
    save_card(model.path, {"steps": 33, "sampler_name": "no such sampler", "clip_skip": 2, "scheduler": "karras"})
    found = wishes_of(model)
    assert (found.values["steps"], found.values["sampler_name"], found.values["clip_skip"], found.values["scheduler"]) == (33, "Euler", 2, "Karras")
    assert set(found.written) == {"steps", "clip_skip", "scheduler"}


def test_the_others_ask_for_nothing(tmp_path: Path) -> None:
    for family in ("SD1", "SDXL", None):
        assert wishes_of(listed(tmp_path, "dreamy.safetensors", family)).values == {}
    assert all(usual_of(family, "x").steps for family in FAMILIES if family.runs and family.is_flow)
