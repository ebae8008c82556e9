"""Pictures drawn on a device that is not the CPU and has no float64, as a Mac's: nothing is left behind on the CPU, and no step waits for the device.

Run by test_pretend_device.py, or by itself: python -m pytest tests/compute/pretended.py
"""

from __future__ import annotations

import base64
import functools
import io
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from modules.application.engine_inputs import resolve
from modules.application.settings_store import OverlaidSettings
from modules.compute import precision
from modules.compute.choices import Attention
from modules.compute.hardware import Hardware
from modules.compute.policy import ComputePolicy, Residency, policy_from_flags
from modules.engine.generate import generate
from modules.engine.hooks import GenerationResult
from modules.library.model_file import ModelFile
from modules.loading.attending import attending
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.schema.flags import parse_flags
from modules.schema.request import Img2ImgRequest, Txt2ImgRequest
from modules.schema.settings.table import SETTINGS
from tests.golden.cases import checkpoint_path
from tests.golden.stages import components, loras, policy, psnr
from tests.pretend_device import NAME, counted_waits, pretend_device

MAC = Hardware(kind="mps", name="a Mac", memory_bytes=2**34, cpu_count=4, reason="a test", system_version=(15, 0))
SMALL: dict[str, Any] = {"prompt": "a red potion", "steps": 3, "width": 64, "height": 64, "seed": 7, "sampler_name": "Euler", "override_settings": {"randn_source": "CPU"}}


def as_base64(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


NOISY = as_base64(Image.fromarray(np.random.default_rng(7).integers(0, 255, (64, 64, 3), dtype=np.uint8)))
MASK = as_base64(Image.linear_gradient("L").resize((64, 64)))
PAINTED = {"init_images": [NOISY], "mask": MASK, "denoising_strength": 0.8}
SOFT = {"alwayson_scripts": {"soft inpainting": {"args": [True, 1, 0.5, 4, 0, 0.5, 2]}}}
REQUESTS: list[dict[str, Any]] = [
    {"batch_size": 2}, {"sampler_name": "DPM++ 2M SDE", "scheduler": "Karras"}, {"sampler_name": "DDIM", "eta": 0.5}, {"sampler_name": "UniPC"}, {"sampler_name": "Restart"},
    {"prompt": "a (red:1.3) [potion:book:2] AND a blue <lora:tiny-lora:0.8> shelf :0.5", "negative_prompt": "long, " * 40}, {"tiling": True, "subseed": 3, "subseed_strength": 0.3},
    {"enable_hr": True, "hr_scale": 2, "hr_upscaler": "Latent", "denoising_strength": 0.7}, {"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Lanczos", "denoising_strength": 0.7},
    {"init_images": [NOISY]}, {**PAINTED, "inpainting_fill": 2}, {**PAINTED, **SOFT}, {**PAINTED, **SOFT, "inpaint_full_res": True, "sampler_name": "DDIM"},
]  # fmt: skip


@functools.cache
def on_device(*flags: str) -> ComputePolicy:
    return replace(policy_from_flags(parse_flags([*flags], {}).flags, MAC), device=str(pretend_device()))


@functools.cache
def loaded(rules: ComputePolicy) -> Components:
    path = checkpoint_path()
    return load_checkpoint(ModelFile(path=path, name=path.name, kind="checkpoint", size=path.stat().st_size), rules)


def drawn(parts: Components, rules: ComputePolicy, changes: dict[str, Any]) -> GenerationResult:
    request = (Img2ImgRequest if "init_images" in changes else Txt2ImgRequest).from_flat({**SMALL, **changes})
    return generate(resolve(request, OverlaidSettings(SETTINGS, request.overrides.override_settings)), parts, policy=rules, loras=loras())


def likeness(rules: ComputePolicy, changes: dict[str, Any], parts: Components | None = None) -> float:
    """In dB, of the least like of the pictures to the CPU's."""
    ours, theirs = drawn(parts or loaded(rules), rules, changes), drawn(components(), policy(), changes)
    assert len(ours.images) == len(theirs.images)
    return min(psnr(mine.picture, other.picture) for mine, other in zip(ours.images, theirs.images))


@pytest.fixture(autouse=True)
def device() -> Iterator[None]:
    with ExitStack() as undo:
        patch = undo.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(precision, "WITHOUT_FLOAT64", (*precision.WITHOUT_FLOAT64, NAME))
        yield


def test_the_device_is_as_strict_as_a_real_one() -> None:
    there = torch.ones(3, device=pretend_device())
    assert (there + 1).cpu().tolist() == [2.0, 2.0, 2.0] and there.device.type == NAME
    with pytest.raises(RuntimeError, match="same device"):
        there + torch.ones(3)
    with pytest.raises(TypeError, match="float64"):
        there.double()
    with pytest.raises(TypeError, match="numpy"):
        there.numpy()


@pytest.mark.parametrize("changes", REQUESTS, ids=lambda changes: " ".join(f"{key}={str(value)[:16]}" for key, value in changes.items() if key != "init_images")[:100])
def test_a_picture_is_the_cpus(changes: dict[str, Any]) -> None:
    assert likeness(on_device("--no-half"), changes) > 60


@pytest.mark.parametrize("attention", [each for each in Attention if each not in (Attention.XFORMERS, Attention.FLASH, Attention.SAGE)])
def test_every_attention_works_there(attention: Attention) -> None:
    rules = replace(on_device("--no-half"), attention=attention)
    assert likeness(rules, {}, attending(loaded(on_device("--no-half")), rules)) > 60


def test_half_precision_and_parts_that_take_turns() -> None:
    assert likeness(on_device(), {}) > 35
    rules = replace(on_device("--no-half"), residency=Residency.OFFLOAD_BETWEEN_STAGES)
    assert likeness(rules, {}) > 60 and likeness(rules, PAINTED) > 60
    assert not any(each.device.type == NAME for each in loaded(rules).unet.parameters())


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M SDE", "LMS", "DDIM", "UniPC"])
def test_no_step_waits_for_the_device(sampler: str) -> None:
    """A wait for each step would cost a GPU a tenth of its speed and more: twice the steps, as many waits."""
    rules, found = on_device("--no-half"), []
    drawn(loaded(rules), rules, {"steps": 1})       # the prompt is encoded
    for steps in (3, 6):
        with counted_waits() as waits:
            drawn(loaded(rules), rules, {"sampler_name": sampler, "steps": steps})
        found.append(waits.total())
    assert found[1] == found[0]
