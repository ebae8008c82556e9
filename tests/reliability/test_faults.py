"""Faults in the middle of a job: results that are no numbers and memory that runs out, in every part and at any step.

What comes is the right picture or a clear error, and the next job makes exactly the picture that a fresh server makes.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from modules.application.app import App
from modules.application.build import build_app
from modules.application.generation import generate_blocking
from modules.application.outcome import Outcome
from modules.compute.precision import NotFinite
from modules.engine.conditioning_cache import ConditioningCache
from modules.engine.generate import generate
from modules.engine.hooks import GenerationResult
from modules.engine.precautions import Precautions
from modules.engine.resolved import ResolvedInit, ResolvedInpaint
from modules.loading.fill import Filling
from modules.schema.errors import OutOfMemory
from modules.schema.flags import parse_flags
from modules.schema.request import Txt2ImgRequest
from tests.golden.cases import case, data_dir
from tests.golden.stages import components, loras, policy, psnr, resolved_request
from tests.short_form import one_in

pytestmark = [pytest.mark.group("R7"), pytest.mark.group("R8")]
CLOSE = 45.0                                        # dB: what another order of sums may change
ALWAYS = range(10**6)
Fault = Callable[[Any], Any]                        # a part's output -> what comes instead of it


def drawn(parts: Any = None, rules: Any = None, **more: Any) -> GenerationResult:
    changes = {name: more.pop(name) for name in ("batch_size", "prompt", "sampler_name", "steps", "width", "height") if name in more}
    request = replace(resolved_request(case("sampler-euler")), **{"steps": 2, "width": 32, "height": 48, **changes})
    return generate(request, parts or components(), policy=rules or policy(), loras=loras(), **more)


@functools.cache
def fresh(**changes: Any) -> list[np.ndarray]:
    """As a server that never saw a fault draws it."""
    return pixels(drawn(**changes))


def pixels(result: GenerationResult) -> list[np.ndarray]:
    return [np.asarray(image.picture) for image in result.images]


def same(result: GenerationResult, **changes: Any) -> bool:
    wanted = fresh(**changes)
    return len(result.images) == len(wanted) and all(np.array_equal(a, b) for a, b in zip(pixels(result), wanted))


def no_numbers(output: Any) -> Any:
    """One value of the last tensor is none."""
    if isinstance(output, torch.Tensor):
        output = output.clone()
        output[(-1,) * output.ndim] = float("nan")
        return output
    if isinstance(output, tuple):
        return tuple(no_numbers(each) for each in output)
    output.last_hidden_state = no_numbers(output.last_hidden_state)
    return output


def no_memory(output: Any) -> Any:
    raise torch.OutOfMemoryError("injected")


def no_memory_on_the_cpu(output: Any) -> Any:
    raise RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")


@contextmanager
def injected(module: Any, fault: Fault, calls: Any, *, where: Callable[[torch.Tensor], bool] = lambda x: True) -> Iterator[None]:
    """``fault`` at those of ``module``'s ``calls`` (counted where ``where`` holds of its input)."""
    count = -1

    def hook(_: Any, args: Any, kwargs: Any, output: Any) -> Any:
        nonlocal count
        given = args[0] if args else kwargs.get("input_ids")
        if not where(given):
            return output
        count += 1
        return fault(output) if count in calls else output

    handle = module.register_forward_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def part(name: str, parts: Any = None) -> Any:
    found = parts or components()
    return {"unet": found.unet, "decoder": found.vae.decoder, "text encoder": found.text_encoders[0].module}[name]


@pytest.mark.parametrize("fault", one_in(2, [no_numbers, no_memory, no_memory_on_the_cpu]))
@pytest.mark.parametrize(("name", "call"), [("unet", 1), pytest.param("unet", 0, marks=pytest.mark.long), ("decoder", 0)])
def test_a_fault_that_passes_costs_time_and_not_the_picture(name: str, call: int, fault: Fault) -> None:
    with injected(part(name), fault, [call]):
        result = drawn()
    assert same(result)
    assert result.comments or (name, fault) == ("decoder", no_numbers)      # said, but where nothing was changed at all
    assert same(drawn())


@pytest.mark.parametrize(("name", "fault", "error"), [
    ("unet", no_numbers, NotFinite), ("decoder", no_numbers, NotFinite), ("text encoder", no_numbers, NotFinite), ("unet", no_memory, OutOfMemory),
    ("decoder", no_memory, OutOfMemory), ("text encoder", no_memory, OutOfMemory),
])  # fmt: skip
def test_one_that_stays_is_a_clear_error_and_the_next_job_as_on_a_fresh_server(name: str, fault: Fault, error: type[Exception]) -> None:
    cache, precautions = ConditioningCache(), Precautions()
    with injected(part(name), fault, ALWAYS), pytest.raises(error, match=r"not a number|ran out of memory") as raised:
        drawn(prompt="a <lora:tiny-lora:1> cat", cache=cache, precautions=precautions)
    assert getattr(raised.value, "remedy", "")
    assert same(drawn(cache=cache, precautions=precautions))


def test_text_that_is_no_number_once_is_encoded_again() -> None:
    with injected(part("text encoder"), no_numbers, [0]):
        assert same(drawn())


@pytest.mark.parametrize("sampler", ["DPM++ 2M SDE", "Euler a"])
def test_noise_begins_again_with_the_pass(sampler: str) -> None:
    with injected(part("unet"), no_numbers, [1]):
        assert same(drawn(sampler_name=sampler), sampler_name=sampler)


def test_memory_for_fewer_rows_is_enough() -> None:
    """For one picture: with and without the prompt one after the other. For a batch that does not fit: one by one."""
    with injected(part("unet"), no_memory, ALWAYS, where=lambda x: len(x) > 1):
        one = drawn()
        two = drawn(batch_size=2)
    assert psnr(one.images[0].picture, drawn().images[0].picture) >= CLOSE and any("one after the other" in each for each in one.comments)
    assert len(two.images) == 2 and any("smaller parts" in each for each in two.comments)
    for ours, wanted in zip(two.images, drawn(batch_size=2).images, strict=True):
        assert psnr(ours.picture, wanted.picture) >= CLOSE
        assert ours.seed == wanted.seed
    assert same(drawn(batch_size=2), batch_size=2)  # nothing of it stays


@pytest.mark.long
def test_a_batch_from_pictures_is_made_in_parts_too() -> None:
    """Two pictures, and one for both with a mask: each part draws what the whole batch would have drawn of it."""
    one, two = Image.linear_gradient("L").resize((32, 48)).convert("RGB"), Image.radial_gradient("L").resize((32, 48)).convert("RGB")
    mask = Image.new("L", (32, 48))
    mask.paste(255, (8, 8, 24, 40))
    for init in (ResolvedInit(pictures=(one, two)), ResolvedInit(pictures=(two,), inpaint=ResolvedInpaint(mask=mask, fill=2))):
        wanted = from_pictures(init)
        with injected(part("unet"), no_memory, ALWAYS, where=lambda x: len(x) > 1):
            found = from_pictures(init)
        assert [each.seed for each in found.images] == [each.seed for each in wanted.images] and any("smaller parts" in each for each in found.comments)
        for ours, theirs in zip(found.images, wanted.images, strict=True):
            assert psnr(ours.picture, theirs.picture) >= CLOSE


def from_pictures(init: ResolvedInit) -> GenerationResult:
    request = replace(resolved_request(case("sampler-euler")), steps=1, width=32, height=48, batch_size=2, init=init, denoising_strength=0.9)
    return generate(request, components(), policy=policy())


@pytest.mark.long
def test_a_picture_is_encoded_again_and_then_in_tiles() -> None:
    init, encoder = ResolvedInit(pictures=(Image.linear_gradient("L").resize((64, 96)).convert("RGB"),)), components().vae.encoder

    def drawn_over() -> GenerationResult:
        return generate(replace(resolved_request(case("sampler-euler")), steps=1, width=64, height=96, init=init, denoising_strength=0.3), components(), policy=policy())

    wanted = drawn_over()
    with injected(encoder, no_memory, [0]):
        again = drawn_over()
    assert np.array_equal(pixels(again)[0], pixels(wanted)[0]) and any("encoded again" in each for each in again.comments)
    with injected(encoder, no_memory, ALWAYS, where=lambda x: x.shape[-2] >= 96):
        tiled = drawn_over()
    assert any("encoded in tiles" in each for each in tiled.comments) and psnr(tiled.images[0].picture, wanted.images[0].picture) > 20
    assert np.array_equal(pixels(drawn_over())[0], pixels(wanted)[0])


def test_text_is_encoded_again_when_others_were_let_go() -> None:
    rooms = []
    with injected(part("text encoder"), no_memory, [0]):
        result = drawn(make_room=lambda: rooms.append(1))
    assert same(result) and rooms and any("before the picture was begun" in each for each in result.comments)


def test_memory_for_a_tile_is_enough_to_decode() -> None:
    large = {"width": 64, "height": 96, "steps": 1}
    with injected(part("decoder"), no_memory, ALWAYS, where=lambda z: z.shape[-2] >= large["height"] // 8):
        result = drawn(**large)
    assert any("in tiles" in each for each in result.comments)
    assert psnr(result.images[0].picture, drawn(**large).images[0].picture) > 20    # seams may show
    assert same(drawn())


def test_half_precision_that_overflows_goes_on_in_float32_and_is_remembered() -> None:
    """Attention first, then the whole model. The next job begins with what was found out, and is as good."""
    small = {"steps": 1, "height": 32}
    whole: Any = components()
    parts = replace(whole, unet=copy.deepcopy(whole.unet).to(torch.bfloat16), vae=copy.deepcopy(whole.vae).to(torch.bfloat16))
    rules, precautions = replace(policy(), compute_dtype="bfloat16", weight_dtype="bfloat16", vae_dtype="bfloat16"), Precautions()
    with (
        injected(part("unet", parts), no_numbers, ALWAYS, where=lambda x: x.dtype is torch.bfloat16),
        injected(part("decoder", parts), no_numbers, ALWAYS, where=lambda x: x.dtype is torch.bfloat16),
    ):
        first = drawn(parts, rules, precautions=precautions, **small)
        again = drawn(parts, rules, precautions=precautions, **small)
    assert any("float32 from now on" in each and "model is" in each for each in first.comments) and any("VAE is computed in float32" in each for each in first.comments)
    assert not again.comments and np.array_equal(pixels(first)[0], pixels(again)[0])
    assert psnr(first.images[0].picture, drawn(**small).images[0].picture) > 30
    before = parts.unet.dtype
    with injected(part("unet", parts), no_numbers, ALWAYS), pytest.raises(NotFinite):
        drawn(parts, rules, precautions=precautions, **small)
    assert parts.unet.dtype is before               # what did not help is not kept
    reloaded = replace(parts, unet=copy.deepcopy(whole.unet).to(torch.bfloat16))
    assert np.array_equal(pixels(drawn(reloaded, rules, precautions=precautions, **small))[0], pixels(first)[0])


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("faults")
    (folder / "models").mkdir()
    (folder / "models/Stable-diffusion").symlink_to(data_dir() / "models/Stable-diffusion")
    found = build_app(parse_flags(["--data-dir", str(folder), "--no-half"], {}).flags)
    yield found
    found.close()


def asked(app: App) -> Outcome:
    return generate_blocking(app, Txt2ImgRequest.from_flat({"prompt": "a cat", "steps": 1, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler"}))


@pytest.mark.parametrize("number", one_in(2, [1, 0]))
def test_memory_that_runs_out_while_a_checkpoint_is_loaded(app: App, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """In its first part or a later one. Once: the others are let go, it is loaded again, and that is said. Always: a clear error, and the next job works."""
    plain = asked(app)
    own, calls = Filling.fill, [0]

    def failing(self: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] - 1 in failures:
            raise torch.OutOfMemoryError("injected")
        return own(self, **kwargs)

    monkeypatch.setattr(Filling, "fill", failing)
    for failures in (range(number, number + 1), ALWAYS):
        app.checkpoints.unload()
        calls[0] = 0
        if failures is ALWAYS:
            with pytest.raises(OutOfMemory, match="not enough memory to load"):
                asked(app)
        else:
            once = asked(app)
            assert any("loaded again" in comment for comment in once.comments) and np.array_equal(np.asarray(once.images[0].picture), np.asarray(plain.images[0].picture))
    monkeypatch.undo()
    after = asked(app)
    assert not after.comments and np.array_equal(np.asarray(after.images[0].picture), np.asarray(plain.images[0].picture))
