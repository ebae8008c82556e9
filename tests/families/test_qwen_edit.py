"""Qwen-Image-Edit: what its text encoder sees, several pictures, and its versions. One picture's latents are compared in test_flow_against_diffusers.py."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from modules.engine.resolved import ResolvedInit, ResolvedInpaint
from modules.engine.seen_pictures import SeenPictures, scaled_to
from modules.families.family import ModelFamily
from modules.families.qwen_text import QWEN_EDIT, QWEN_EDIT_PLUS, QWEN_IMAGE, SHOWN_IS_CLEAN
from modules.library.facts import read_facts
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.schema.errors import CannotLoad, InvalidValue
from tests.families import tiny_flow as tiny
from tests.families.flow_pipelines import (
    MASK,
    PICTURE,
    POLICY,
    SIZE,
    Ours,
    files_of,
    folder_of_diffusers,
    listed,
    modules_of,
    reference_latents,
    show_small_pictures,
)

NAME = "Qwen-Image-Edit Plus"
OTHER = Image.fromarray(np.random.default_rng(4).integers(0, 256, (40, 90, 3), dtype=np.uint8))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    show_small_pictures(monkeypatch)
    small_further(monkeypatch, QWEN_EDIT_PLUS)


def small_further(patch: pytest.MonkeyPatch, family: ModelFamily) -> None:
    """Pictures beside the first one in the size of the test's pictures instead of a million pixels."""
    assert family.further is not None and family.further.area == 1024 * 1024
    patch.setattr("modules.engine.image_conditioning.scaled_to", lambda size, area, multiple: scaled_to(size, SIZE * SIZE, multiple))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Components:
    file, parts = files_of(NAME, tmp_path_factory.mktemp("edit"))
    return load_checkpoint(file, POLICY, files=parts)


def shown(model: Components, patch: pytest.MonkeyPatch, *pictures: Image.Image, **asked: Any) -> Ours:
    return Ours(model, patch, **{"denoising_strength": 1.0, "init": ResolvedInit(pictures=pictures), **asked})


def apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("size", [(640, 480), (333, 1000), (50, 40), (2000, 100)])
@pytest.mark.parametrize("family", [QWEN_EDIT, QWEN_EDIT_PLUS], ids=lambda family: family.name)
def test_pictures_are_cut_as_the_encoder_was_trained(family: ModelFamily, size: tuple[int, int]) -> None:
    sight = family.text_encoders[0].sight
    assert sight is not None
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    ours = SeenPictures(sight=sight, key="", pictures=(picture,))
    scaled = picture.resize(scaled_to(size, sight.area, 32), Image.Resampling.LANCZOS)
    theirs = Qwen2VLImageProcessorPil(size={"shortest_edge": 56 * 56, "longest_edge": 12845056})(images=[scaled], return_tensors="pt")
    assert torch.equal(ours.grid(), theirs["image_grid_thw"]) and ours.counts == [int(theirs["image_grid_thw"].prod()) // 4]
    assert torch.allclose(ours.patches(), theirs["pixel_values"], atol=1e-5)


def test_several_pictures_are_shown_at_once_each_in_its_own_shape(model: Components, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = shown(model, monkeypatch, PICTURE, OTHER)
    theirs = reference_latents(NAME, ours, image=[PICTURE, OTHER])
    assert apart(ours.latents, theirs) < 1e-4
    assert apart(shown(model, monkeypatch, PICTURE).latents, theirs) > 1e-3


def test_a_batch_of_as_many_pictures_changes_each_by_itself(model: Components, monkeypatch: pytest.MonkeyPatch) -> None:
    """As A1111's API has it."""
    other = OTHER.resize((SIZE, SIZE))
    both = shown(model, monkeypatch, PICTURE, other, batch_size=2)
    seed = both.result.images[1].seed
    assert len(both.result.images) == 2
    assert apart(both.latents[1:], shown(model, monkeypatch, other, seed=seed).latents) < 1e-3
    assert apart(both.latents[1:], shown(model, monkeypatch, PICTURE, seed=seed).latents) > 1e-3


def test_a_model_of_one_picture_refuses_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, parts = files_of("Qwen-Image-Edit", tmp_path, "split")
    with pytest.raises(InvalidValue, match="2 input pictures"):
        shown(load_checkpoint(file, POLICY, files=parts), monkeypatch, PICTURE, OTHER)


@pytest.mark.parametrize("told", ["flag", "name", "folder"])
def test_2511_is_told_that_what_it_is_shown_is_clean(told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transformer, vae, texts = modules_of(NAME)
    clean = type(transformer)(**{name: value for name, value in transformer.config.items() if not name.startswith("_")} | {"zero_cond_t": True})
    clean.load_state_dict(transformer.state_dict())
    monkeypatch.setattr("tests.families.flow_pipelines.modules_of", lambda name: (clean.eval(), vae, texts))
    file, parts = files_of(NAME, tmp_path)
    state, folder = transformer.state_dict(), tmp_path / "some"
    if told == "flag":
        file = listed(tiny.write(tmp_path / "merged.safetensors", state | {SHOWN_IS_CLEAN: torch.empty(0)}))
    elif told == "name":
        file = listed(file.path.rename(tmp_path / "qwen_image_edit_2511_bf16.safetensors"))
    else:
        index = {"_class_name": "QwenImageEditPlusPipeline", "text_encoder": ["transformers", "Qwen2_5_VLForConditionalGeneration"]}
        file = folder_of_diffusers(folder, NAME, {"text_encoder": texts["qwen25_7b"].state_dict()}, index)
        (folder / "transformer" / "config.json").write_text(json.dumps({"zero_cond_t": True}))
    model = load_checkpoint(file, POLICY, files=parts)
    assert model.family is QWEN_EDIT_PLUS and read_facts(file.path).family_name == NAME
    ours = shown(model, monkeypatch, PICTURE)
    assert apart(ours.latents, reference_latents(NAME, ours)) < 2e-5
    plain = load_checkpoint(*files_of(NAME, tmp_path / "plain")[:1], POLICY, files=parts)
    assert apart(shown(plain, monkeypatch, PICTURE).latents, ours.latents) > 3e-4


@pytest.mark.parametrize(("name", "family"), [
    ("qwen_image_edit_fp8_e4m3fn.safetensors", QWEN_EDIT), ("Qwen-Image-Edit-2509-Q4_K_M.gguf", QWEN_EDIT_PLUS), ("qwen_image_edit_2511_bf16.safetensors", QWEN_EDIT_PLUS),
    ("Qwen-Rapid-AIO-v3.safetensors", QWEN_EDIT_PLUS), ("qwen_image_2512_fp8.safetensors", QWEN_IMAGE), ("qwen_image_special_edition.safetensors", QWEN_IMAGE),
])  # fmt: skip
def test_it_is_told_by_its_name(name: str, family: ModelFamily, tmp_path: Path) -> None:
    path = tiny.write(tmp_path / "a.safetensors", modules_of(NAME)[0].state_dict()).rename(tmp_path / f"{Path(name).stem}.safetensors")
    assert read_facts(path).family_name == family.name


def test_without_a_picture_it_draws_as_qwen_image(model: Components, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, parts = files_of("Qwen-Image", tmp_path)
    plain = load_checkpoint(file, POLICY, files=parts)
    assert apart(Ours(model, monkeypatch).latents, Ours(plain, monkeypatch).latents) < 1e-5


def test_less_strength_and_a_mask_keep_what_they_keep_elsewhere(model: Components, monkeypatch: pytest.MonkeyPatch) -> None:
    init = ResolvedInit(pictures=(PICTURE,), inpaint=ResolvedInpaint(mask=MASK, blur_x=0, blur_y=0, fill=1))
    drawn, picture, mask = (np.asarray(each) for each in (shown(model, monkeypatch, init=init).result.images[0].picture, PICTURE, MASK))
    assert np.array_equal(drawn[mask == 0], picture[mask == 0]) and not np.array_equal(drawn[mask > 0], picture[mask > 0])
    weak, whole = shown(model, monkeypatch, PICTURE, denoising_strength=0.5), shown(model, monkeypatch, PICTURE)
    assert len(weak.levels) == len(whole.levels) and apart(weak.latents, whole.latents) > 1e-3


def test_weights_of_words_and_words_that_mean_pictures(model: Components, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is typed is text: the encoder's word for a picture adds none."""
    plain = shown(model, monkeypatch, PICTURE, prompt="a red cat").latents
    assert torch.equal(shown(model, monkeypatch, PICTURE, prompt="a<|image_pad|> red cat").latents, plain)
    assert apart(shown(model, monkeypatch, PICTURE, prompt="a (red:1.5) cat").latents, plain) > 1e-4


def test_a_text_encoder_without_eyes_is_not_enough(tmp_path: Path) -> None:
    file, parts = files_of(NAME, tmp_path)
    blind = {name: tensor for name, tensor in tiny.text_state("qwen25_7b", modules_of(NAME)[2]["qwen25_7b"]).items() if not name.startswith("visual.")}
    encoder = listed(tiny.write(tmp_path / "text_encoder" / "blind.safetensors", blind))
    with pytest.raises(CannotLoad, match=r"no Qwen2.5-VL 7B text encoder with its part for pictures.*qwen_2.5_vl_7b_fp8_scaled.safetensors"):
        load_checkpoint(file, POLICY, files=replace(parts, text_encoders=(encoder,)))
    found = load_checkpoint(file, POLICY, files=replace(parts, text_encoders=(encoder, *parts.text_encoders)))
    assert hasattr(found.text_encoders[0].module, "visual")
