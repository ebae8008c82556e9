"""A second checkpoint in one picture: the refiner inside a pass, the hires pass's own, and a first pass from elsewhere."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from modules.engine import generate as generating
from modules.engine.generate import generate
from modules.engine.hooks import DenoiserCall, GenerationResult, NullHooks
from modules.engine.resolved import PreviewOptions, ResolvedHires, ResolvedInit, ResolvedRefiner, ResolvedRequest, SamplingOptions
from modules.engine.sampler_registry import find_sampler
from modules.families.family import ModelFamily
from modules.families.flux import FLUX_DEV
from modules.loading.components import Components
from modules.schema.errors import InvalidValue
from tests.golden.stages import components, loras, policy
from tests.short_form import one_in

pytestmark = pytest.mark.golden
REFINER = ResolvedRefiner(checkpoint_name="other", title="other [0123456789]", switch_at=0.5)
TEXT = ResolvedRequest(
    prompt="a cat", negative_prompt="dog", width=64, height=64, steps=4, seed=5, sampler_name="Euler", options=SamplingOptions(noise_source="CPU"),
    preview=PreviewOptions(every_steps=0), denoising_strength=0.6,
)


@functools.cache
def other() -> Components:
    """The tiny checkpoint with another middle, another first word layer and a paler VAE."""
    own = copy.copy(components())
    changed = replace(
        own, checkpoint=replace(own.checkpoint, name="other", path=Path("other.safetensors")), unet=copy.deepcopy(own.unet), vae=copy.deepcopy(own.vae),
        text_encoders=tuple(replace(encoder, built=copy.deepcopy(encoder.module), unread=None) for encoder in own.text_encoders),
    )
    with torch.no_grad():
        for parameter in changed.unet.mid_block.parameters():  # type: ignore[union-attr]
            parameter.mul_(1.2)
        for parameter in changed.text_encoders[0].module.parameters():
            parameter.mul_(1.05)
        changed.vae.decoder.conv_out.weight.mul_(0.7)
    return changed


def source(name: str) -> Components:
    return other() if name == "other" else components()


class Recorder(NullHooks):
    """Notes what every call saw and predicted. feed: latents that are shown to the model in place of the sampler's."""

    def __init__(self, feed: list[torch.Tensor] | None = None) -> None:
        self.feed = feed
        self.seen: list[torch.Tensor] = []
        self.guided_to: list[torch.Tensor] = []

    def denoiser_input(self, call: DenoiserCall) -> DenoiserCall:
        if self.feed:
            call = replace(call, x=self.feed[call.step])
        self.seen.append(call.x.clone())
        return call

    def guided(self, call: DenoiserCall, denoised: torch.Tensor) -> torch.Tensor:
        self.guided_to.append(denoised.clone())
        return denoised


def run(request: ResolvedRequest, hooks: NullHooks | None = None, model: Callable[[], Components] = components) -> GenerationResult:
    return generate(request, model(), policy=policy(), hooks=hooks, source=source, loras=loras())


@functools.cache
def plain(model: Callable[[], Components] = components) -> GenerationResult:
    """TEXT by one model alone."""
    return run(TEXT, model=model)


def levels(result: GenerationResult, index: int = 0) -> np.ndarray:
    return np.asarray(result.images[index].picture).astype(int)


def facts(result: GenerationResult) -> dict[str, object]:
    return dict(result.facts.extra)


@pytest.mark.parametrize("by_steps", [False, True])
def test_a_switch_at_the_end_is_no_switch(by_steps: bool) -> None:
    refined = run(replace(TEXT, refiner=replace(REFINER, switch_at=1.0, switch_by_sample_steps=by_steps)))
    assert (levels(refined) == levels(plain())).all()
    assert "Refiner" not in facts(refined) and facts(refined).get("Refiner switch by sampling steps", False) is by_steps


@pytest.mark.parametrize(("sampler", "by_steps"), one_in(2, [("Euler", False), ("UniPC", False), ("Heun", True), ("LCM", False)]))
def test_each_call_is_the_models_whose_turn_it_is(sampler: str, by_steps: bool) -> None:
    """Shown the latents of the refined run, the first model alone predicts its beginning, and the second alone its end."""
    asked = replace(TEXT, sampler_name=sampler)
    refined = Recorder()
    result = run(replace(asked, refiner=replace(REFINER, switch_by_sample_steps=by_steps)), refined)
    alone = {name: Recorder(refined.seen) for name in ("first", "second")}
    run(asked, alone["first"])
    run(asked, alone["second"], other)
    turns = [
        name
        for number, found in enumerate(refined.guided_to)
        for name, recorder in alone.items()
        if torch.allclose(found, recorder.guided_to[number], atol=1e-5)
    ]
    calls, order = len(refined.guided_to), 2 if sampler == "Heun" else 1
    expected = TEXT.steps * order // 2 if by_steps else {"LCM": 0}.get(sampler, turns.count("first"))
    assert turns == ["first"] * expected + ["second"] * (calls - expected) and expected < calls
    assert facts(result)["Refiner"] == "other [0123456789]" and facts(result)["Refiner switch at"] == 0.5


def test_a_switch_at_once_draws_with_the_refiner_and_its_vae() -> None:
    assert (levels(run(replace(TEXT, refiner=replace(REFINER, switch_at=0.0)))) == levels(plain(other))).all()


def test_each_picture_begins_with_the_first_model_again() -> None:
    refined = replace(TEXT, refiner=REFINER)
    both = run(replace(refined, batch_count=2))
    assert (levels(both, 1) == levels(run(replace(refined, seed=6)))).all()
    assert (levels(plain()) != levels(both)).any()


def test_a_batch_equals_single_pictures() -> None:
    refined = replace(TEXT, refiner=REFINER, hires=ResolvedHires(enabled=True, upscaler="Latent", scale=1.5, checkpoint_name="other"))
    batch = run(replace(refined, batch_size=2))
    for number in range(2):
        assert np.abs(levels(batch, number) - levels(run(replace(refined, seed=5 + number)))).max() <= 1


def test_networks_are_in_both_models_and_leave_both_as_they_were() -> None:
    before = [{name: tensor.clone() for name, tensor in each.unet.state_dict().items()} for each in (components(), other())]
    with_lora = run(replace(TEXT, prompt="a cat <lora:tiny-lora:1>", refiner=replace(REFINER, switch_at=0.0)))
    assert (levels(with_lora) == levels(run(replace(TEXT, prompt="a cat <lora:tiny-lora:1>"), model=other))).all()
    assert (levels(with_lora) != levels(plain(other))).any()
    for state, each in zip(before, (components(), other())):
        assert all(torch.equal(tensor, state[name]) for name, tensor in each.unet.state_dict().items())


def test_img2img_and_tiling_and_merging_go_with_the_switch() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    options = replace(TEXT.options, tiling=True, token_merging_ratio=0.5)
    asked = replace(TEXT, init=ResolvedInit(pictures=(picture,)), options=options)
    refined = run(replace(asked, refiner=replace(REFINER, switch_at=0.8)))
    assert facts(refined)["Refiner switch at"] == 0.8 and (levels(refined) != levels(run(asked))).any()
    assert all(layer.padding_mode == "zeros" for layer in other().unet.modules() if isinstance(layer, torch.nn.Conv2d))


@pytest.mark.parametrize(("where", "first", "second"), [("second pass", False, True), ("first pass", True, False), ("both passes", True, True)])
def test_hires_fix_refines_in_the_passes_of_the_setting(where: str, first: bool, second: bool) -> None:
    hires = ResolvedHires(enabled=True, upscaler="Latent", scale=1.5)
    calls: list[str] = []
    handles = [
        each.unet.register_forward_pre_hook(lambda *_, name=each.checkpoint.name: calls.append(name)) for each in (components(), other())
    ]
    result = run(replace(TEXT, hires=hires, refiner=replace(REFINER, switch_at=0.7, hires_pass=where)))
    for handle in handles:
        handle.remove()
    assert calls[0] != "other" and [calls[3] == "other", calls[-1] == "other"] == [first, second]
    assert facts(result).get("Hires refiner") == (None if where == "second pass" else where)


def first_pass_of(request: ResolvedRequest) -> Image.Image:
    return run(replace(request, hires=ResolvedHires())).images[0].picture


@pytest.mark.parametrize("upscaler", ["Latent", "Lanczos"])
def test_the_hires_checkpoint_draws_the_second_pass(upscaler: str) -> None:
    """Begun by one model and enlarged by another: what the other alone makes of the first one's picture."""
    hires = ResolvedHires(enabled=True, upscaler=upscaler, scale=1.5, checkpoint_name="other")
    ours = levels(run(replace(TEXT, hires=hires)))
    given = replace(hires, first_pass=first_pass_of(TEXT))
    theirs = levels(run(replace(TEXT, hires=replace(given, checkpoint_name="")), model=other))
    own = levels(run(replace(TEXT, hires=replace(hires, checkpoint_name=""))))
    assert np.abs(ours - own).mean() > 1
    if upscaler == "Lanczos":                       # through the picture: only levels cut to whole ones differ
        assert np.abs(ours - theirs).mean() < 1
    assert np.array_equal(theirs, levels(run(replace(TEXT, hires=given)))) or upscaler == "Latent"


def test_a_given_first_pass_needs_no_first_pass() -> None:
    recorder = Recorder()
    hires = ResolvedHires(enabled=True, upscaler="Lanczos", scale=1.5, steps=3, first_pass=first_pass_of(TEXT))
    result = run(replace(TEXT, hires=hires, batch_size=2), recorder)
    assert len(recorder.seen) == 3 and [image.picture.size for image in result.images] == [(96, 96)] * 2
    assert np.abs(levels(result) - levels(run(replace(TEXT, hires=replace(hires, first_pass=None))))).mean() < 1


def test_a_refiner_of_another_kind_is_refused_with_its_name() -> None:
    foreign = replace(other(), family=replace(other().family, name="SDXL", latent=replace(other().family.latent, scale=0.13)))
    with pytest.raises(InvalidValue, match="'other' is a SDXL model"):
        generate(replace(TEXT, refiner=REFINER), components(), policy=policy(), source=lambda name: foreign if name == "other" else components())


def test_a_hires_checkpoint_of_another_kind_goes_by_way_of_the_picture() -> None:
    foreign = replace(other(), family=replace(other().family, latent=replace(other().family.latent, scale=0.13)))
    hires = ResolvedHires(enabled=True, upscaler="Latent", scale=1.5, checkpoint_name="other")
    result = generate(replace(TEXT, hires=hires), components(), policy=policy(), source=lambda name: foreign if name == "other" else components())
    assert result.images[0].picture.size == (96, 96)


@pytest.mark.parametrize(("first", "second", "told"), [(None, FLUX_DEV, ("Automatic", "Simple")), (FLUX_DEV, None, ("Simple", "Automatic"))])
def test_the_text_tells_each_passs_own_schedule_where_one_model_is_a_flow_model(first: ModelFamily | None, second: ModelFamily | None, told: tuple[str, str]) -> None:
    """Automatic is another schedule for each: pasted back, the first pass must not be drawn by the second one's."""
    own, hires = components().family, ResolvedHires(enabled=True, upscaler="Latent", scale=1.5, checkpoint_name="other")
    run_so_far: Any = SimpleNamespace(
        schedule_name="Automatic", sampler=find_sampler("Euler"), request=replace(TEXT, hires=hires), facts={},
        components=SimpleNamespace(family=second or own), models=SimpleNamespace(first_family=first or own))
    facts = generating._facts(run_so_far)
    assert (facts.schedule_name, facts.hires_schedule_name) == told
