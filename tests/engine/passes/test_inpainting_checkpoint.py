"""A checkpoint with five more input channels: as long as they weigh nothing, it must draw the plain checkpoint's picture."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from modules.engine.generate import generate
from modules.engine.hooks import DenoiserCall, NullHooks
from modules.engine.resolved import PreviewOptions, ResolvedHires, ResolvedInit, ResolvedInpaint, ResolvedRequest, SamplingOptions
from modules.library.model_file import ModelFile
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from tests.golden.cases import checkpoint_path
from tests.golden.stages import components, policy

pytestmark = pytest.mark.golden
FIRST = "model.diffusion_model.input_blocks.0.0.weight"
REQUEST = ResolvedRequest(
    prompt="a cat AND snow :0.5", width=64, height=64, steps=2, seed=5, batch_size=2, sampler_name="Euler", denoising_strength=0.6,
    options=SamplingOptions(noise_source="CPU"), preview=PreviewOptions(every_steps=0),
)
PICTURE = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
MASK = Image.radial_gradient("L").resize((64, 64))


@pytest.fixture(scope="module")
def inpainting(tmp_path_factory: pytest.TempPathFactory) -> Components:
    plain, folder = checkpoint_path(), tmp_path_factory.mktemp("inpainting")
    tensors = load_file(plain)
    tensors[FIRST] = torch.cat([tensors[FIRST], torch.zeros(tensors[FIRST].shape[0], 5, 3, 3)], dim=1)
    path = folder / "inpainting.safetensors"
    save_file(tensors, path)
    shutil.copyfile(plain.with_suffix(".yaml"), path.with_suffix(".yaml"))
    shutil.copytree(plain.parent / "clip-tiny", folder / "clip-tiny")
    return load_checkpoint(ModelFile(path=Path(path), name=path.name, kind="checkpoint", size=path.stat().st_size), policy())


class Watch(NullHooks):
    def __init__(self) -> None:
        self.calls: list[DenoiserCall] = []

    def denoiser_input(self, call: DenoiserCall) -> DenoiserCall:
        self.calls.append(call)
        return call


@pytest.mark.parametrize(
    "request_",
    [
        REQUEST,
        replace(REQUEST, hires=ResolvedHires(enabled=True, upscaler="Lanczos", scale=1.5)),
        replace(REQUEST, init=ResolvedInit(pictures=(PICTURE,), inpaint=ResolvedInpaint(mask=MASK, fill=1))),
        replace(REQUEST, init=ResolvedInit(pictures=(PICTURE,), inpaint=ResolvedInpaint(mask=MASK, fill=1, only_masked=True))),
        replace(REQUEST, init=ResolvedInit(pictures=(PICTURE,))),
    ],
    ids=["txt2img", "hires", "inpaint", "only masked", "img2img"],
)
def test_channels_without_weight_change_nothing(request_: ResolvedRequest, inpainting: Components) -> None:
    watch = Watch()
    ours = generate(request_, inpainting, policy=policy(), hooks=watch)
    plain = generate(request_, components(), policy=policy())
    for one, other in zip(ours.images, plain.images, strict=True):
        assert np.abs(np.asarray(one.picture).astype(int) - np.asarray(other.picture)).max() <= 1
    for call in watch.calls:                        # two AND parts and one uncond row for each of two images
        assert call.image_cond is not None
        assert len(call.x) == 6 and call.image_cond.shape == (6, 5, *call.x.shape[2:])


def test_channels_with_weight_do_change_the_picture(inpainting: Components) -> None:
    weight = inpainting.unet.conv_in.weight
    request = replace(REQUEST, init=ResolvedInit(pictures=(PICTURE,), inpaint=ResolvedInpaint(mask=MASK, fill=1)))
    before = np.asarray(generate(request, inpainting, policy=policy()).images[0].picture).astype(int)
    with torch.no_grad():
        weight[:, 4:] += 0.1
        try:
            after = np.asarray(generate(request, inpainting, policy=policy()).images[0].picture).astype(int)
        finally:
            weight[:, 4:] = 0
    assert np.abs(after - before).max() > 3
