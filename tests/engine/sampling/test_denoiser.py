"""The denoiser: what the model is asked, in which rows, and what becomes of its answer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from modules.engine.denoiser import Blend, DenoiserSetup, GuidedDenoiser
from modules.engine.guidance import combine, guided
from modules.engine.hooks import DenoiserCall, Interrupted, NeverCancelled, NullHooks
from modules.engine.noise_levels import noise_levels
from modules.engine.predictor import Predictor
from modules.engine.resolved import SamplingOptions
from modules.loading.components import scaled_linear_alphas

LEVELS = noise_levels(scaled_linear_alphas((0.00085, 0.012)))


@dataclass
class FakeUnet:
    """Predicts the mean of each row's context, plus a little of its input. Remembers what it was asked."""

    asked: list[SimpleNamespace] = field(default_factory=list)

    def __call__(self, x: Tensor, *, timestep: Tensor, encoder_hidden_states: Tensor, **rest: Any) -> tuple[Tensor]:
        self.asked.append(SimpleNamespace(x=x, timesteps=timestep, context=encoder_hidden_states))
        return (encoder_hidden_states.mean(dim=(1, 2))[:, None, None, None] + 0.1 * x,)


@dataclass(frozen=True)
class FakeConditioning:
    """``parts`` AND parts per image; their contexts are 1, 2, 3 ... and those of the negative prompts 0."""

    parts: tuple[int, ...] = (1,)
    tokens: int = 77
    negative_tokens: int = 77
    weight: float = 1.0

    def at(self, step: int) -> SimpleNamespace:
        rows = iter(range(sum(self.parts)))
        return SimpleNamespace(
            cond=torch.arange(1.0, sum(self.parts) + 1)[:, None, None].expand(-1, self.tokens, 8),
            cond_weights=tuple(tuple((next(rows), self.weight) for _ in range(count)) for count in self.parts),
            uncond=torch.zeros(len(self.parts), self.negative_tokens, 8), vector_cond=None, vector_uncond=None,
        )


def denoiser(unet: FakeUnet, conditioning: FakeConditioning | None = None, *, options: dict[str, Any] | None = None, **more: Any) -> GuidedDenoiser:
    setup = DenoiserSetup(
        predictor=Predictor(unet=unet, levels=LEVELS, compute_dtype=torch.float32), conditioning=conditioning or FakeConditioning(),
        guidance_scale=7.0, total_steps=10, options=SamplingOptions(**(options or {})), hooks=NullHooks(), cancel=NeverCancelled(),
    )
    return GuidedDenoiser(replace(setup, **more))


def latent(batch: int = 1) -> Tensor:
    return torch.randn(batch, 4, 2, 2, generator=torch.Generator().manual_seed(3))


def test_the_model_sees_unit_variance_and_the_timestep_of_sigma() -> None:
    unet, x, sigma = FakeUnet(), latent(), float(LEVELS.sigmas[500])
    denoiser(unet)(x, sigma)
    assert torch.allclose(unet.asked[0].x[:1], x / math.sqrt(sigma**2 + 1))
    assert unet.asked[0].timesteps.tolist() == [500.0, 500.0]


def test_guided_x0_from_the_models_noise() -> None:
    x, sigma = latent(), 2.0
    shrunk = x / math.sqrt(sigma**2 + 1)
    cond, uncond = x - sigma * (1 + 0.1 * shrunk), x - sigma * (0.1 * shrunk)
    assert torch.allclose(denoiser(FakeUnet())(x, sigma), guided(cond, uncond, 7.0), atol=1e-5)


def test_velocity_is_turned_into_the_same_x0_as_its_noise() -> None:
    """v = alpha eps - sigma x0 (Salimans & Ho 2022): a model that knows x0 and eps must be read alike either way."""
    x0, eps, sigma = latent(), latent().flip(0) * 0.5, 3.0
    alpha, vp_sigma = 1 / math.sqrt(1 + sigma**2), sigma / math.sqrt(1 + sigma**2)
    velocity = alpha * eps - vp_sigma * x0

    def unet(x: Tensor, *, timestep: Tensor, **rest: Any) -> tuple[Tensor]:
        return (velocity,)

    predictor = Predictor(unet=unet, levels=LEVELS, compute_dtype=torch.float32, predicts_v=True)
    assert torch.allclose(predictor(x0 + sigma * eps, sigma, torch.zeros(1, 77, 8)), x0, atol=1e-5)


def test_cond_rows_come_first_and_uncond_rows_last() -> None:
    """Extensions rely on it: images' AND parts in order, then one row per image, one sigma per row."""
    seen: list[DenoiserCall] = []

    class Listener(NullHooks):
        def denoiser_input(self, call: DenoiserCall) -> DenoiserCall:
            seen.append(call)
            return call

    x = latent(2)
    denoiser(FakeUnet(), FakeConditioning(parts=(2, 1)), hooks=Listener())(x, 2.0)
    call = seen[0]
    assert torch.equal(call.x, torch.stack([x[0], x[0], x[1], x[0], x[1]]))
    assert call.sigma.tolist() == [2.0] * 5
    assert (call.step, call.total_steps) == (0, 10)


def test_what_hooks_return_is_what_is_used() -> None:
    class Doubler(NullHooks):
        def denoiser_input(self, call: DenoiserCall) -> DenoiserCall:
            return replace(call, cond=call.cond * 2)

        def denoised(self, call: DenoiserCall, rows: Tensor) -> Tensor:
            return rows + 1

        def guided(self, call: DenoiserCall, denoised: Tensor) -> Tensor:
            return denoised * 3

    unet, x = FakeUnet(), latent()
    changed = denoiser(unet, hooks=Doubler())(x, 2.0)
    assert float(unet.asked[0].context[0].mean()) == 2.0
    plain = denoiser(FakeUnet())(x, 2.0) - 2.0 * 7.0 * 1.0      # the cond noise grew by 1: x0 by -sigma, seven times
    assert torch.allclose(changed, (plain + 1) * 3, atol=1e-4)


def test_scale_one_asks_the_model_once() -> None:
    unet, x = FakeUnet(), latent()
    found = denoiser(unet, guidance_scale=1.0)(x, 2.0)
    assert len(unet.asked[0].x) == 1
    both = denoiser(FakeUnet(), guidance_scale=1.0, needs_uncond=True)(x, 2.0)
    assert torch.allclose(found, both, atol=1e-5)


@pytest.mark.parametrize(("options", "rows_by_step"), [
    ({"s_min_uncond": 3.0}, [2, 1, 2, 1]),
    ({"s_min_uncond": 3.0, "s_min_uncond_all": True}, [1, 1, 1, 1]),
    ({"s_min_uncond": 1.0}, [2, 2, 2, 2]),
    ({"skip_early_cond": 0.1}, [1, 1, 2, 2]),
])
def test_steps_that_skip_the_negative_prompt(options: dict[str, Any], rows_by_step: list[int]) -> None:
    unet = FakeUnet()
    ask = denoiser(unet, options=options)
    for _ in rows_by_step:
        ask(latent(), 2.0)
    assert [len(each.x) for each in unet.asked] == rows_by_step
    assert ask.ngms_used == ("s_min_uncond" in options and 1 in rows_by_step)


@pytest.mark.parametrize(("options", "calls"), [
    ({}, [(1, 154), (1, 77)]),
    ({"pad_cond_uncond": True}, [(2, 154)]),
    ({"pad_cond_uncond_v0": True}, [(2, 154)]),
    ({"batch_cond_uncond": False}, [(1, 154), (1, 77)]),
])
def test_prompts_of_two_lengths(options: dict[str, Any], calls: list[tuple[int, int]]) -> None:
    unet = FakeUnet()
    denoiser(unet, FakeConditioning(tokens=154), options=options, empty_prompt=torch.zeros(1, 77, 8))(latent(), 2.0)
    assert [tuple(each.context.shape[:2]) for each in unet.asked] == calls


def test_a_longer_negative_prompt_lengthens_the_positive_one() -> None:
    unet = FakeUnet()
    denoiser(unet, FakeConditioning(negative_tokens=231), options={"pad_cond_uncond": True}, empty_prompt=torch.full((1, 77, 8), 5.0))(latent(), 2.0)
    assert unet.asked[0].context[0, 76:79, 0].tolist() == [1.0, 5.0, 5.0]


@pytest.mark.parametrize("options", [{"batch_cond_uncond": False}, {"batch_cond_uncond": True}])
def test_one_call_or_several_give_the_same(options: dict[str, Any]) -> None:
    x, conditioning = latent(3), FakeConditioning(parts=(1, 3, 2), weight=0.7)
    assert torch.allclose(denoiser(FakeUnet(), conditioning, options=options)(x, 2.0), denoiser(FakeUnet(), conditioning)(x, 2.0), atol=1e-6)


def test_parts_are_weighted_one_by_one() -> None:
    rows, uncond = torch.tensor([1.0, 2.0, 4.0])[:, None, None, None], torch.zeros(2, 1, 1, 1)
    found = combine(rows, uncond, (((0, 1.2), (1, -0.5)), ((2, 1.0),)), 3.0)
    assert found.flatten().tolist() == pytest.approx([3.0 * (1.2 - 1.0), 12.0])


def test_a_batch_with_equal_weights_takes_the_short_way() -> None:
    rows, uncond = torch.rand(3, 1, 2, 2), torch.rand(3, 1, 2, 2)
    weights = tuple(((image, 0.8),) for image in range(3))
    expected = torch.stack([uncond[image] + (rows[image] - uncond[image]) * (0.8 * 5.0) for image in range(3)])
    assert torch.allclose(combine(rows, uncond, weights, 5.0), expected)


def test_blending_before_or_after() -> None:
    unet, x = FakeUnet(), latent()
    before = denoiser(unet, blend=Blend(apply=lambda value, sigma, timestep: value * 0, before_denoising=True))
    before(x, 2.0)
    assert not unet.asked[0].x.any()
    after = denoiser(FakeUnet(), blend=Blend(apply=lambda value, sigma, timestep: value * 0))
    assert not after(x, 2.0).any()


@pytest.mark.parametrize("flag", ["interrupted", "skipped"])
def test_a_stop_is_seen_before_the_model_is_asked(flag: str) -> None:
    unet, cancel = FakeUnet(), SimpleNamespace(interrupted=False, skipped=False, hold=lambda: None)
    ask = denoiser(unet, cancel=cancel)
    first = ask(latent(), 2.0)
    setattr(cancel, flag, True)
    with pytest.raises(Interrupted):
        ask(latent(), 1.0)
    assert len(unet.asked) == 1
    assert ask.last_denoised is first
