"""The first pictures that must be A1111's: the acceptance cases of the plain samplers, latents and pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from modules.compute.hardware import Hardware
from modules.compute.policy import policy_from_flags
from modules.engine.generate import generate
from modules.engine.hooks import BatchPlan, NullHooks
from modules.engine.resolved import ResolvedRequest, SamplingOptions
from modules.library.model_file import ModelFile
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.schema.flags import parse_flags
from tests.golden.cases import case, checkpoint_path

POLICY = policy_from_flags(parse_flags([], {}).flags, Hardware(kind="cpu", name="cpu", memory_bytes=8 << 30, cpu_count=1, reason="test"))
CASES = ("prompt-plain", "sampler-euler", "sampler-euler-a", "sampler-dpmpp-2m", "scheduler-karras-euler")


@pytest.fixture(scope="module")
def components() -> Iterator[Components]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load_checkpoint(ModelFile(path=checkpoint_path(), name="sd15-tiny.safetensors", kind="checkpoint"), POLICY)
    torch.set_num_threads(threads)


class Latents(NullHooks):
    """Keeps what goes into the decoder."""

    kept: Tensor

    def latents_ready(self, plan: BatchPlan, latents: Tensor) -> Tensor:
        self.kept = latents
        return latents


@pytest.mark.golden
@pytest.mark.parametrize("name", CASES)
def test_the_picture_is_a1111s(name: str, components: Components) -> None:
    golden, hooks = case(name), Latents()
    asked = golden.request
    request = ResolvedRequest(
        prompt=asked["prompt"], negative_prompt=asked["negative_prompt"], width=asked["width"], height=asked["height"], steps=asked["steps"],
        guidance_scale=asked["cfg_scale"], sampler_name=asked["sampler_name"], schedule_name=asked["scheduler"], seed=asked["seed"],
        options=SamplingOptions(noise_source="CPU"),
    )
    (image,) = generate(request, components, policy=POLICY, hooks=hooks).images
    latent = golden.arrays["latent"]
    assert np.abs(hooks.kept.numpy() - latent).max() <= 1e-3 * np.abs(latent).max()
    (expected,) = golden.images()
    error = float(((np.asarray(image.picture, float) - np.asarray(expected.convert("RGB"), float)) ** 2).mean())
    assert 20 * math.log10(255 / math.sqrt(max(error, 1e-12))) >= 60
