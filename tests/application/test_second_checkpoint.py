"""Refiner and hires checkpoint through the whole application: models come and go by the settings, and pictures say what drew them."""
from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from modules.application.build import build_app
from modules.application.generation import generate_blocking
from modules.schema.flags import parse_flags
from modules.schema.infotext_read import parse_infotext
from modules.schema.request import Txt2ImgRequest
from tests.golden.cases import data_dir

pytestmark = pytest.mark.golden
REFINED = {
    "prompt": "a cat<lora:tiny-lora:1>", "steps": 4, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler", "n_iter": 2, "denoising_strength": 0.7,
    "refiner_checkpoint": "other", "refiner_switch_at": 0.6, "enable_hr": True, "hr_upscaler": "Latent", "hr_scale": 1.5, "hr_checkpoint_name": "other",
}  # fmt: skip


@pytest.mark.long
def test_models_are_exchanged_within_the_memory_of_one_and_the_pictures_are_the_same(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    shutil.copytree(data_dir() / "models", tmp_path / "models")
    checkpoints = tmp_path / "models" / "Stable-diffusion"
    own = next(path for path in checkpoints.iterdir() if path.name == "sd15-tiny.safetensors")
    changed = {name: tensor * (1.2 if "middle_block" in name else 1) for name, tensor in load_file(own).items()}
    save_file({name: tensor.contiguous() for name, tensor in changed.items()}, checkpoints / "other.safetensors")
    shutil.copyfile(own.with_suffix(".yaml"), checkpoints / "other.yaml")
    app = build_app(parse_flags(["--data-dir", str(tmp_path), "--no-half", "--ckpt", str(own)], {}).flags)
    try:
        pictures = {}
        for keep in (1, 2):
            settings = {"sd_checkpoints_limit": keep, "hires_fix_refiner_pass": "first pass"}
            outcome = generate_blocking(app, Txt2ImgRequest.from_flat({**REFINED, "override_settings": settings}))
            pictures[keep] = [np.asarray(image.picture) for image in outcome.images]
            assert len(app.checkpoints.kept) == keep and outcome.comments == ()
        assert all((one == two).all() for one, two in zip(pictures[1], pictures[2]))
        texts = parse_infotext(outcome.images[1].infotext)
        title = f"other [{app.catalogue.find_checkpoint('other').short_hash}]"
        assert (texts["Refiner"], texts["Refiner switch at"], texts["Hires refiner"], texts["Hires checkpoint"]) == (title, "0.6", "first pass", title)
        assert texts["Model"] == "sd15-tiny"
        again = generate_blocking(app, Txt2ImgRequest.from_flat({**REFINED, "refiner_checkpoint": texts["Refiner"], "hr_checkpoint_name": texts["Hires checkpoint"],
                                                                 "override_settings": {"hires_fix_refiner_pass": "first pass"}}))
        assert (np.asarray(again.images[0].picture) == pictures[1][0]).all()
    finally:
        app.close()
