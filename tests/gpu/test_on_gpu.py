"""What only a GPU shows, with A1111's tiny checkpoint in float16: recorded steps, memory modes, attention, memory that runs out, torch.compile.

GOLDEN_DEVICE=cuda python -m pytest tests/golden tests/gpu   compares A1111's own pictures as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch

from modules.application.engine_inputs import resolve
from modules.application.settings_store import OverlaidSettings
from modules.compute.choices import Attention
from modules.compute.hardware import probe
from modules.compute.policy import ComputePolicy, policy_by_settings, policy_from_flags
from modules.engine.generate import generate
from modules.engine.hooks import GenerationResult
from modules.library.model_file import ModelFile
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.schema.errors import WebuiError
from modules.schema.flags import parse_flags
from modules.schema.request import Txt2ImgRequest
from modules.schema.settings.table import SETTINGS
from tests.golden.cases import checkpoint_path
from tests.golden.stages import loras, psnr

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that works with CUDA is here")
REQUEST: dict[str, Any] = {"prompt": "a red potion", "steps": 6, "width": 128, "height": 96, "seed": 7, "sampler_name": "Euler a", "batch_size": 2}


def policy(*flags: str, **settings: Any) -> ComputePolicy:
    hardware = probe()
    chosen = policy_from_flags(parse_flags([*flags], {}).flags, hardware)
    return policy_by_settings(chosen, hardware, **{"attention": "Automatic", "attention_float32": False, "float8": "Disable", **settings})


def loaded(rules: ComputePolicy) -> Components:
    path = checkpoint_path()
    return load_checkpoint(ModelFile(path=path, name=path.name, kind="checkpoint", size=path.stat().st_size), rules)


def drawn(parts: Components, rules: ComputePolicy, **changes: Any) -> GenerationResult:
    request = Txt2ImgRequest.from_flat({**REQUEST, **changes})
    return generate(resolve(request, OverlaidSettings(SETTINGS, request.overrides.override_settings)), parts, policy=rules, loras=loras())


def pixels(found: GenerationResult) -> list[bytes]:
    return [image.picture.tobytes() for image in found.images]


@pytest.fixture(scope="module")
def parts() -> Components:
    return loaded(policy())


@pytest.mark.parametrize("changes", [
    {}, {"sampler_name": "DPM++ 2M"}, {"prompt": "a red potion <lora:tiny-lora:0.8>"}, {"tiling": True}, {"cfg_scale": 1.0}, {"width": 64, "batch_size": 1},
    {"prompt": "a [red:blue:3] potion, " + "long, " * 80},
    {"enable_hr": True, "hr_scale": 2, "denoising_strength": 0.7}, {},     # noqa: PT014  the first once more, after all the others
], ids=str)  # fmt: skip
def test_replayed_steps_make_the_same_picture(parts: Components, changes: dict[str, Any]) -> None:
    """To the last bit, whatever came before."""
    usual = pixels(drawn(parts, policy(graphs=False), **changes))
    assert pixels(drawn(parts, policy(), **changes)) == usual
    assert pixels(drawn(parts, policy(), **changes)) == usual


def test_steps_are_replayed(parts: Components) -> None:
    assert parts.calls is not None
    parts.calls.forget()
    drawn(parts, policy(), steps=8)
    assert parts.calls.count == 1  # type: ignore[attr-defined]


def test_what_listens_at_the_model_is_heard_in_every_step(parts: Components) -> None:
    drawn(parts, policy(), steps=8)
    heard: list[int] = []
    handle = parts.unet.mid_block.register_forward_hook(lambda *_: heard.append(1))  # type: ignore[union-attr]
    drawn(parts, policy(), steps=8)
    handle.remove()
    assert len(heard) == 8


@pytest.mark.parametrize("flag", ["--medvram", "--lowvram", "--medvram-sdxl", "--opt-channelslast", "--no-half-vae", "--always-batch-cond-uncond"])
def test_memory_modes_change_nothing(parts: Components, flag: str) -> None:
    """medvram and lowvram to the last bit; other types and orders of memory round in another way."""
    rules = policy(flag)
    other = loaded(rules)
    usual = drawn(parts, policy(graphs=False), **({} if flag != "--lowvram" else {"override_settings": {"batch_cond_uncond": False}}))
    for _ in range(2):
        found = drawn(other, rules)
        if flag in ("--medvram", "--lowvram", "--medvram-sdxl"):
            assert pixels(found) == pixels(usual)
        assert min(psnr(mine.picture, theirs.picture) for mine, theirs in zip(found.images, usual.images)) > 35


@pytest.mark.parametrize("attention", [each for each in Attention if each not in (Attention.XFORMERS, Attention.FLASH, Attention.SAGE)])
def test_every_attention_makes_the_picture(attention: Attention) -> None:
    """In float32, within 45 dB."""
    from modules.loading.attending import attending

    torch.backends.cudnn.allow_tf32 = False
    rules = policy("--no-half")
    found = loaded(rules)
    usual = drawn(found, rules)
    other = replace(rules, attention=attention)
    assert min(psnr(mine.picture, theirs.picture) for mine, theirs in zip(drawn(attending(found, other), other).images, usual.images)) >= 45


@pytest.mark.parametrize("settings", [{"float8": "Enable"}, {"attention_float32": True}])
def test_other_types_make_a_picture_like_it(parts: Components, settings: dict[str, Any]) -> None:
    rules, found = policy(**settings), drawn(parts, policy())
    assert min(psnr(mine.picture, theirs.picture) for mine, theirs in zip(drawn(loaded(rules), rules).images, found.images)) > 15


@contextmanager
def little_memory(spare: int) -> Iterator[None]:
    """PyTorch gets ``spare`` bytes more than it has now."""
    torch.cuda.empty_cache()
    whole = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + spare) / whole)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.parametrize("spare", [0, 4, 16, 32, 64, 128])
def test_memory_that_runs_out_is_survived(parts: Components, spare: int) -> None:
    """A picture or a clear error, and the next job is as if nothing had been."""
    big = {"width": 768, "height": 768, "batch_size": 1}
    usual, larger = pixels(drawn(parts, policy())), drawn(parts, policy(), **big)
    assert parts.calls is not None
    parts.calls.forget()
    with little_memory(spare * 2**20):
        try:
            found = drawn(parts, policy(), **big)
            likeness = psnr(found.images[0].picture, larger.images[0].picture)
            print(f"{spare} MB: {likeness:.1f} dB; {found.comments}")
            assert likeness > 30
        except WebuiError as error:
            print(f"{spare} MB: {error}")
            assert "memory" in str(error)
    assert pixels(drawn(parts, policy())) == usual


def wait_for(done: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.1)
    return done()


def test_compiling_is_not_waited_for() -> None:
    rules = policy(compiled=True)
    found = loaded(rules)
    small = {"width": 64, "height": 64, "batch_size": 1}
    began = time.monotonic()
    usual = drawn(found, rules, **small)
    first = time.monotonic() - began
    assert found.compiled is not None
    assert wait_for(lambda: not found.compiled.is_busy, 300), "still compiling"     # type: ignore[union-attr]
    print(f"first picture {first:.1f} s, compiled after {time.monotonic() - began:.1f} s; {found.compiled.said}")
    assert found.compiled.ready == 1, found.compiled.said
    assert psnr(drawn(found, rules, **small).images[0].picture, usual.images[0].picture) > 35
