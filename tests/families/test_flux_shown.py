"""FLUX.1 that is shown a picture: depth and canny a map, Kontext what it is to change. Its latents are compared in test_flow_against_diffusers.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from modules.engine.image_conditioning import everything_masked, masked_picture
from modules.engine.resolved import ResolvedHires, ResolvedInit, ResolvedInpaint
from modules.families.flux import FLUX_DEV, FLUX_KONTEXT
from modules.library.facts import read_facts
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.schema.errors import CannotLoad
from tests.families.flow_pipelines import MASK, PICTURE, POLICY, SIZE, Ours, files_of

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
