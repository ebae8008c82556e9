"""The conductor, with the golden checkpoint: same request, same picture; stops, batches, progress, previews."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from modules.compute.hardware import Hardware
from modules.compute.policy import ComputePolicy, policy_from_flags
from modules.engine import undecoded
from modules.engine.generate import generate
from modules.engine.hooks import DenoiserCall, GeneratedImage, NullHooks
from modules.engine.resolved import PreviewOptions, ResolvedRequest, SamplingOptions
from modules.jobs.job import CancelToken
from modules.jobs.progress import Progress
from modules.library.model_file import ModelFile
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.schema.errors import InvalidValue, UnknownName
from modules.schema.flags import parse_flags
from tests.golden.cases import checkpoint_path

POLICY = policy_from_flags(parse_flags([], {}).flags, Hardware(kind="cpu", name="cpu", memory_bytes=8 << 30, cpu_count=1, reason="test"))
REQUEST = ResolvedRequest(
    prompt="a red cat", negative_prompt="blurry", width=32, height=24, steps=4, sampler_name="Euler a", seed=5, options=SamplingOptions(noise_source="CPU")
)


@pytest.fixture(scope="module")
def components() -> Iterator[Components]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load_checkpoint(ModelFile(path=checkpoint_path(), name="sd15-tiny.safetensors", kind="checkpoint"), POLICY)
    torch.set_num_threads(threads)


def drawn(components: Components, request: ResolvedRequest = REQUEST, policy: ComputePolicy = POLICY, **more: Any) -> list[np.ndarray]:
    return [np.asarray(image.picture).astype(int) for image in generate(request, components, policy=policy, **more).images]


def test_the_same_request_twice_is_bit_identical(components: Components) -> None:
    assert np.array_equal(drawn(components), drawn(components))


def test_a_batch_of_four_is_four_singles(components: Components) -> None:
    """And so is a job of four batches: image i has seed + i."""
    batch, count = (drawn(components, replace(REQUEST, **{name: 4})) for name in ("batch_size", "batch_count"))
    singles = [drawn(components, replace(REQUEST, seed=5 + index))[0] for index in range(4)]
    for index in range(4):
        assert np.array_equal(count[index], singles[index])
        assert abs(batch[index] - singles[index]).max() <= 1


def test_guidance_in_two_calls_is_the_same_picture(components: Components) -> None:
    assert abs(drawn(components, policy=replace(POLICY, split_guidance=True))[0] - drawn(components)[0]).max() <= 1


class StopAfter(NullHooks):
    """Presses a button of the token at the given model call; keeps the pictures it is handed."""

    def __init__(self, token: CancelToken, call: int, button: str = "interrupt") -> None:
        self.token, self.call, self.button, self.calls = token, call, button, 0
        self.handed: list[GeneratedImage] = []

    def denoiser_input(self, call: DenoiserCall) -> DenoiserCall:
        self.calls += 1
        if self.calls == self.call:
            getattr(self.token, self.button)()
        return call

    def image_ready(self, image: GeneratedImage) -> GeneratedImage:
        self.handed.append(image)
        return image


def test_an_interrupt_returns_the_half_done_picture_and_nothing_after_it(components: Components) -> None:
    token = CancelToken()
    hooks = StopAfter(token, 6)
    result = generate(replace(REQUEST, batch_count=3), components, policy=POLICY, hooks=hooks, cancel=token)
    assert [image.complete for image in result.images] == [True, False]
    assert result.interrupted
    assert hooks.calls == 6                         # not one more call after the stop


def test_the_job_after_an_interrupt_is_unaffected(components: Components) -> None:
    before = drawn(components)
    token = CancelToken()
    generate(REQUEST, components, policy=POLICY, hooks=StopAfter(token, 2), cancel=token)
    assert np.array_equal(drawn(components), before)


@pytest.mark.parametrize(("patience", "whole"), [(60.0, [True, True]), (0.0, [True, False])])
def test_an_interrupt_after_the_last_step_waits_for_the_decoder_only_a_moment(
    components: Components, monkeypatch: pytest.MonkeyPatch, patience: float, whole: list[bool]
) -> None:
    """What the decoder has made is kept; what it was at is shown as coarse as a preview, and the user is told."""
    token, layers = CancelToken(), 0

    def look(*_: object) -> None:
        nonlocal layers
        layers += 1
        if layers == 2:                             # the second picture is at the decoder
            token.interrupt()

    monkeypatch.setattr(undecoded, "PATIENCE", patience)
    monkeypatch.setattr(undecoded, "FEW_CELLS", 0)
    watched = components.vae.decoder.conv_in.register_forward_pre_hook(look)
    result = generate(replace(REQUEST, batch_size=2), components, policy=POLICY, cancel=token)
    watched.remove()
    assert [image.complete for image in result.images] == whole and all(image.picture.size == (32, 24) for image in result.images)
    assert any("coarse" in each for each in result.comments) is not all(whole)
    monkeypatch.undo()
    again = drawn(components, replace(REQUEST, batch_size=2))
    assert [np.array_equal(np.asarray(image.picture), each) for image, each in zip(result.images, again, strict=True)] == whole


def test_an_interrupt_before_the_first_call_gives_no_picture(components: Components) -> None:
    token = CancelToken()
    token.interrupt()
    assert generate(REQUEST, components, policy=POLICY, cancel=token).images == ()


def test_skip_leaves_one_batch_only(components: Components) -> None:
    token = CancelToken()
    result = generate(replace(REQUEST, batch_count=3), components, policy=POLICY, hooks=StopAfter(token, 6, "skip"), cancel=token)
    assert [image.complete for image in result.images] == [True, False, True]
    assert not result.interrupted


def test_stop_after_this_image(components: Components) -> None:
    token = CancelToken()
    result = generate(replace(REQUEST, batch_count=3), components, policy=POLICY, hooks=StopAfter(token, 2, "stop_after_image"), cancel=token)
    assert [image.complete for image in result.images] == [True]


def test_pictures_come_as_they_are_finished(components: Components) -> None:
    """An error in the third batch must not cost the pictures of the first two."""

    class Failing(StopAfter):
        def denoiser_input(self, call: DenoiserCall) -> DenoiserCall:
            self.calls += 1
            if self.calls == 10:
                raise RuntimeError("a script failed")
            return call

    hooks = Failing(CancelToken(), 0)
    with pytest.raises(RuntimeError, match="a script failed"):
        generate(replace(REQUEST, batch_count=3), components, policy=POLICY, hooks=hooks)
    assert [(image.index, image.seed) for image in hooks.handed] == [(0, 5), (1, 6)]


def test_progress_counts_steps_and_offers_previews(components: Components) -> None:
    progress = Progress()
    seen: list[float] = []

    class Watcher(NullHooks):
        def denoiser_input(self, call: DenoiserCall) -> DenoiserCall:
            seen.append(progress.snapshot().fraction)
            return call

    generate(replace(REQUEST, batch_count=2, preview=PreviewOptions(every_steps=1)), components, policy=POLICY, hooks=Watcher(), progress=progress)
    assert seen == sorted(seen)
    assert seen[0] == 0.0
    assert seen[-1] > 0.8
    data = progress.preview()
    assert data
    assert min(Image.open(io.BytesIO(data)).size) >= 96


def test_no_preview_is_offered_where_none_is_wanted(components: Components) -> None:
    progress = Progress()
    generate(replace(REQUEST, preview=PreviewOptions(every_steps=0)), components, policy=POLICY, progress=progress)
    assert progress.preview() is None


@pytest.mark.parametrize(("change", "error"), [
    ({"sampler_name": "Nope"}, UnknownName), ({"schedule_name": "Nope"}, UnknownName), ({"width": 7}, InvalidValue), ({"height": 0}, InvalidValue),
])
def test_what_cannot_be_done_is_refused_before_any_work(components: Components, change: dict[str, Any], error: type[Exception]) -> None:
    hooks = StopAfter(CancelToken(), 0)
    with pytest.raises(error):
        generate(replace(REQUEST, **change), components, policy=POLICY, hooks=hooks)
    assert hooks.calls == 0


def test_odd_sizes_are_rounded_down_to_cells(components: Components) -> None:
    assert drawn(components, replace(REQUEST, width=39, height=31))[0].shape == (24, 32, 3)


def test_facts_say_what_was_used(components: Components) -> None:
    result = generate(replace(REQUEST, sampler_name="DPM++ 2M Karras", options=SamplingOptions(s_min_uncond=2.0)), components, policy=POLICY)
    assert (result.facts.sampler_name, result.facts.schedule_name) == ("DPM++ 2M", "Karras")
    assert dict(result.facts.extra)["NGMS"] == 2.0
    assert result.images[0].facts.sampler_name == "DPM++ 2M"


def test_a_random_seed_is_fixed_once(components: Components) -> None:
    result = generate(replace(REQUEST, seed=-1, batch_size=2), components, policy=POLICY)
    first, second = result.images
    assert first.seed >= 0
    assert second.seed == first.seed + 1
