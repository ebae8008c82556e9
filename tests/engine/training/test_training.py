"""Training: the error that steps make smaller, the gradients behind it, batches, prompts and rates."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from torch import Tensor

from modules.engine.resolved import SamplingOptions
from modules.engine.training import loop
from modules.engine.training.learners import EmbeddingLearner, HypernetworkLearner
from modules.engine.training.loop import StepReport, TrainingPlan, _Steps, train
from modules.engine.training.optimiser import Optimiser
from modules.engine.training.pictures import Batch, Chance, PictureSet, TrainingPicture, Wording
from modules.engine.training.rates import Rates
from modules.families.family import Prediction
from modules.jobs.job import CancelToken
from modules.loading.embedding_file import first_vectors
from modules.loading.embeddings import Embedding, EmbeddingShelf
from modules.loading.hypernetwork_file import Shape, TrainableHypernetwork
from modules.schema.errors import InvalidValue, OutOfMemory
from tests.golden.stages import components

SHELF = EmbeddingShelf(tuple)


def embedding(words: str = "red ball") -> EmbeddingLearner:
    vectors = first_vectors(components(), words, 2)
    return EmbeddingLearner(Embedding(name="thing", tensors=vectors), components(), SamplingOptions(), SHELF)


def hypernetwork() -> HypernetworkLearner:
    torch.manual_seed(1)
    widths = sorted({module.to_k.in_features for module in components().unet.modules() if hasattr(module, "to_k")})
    return HypernetworkLearner(TrainableHypernetwork.new("net", Shape(activation="relu"), widths), components(), SamplingOptions(), SHELF)


def batch(text: str = "a photo of thing") -> Batch:
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    return Batch(latents=latents, texts=(text, text), weights=None)


def error_of(learner: Any, given: Batch) -> float:
    """For one draw of noise and timesteps."""
    steps = steps_of(learner, seed=7)
    with torch.no_grad(), learner.at_work():
        return float(steps._loss(given))


def steps_of(learner: Any, *, seed: int) -> _Steps:
    plan = TrainingPlan(steps=100, rates=Rates.parsed("0.01", 100))
    return _Steps(learner, plan, components(), Optimiser(learner.parameters).of_torch, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("make", "rate"), [(embedding, 0.05), (hypernetwork, 0.003)])
def test_steps_make_the_error_smaller(make: Any, rate: float) -> None:
    learner, given = make(), batch()
    before, steps = error_of(learner, given), steps_of(learner, seed=7)
    for number in range(12):
        steps._generator.manual_seed(7)
        steps.step([given], number, rate)
    assert error_of(learner, given) < before * 0.99 and learner.is_sound


def test_the_gradient_is_that_of_the_error() -> None:
    """Through the denoiser and the text encoder: what a small move of the vectors changes is what the gradient says."""
    learner, given = embedding(), batch()
    (vectors,) = learner.parameters
    with torch.enable_grad():
        steps_of(learner, seed=3)._loss(given).backward()
    assert vectors.grad is not None
    way = vectors.grad / vectors.grad.norm()

    def moved(much: float) -> float:
        with torch.no_grad():
            vectors.add_(way * much)
            found = float(steps_of(learner, seed=3)._loss(given))
            vectors.sub_(way * much)
        return found

    assert (moved(0.003) - moved(-0.003)) / 0.006 == pytest.approx(float(vectors.grad.norm()), rel=0.05)


def test_the_model_is_as_it_was() -> None:
    before = [parameter.clone() for module in components().modules() for parameter in module.parameters()]
    learner = hypernetwork()
    steps_of(learner, seed=1).step([batch()], 0, 0.01)
    after = [parameter for module in components().modules() for parameter in module.parameters()]
    assert all(torch.equal(*pair) for pair in zip(before, after)) and not any(each.requires_grad for each in after)
    assert not components().unet.is_gradient_checkpointing and not any(module._forward_pre_hooks for module in components().unet.modules())


def test_a_model_that_predicts_velocity_is_measured_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {}

    def answer(inputs: Tensor, timestep: Tensor, **_: Any) -> tuple[Tensor]:
        said["noisy"], said["at"] = inputs, timestep
        return (torch.zeros_like(inputs),)

    monkeypatch.setattr(components().unet, "forward", answer)
    learner, given = embedding(), batch()
    of_noise = float(steps_of(learner, seed=3)._loss(given))
    alpha = components().alphas_cumprod[said["at"]][:, None, None, None]
    noise = (said["noisy"] - alpha.sqrt() * given.latents) / (1 - alpha).sqrt()
    assert of_noise == pytest.approx(float(noise.square().mean()), rel=1e-3)
    object.__setattr__(components(), "prediction", Prediction.V)
    try:
        of_velocity = float(steps_of(learner, seed=3)._loss(given))
    finally:
        object.__setattr__(components(), "prediction", Prediction.EPSILON)
    assert of_velocity == pytest.approx(float((alpha.sqrt() * noise - (1 - alpha).sqrt() * given.latents).square().mean()), rel=1e-3)


def pictures(*sizes: tuple[int, int]) -> list[TrainingPicture]:
    return [TrainingPicture(words=f"tag{number}, more", mean=torch.full((4, *size), float(number)), spread=torch.zeros(4, *size), fixed=torch.full((4, *size), float(number)))
            for number, size in enumerate(sizes)]


def test_an_epoch_has_every_picture_once_and_one_size_in_a_batch() -> None:
    wording = Wording(lines=["a [name], [filewords]"], name="thing")
    found = PictureSet(pictures(*[(8, 8)] * 4, *[(8, 16)] * 2), wording, batch_size=2, chance=Chance())
    batches = list(found.epoch())
    assert sorted(float(value) for each in batches for value in each.latents[:, 0, 0, 0]) == [0, 1, 2, 3, 4, 5]
    assert all(text == f"a thing, tag{float(latent[0, 0, 0]):.0f}, more" for each in batches for latent, text in zip(each.latents, each.texts))


def test_what_fills_no_batch_is_completed_with_its_own_size() -> None:
    found = PictureSet(pictures(*[(8, 8)] * 3, (8, 16)), Wording(lines=["[name]"], name="x"), batch_size=2, chance=Chance())
    assert [len(each.latents) for each in found.epoch()] == [2, 2]
    assert PictureSet(pictures((8, 8)), Wording(lines=["[name]"], name="x"), batch_size=9, chance=Chance()).batch_size == 1


def test_captions_are_shuffled_and_dropped_where_asked() -> None:
    chance = random.Random(2)
    shuffled = {Wording(lines=["[filewords]"], name="x", shuffles=True).text("a,b,c", chance) for _ in range(60)}
    assert len(shuffled) == 6
    dropped = {Wording(lines=["[filewords]"], name="x", drops=0.5).text("a,b", chance) for _ in range(60)}
    assert dropped == {"a,b", "a", "b", ""}
    assert Wording(lines=["[filewords] by [name]"], name="x", drops=1.0).text("a,b", chance) == " by x"


def test_weights_say_where_an_error_counts() -> None:
    """Nothing of the unweighted half reaches the error."""
    learner, given = embedding(), batch()
    weights = torch.zeros(2, 1, 8, 8)
    weights[..., 4:] = 2
    even = error_of(learner, Batch(latents=given.latents, texts=given.texts, weights=torch.ones(2, 1, 8, 8)))
    half = error_of(learner, Batch(latents=given.latents, texts=given.texts, weights=weights))
    assert even == pytest.approx(error_of(learner, given)) and half != pytest.approx(even)


@pytest.mark.parametrize(("text", "rates"), [
    ("0.005", {0: 0.005, 99: 0.005}), ("0.1:10, 0.01:50, 1e-3", {0: 0.1, 9: 0.1, 10: 0.01, 49: 0.01, 50: 1e-3, 99: 1e-3}),
    ("0.1:10", {9: 0.1, 10: None}), ("0.1:-1", {99: 0.1}), ("0.1:1000, 0.2", {99: 0.1, 100: None}),
])
def test_rates_change_where_they_say(text: str, rates: dict[int, float | None]) -> None:
    found = Rates.parsed(text, 100)
    assert {step: found.at(step) for step in rates} == rates


@pytest.mark.parametrize("text", ["", "fast", "0.1:x", "nan", "-1", "inf", ","])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        Rates.parsed(text, 100)


def test_it_goes_on_where_it_stood_and_ends_when_told() -> None:
    told: list[StepReport] = []
    cancel, learner = CancelToken(), embedding()

    def after(report: StepReport) -> None:
        told.append(report)
        if report.done == 7:
            cancel.interrupt()

    found = PictureSet(pictures(*[(8, 8)] * 4), Wording(lines=["[name]"], name="thing"), batch_size=2, chance=Chance())
    plan = TrainingPlan(steps=10, first=4, rates=Rates.parsed("0.01", 10), accumulates=2, clipping="norm", clip_rates=Rates.parsed("0.1", 10))
    done = train(learner, found, plan, components(), optimiser=Optimiser(learner.parameters), chance=Chance(), told=after, cancel=cancel)
    assert done == 7 and [each.done for each in told] == [5, 6, 7] and {each.of for each in told} == {1}


def test_an_optimiser_goes_on_only_with_what_it_belongs_to() -> None:
    learner = embedding()
    optimiser = Optimiser(learner.parameters)
    _Steps(learner, TrainingPlan(steps=9, rates=Rates.parsed("0.01", 9)), components(), optimiser.of_torch, torch.Generator()).step([batch()], 0, 0.01)
    kept, fresh = optimiser.kept("mark"), Optimiser(learner.parameters)
    assert not fresh.take_up(kept, "other") and not fresh.take_up(b"rubbish", "mark") and not fresh.of_torch.state
    assert fresh.take_up(kept, "mark") and len(fresh.of_torch.state) == 1


def test_errors_that_are_no_numbers_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components().unet, "forward", lambda inputs, **_: (torch.full_like(inputs, float("nan")),))
    steps = steps_of(embedding(), seed=1)
    with pytest.raises(InvalidValue, match="no number"):
        for number in range(30):
            steps.step([batch()], number, 0.01)
    assert number == 19


def test_memory_that_runs_out_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks are then computed a second time, and later steps try no more."""
    calls, own = [], components().unet.forward

    def forward(*arguments: Any, **named: Any) -> Any:
        calls.append(components().unet.is_gradient_checkpointing)
        if len(calls) == 1:
            raise MemoryError
        return own(*arguments, **named)

    monkeypatch.setattr(components().unet, "forward", forward)
    monkeypatch.setattr(loop, "spare_bytes", lambda device: 10**12)
    learner = embedding()
    steps = steps_of(learner, seed=3)
    steps.step([batch()], 0, 0.01)
    steps.step([batch()], 1, 0.01)
    assert calls == [False, True, True] and learner.is_sound


def test_memory_that_is_not_there_at_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(*_: Any, **__: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(components().unet, "forward", forward)
    with pytest.raises(OutOfMemory, match="smaller"):
        steps_of(embedding(), seed=3).step([batch()], 0, 0.01)


def test_gradients_are_the_same_however_much_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for spare in (0, 10**12):
        monkeypatch.setattr(loop, "spare_bytes", lambda device, spare=spare: spare)
        learner = embedding()
        steps_of(learner, seed=3)._learnt(batch(), 1.0)
        found.append(learner.parameters[0].grad)
    assert torch.allclose(found[0], found[1], atol=1e-7)    # type: ignore[arg-type]
