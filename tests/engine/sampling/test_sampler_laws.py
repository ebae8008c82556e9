"""Each sampler obeys the law it was made for, on data where the answer is known in closed form."""

from __future__ import annotations

import math

import pytest
import torch

from modules.engine.sampler_contract import SamplerSpec, StepInfo, Tuning
from modules.engine.sampler_registry import find_sampler, samplers
from tests.engine.sampling.gaussian import MEAN, SIGMA_MAX, SIGMA_MIN, SPREAD, CountedNoise, IdealDenoiser, log_spaced, ode_end, run, start

ODE = [spec for spec in samplers() if spec.name not in ("LCM", "ER SDE", "Restart")]      # with eta 0; these three draw noise all the same
SDE = [spec for spec in samplers() if (spec.eta_option == "ancestral" and spec.name not in ("TCD", "DPM adaptive")) or spec.name == "Restart"]
named = {"ids": lambda spec: spec.name}

ORDERS = {
    "Euler": 1, "Euler CFG++": 1, "DDIM": 1, "Gradient Estimation": 1, "Heun": 2, "DPM2": 2, "DPM2 a": 2, "DPM++ 2M": 2, "DPM++ 2S a": 2,
    "DPM++ SDE": 2, "DPM++ 2M SDE": 2, "DPM++ 2M SDE Heun": 2, "Res Multistep": 2, "Restart": 2, "DEIS": 3, "LMS": 3.5,
    "DPM++ 3M SDE": 2, "UniPC": 2, "DPM fast": 2,   # A1111's have a low-order step at an end, or in 3M a term that is not halved
}


def grid(spec: SamplerSpec, steps: int) -> torch.Tensor:
    return log_spaced(steps, with_zero=spec.grid == "range")


@pytest.mark.parametrize("spec", ODE, **named)
def test_without_fresh_noise_it_reaches_the_closed_form(spec: SamplerSpec) -> None:
    """For data N(m, s^2) the ideal denoiser is known, and so is where every ODE sampler must end."""
    x = start()
    end = run(spec, x, grid(spec, 300))
    assert torch.allclose(end, ode_end(x, SIGMA_MAX, SIGMA_MIN), atol=0.1 if spec.name == "DPM adaptive" else 0.02)   # adaptive: 5 % per step


@pytest.mark.parametrize("name", ORDERS, ids=str)
def test_order_of_convergence(name: str) -> None:
    """Half the step makes the error 2^order times smaller (some room for the first, low-order steps)."""
    spec, x = find_sampler(name), start()
    truth = ode_end(x, SIGMA_MAX, SIGMA_MIN)
    counts = (15, 19) if name == "Restart" else (60, 120)       # from 20 steps on, Restart also goes back up
    coarse, fine = (float((run(spec, x, grid(spec, count)) - truth).abs().max()) for count in counts)
    assert math.log(coarse / fine) / math.log(counts[1] / counts[0]) > ORDERS[name] - 0.2


@pytest.mark.parametrize("spec", SDE, **named)
def test_with_fresh_noise_it_keeps_the_distribution(spec: SamplerSpec) -> None:
    """Mean and spread of many samples are the data's."""
    x = start(count=50)
    end = run(spec, x, grid(spec, 80), eta=1.0)
    assert float(end.mean()) == pytest.approx(MEAN, abs=0.02)
    assert float(end.std()) == pytest.approx(math.hypot(SPREAD, SIGMA_MIN), rel=0.04)


@pytest.mark.parametrize("spec", [each for each in SDE if each.name not in ("ER SDE", "Restart")], **named)
def test_eta_zero_is_the_flow_and_draws_nothing_that_counts(spec: SamplerSpec) -> None:
    x = start(count=4)
    assert torch.equal(run(spec, x, grid(spec, 12)), run(spec, x, grid(spec, 12), s_noise=5.0))


@pytest.mark.parametrize("name", ["Euler", "Heun", "DPM2", "HeunPP2"])
def test_churn_keeps_the_distribution(name: str) -> None:
    x = start(count=50)
    end = run(find_sampler(name), x, log_spaced(80), s_churn=8.0)
    assert float(end.std()) == pytest.approx(math.hypot(SPREAD, SIGMA_MIN), rel=0.06)


@pytest.mark.parametrize("name", ["Euler", "Heun", "DPM2"])
def test_churn_draws_at_every_step_and_acts_within_its_range(name: str) -> None:
    """The stream must not depend on the range, or a changed s_tmax would change all later noise."""
    x, spec, sigmas = start(count=4), find_sampler(name), log_spaced(10)
    noise = CountedNoise(x)
    out = spec.function(IdealDenoiser(), x, sigmas, noise=noise, on_step=lambda info: None, tuning=Tuning(s_churn=3.0, s_tmin=1e6))
    assert noise.draws == 10
    assert torch.equal(out, run(spec, x, sigmas))


def test_lcm_forgets_where_it_was() -> None:
    """Each step is a jump to the prediction and fresh noise: the variance follows a recursion of one line."""
    sigmas = log_spaced(5, with_zero=True)
    variance = SPREAD**2 + SIGMA_MAX**2
    for sigma, following in zip(sigmas.tolist(), sigmas.tolist()[1:]):
        variance = variance * (SPREAD**2 / (SPREAD**2 + sigma**2)) ** 2 + following**2
    end = run(find_sampler("LCM"), start(count=50), sigmas)
    assert float(end.std()) == pytest.approx(math.sqrt(variance), rel=0.03)


@pytest.mark.parametrize("name", ["LCM", "TCD"])
def test_a_consistency_sampler_ends_on_the_prediction(name: str) -> None:
    seen: list[StepInfo] = []
    end = run(find_sampler(name), start(), log_spaced(4, with_zero=True), eta=1.0, steps=seen)
    assert torch.equal(end, seen[-1].denoised)


def test_dpm_adaptive_takes_its_own_number_of_steps() -> None:
    spec, x = find_sampler("DPM adaptive"), start()
    few, many = run(spec, x, log_spaced(3, with_zero=True)), run(spec, x, log_spaced(50, with_zero=True))
    assert torch.allclose(few, many, atol=1e-9)


def test_dpm_adaptive_ends_when_the_model_is_spoilt() -> None:
    class Spoilt(IdealDenoiser):
        def __call__(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            return x * math.nan

    x = start(count=2)
    out = find_sampler("DPM adaptive").function(Spoilt(), x, log_spaced(5, with_zero=True), noise=CountedNoise(x), on_step=lambda info: None, tuning=Tuning())
    assert not torch.isfinite(out).any()


@pytest.mark.parametrize("steps", [1, 2, 3, 20, 36])
@pytest.mark.parametrize("spec", samplers(), **named)
def test_any_number_of_steps_works(spec: SamplerSpec, steps: int) -> None:
    """The page allows 1 to 150; steps are numbered from 0 without gaps in the order in which they come."""
    seen: list[StepInfo] = []
    with_zero = spec.kind == "sigma"
    sigmas = log_spaced(steps - with_zero, with_zero=with_zero) if steps > 1 or not with_zero else torch.tensor([SIGMA_MAX, 0.0], dtype=torch.float64)
    end = run(spec, start(count=2), sigmas, eta=1.0, steps=seen)
    assert torch.isfinite(end).all()
    assert [info.index for info in seen] == sorted(info.index for info in seen)


@pytest.mark.parametrize("spec", [each for each in samplers() if each.name != "DPM adaptive"], **named)
def test_model_calls_per_step_are_as_the_spec_says(spec: SamplerSpec) -> None:
    denoiser, x = IdealDenoiser(), start(count=2)
    spec.function(denoiser, x, log_spaced(12, with_zero=spec.kind == "sigma"), noise=CountedNoise(x), on_step=lambda info: None, tuning=Tuning())
    assert denoiser.calls / 12 == pytest.approx(spec.order, abs=0.35)


@pytest.mark.parametrize("spec", [each for each in samplers() if each.name != "DPM adaptive"], **named)
def test_a_batch_of_four_equals_four_singles(spec: SamplerSpec) -> None:
    """No sampler mixes images (DPM adaptive does: it takes one step size for all, as A1111's)."""
    batch = torch.cat([start(count=4, seed=seed) for seed in range(4)])
    sigmas = grid(spec, 10)

    def sampled(x: torch.Tensor, rows: slice) -> torch.Tensor:
        noise = CountedNoise(batch)
        return spec.function(IdealDenoiser(), x, sigmas, noise=lambda a, b: noise(a, b)[rows], on_step=lambda info: None, tuning=Tuning())

    whole = sampled(batch, slice(None))
    for index in range(4):
        assert torch.allclose(whole[index : index + 1], sampled(batch[index : index + 1], slice(index, index + 1)), atol=1e-12)


def test_dpm_fast_counts_its_evaluations_for_the_progress_and_its_steps_for_a1111s_callbacks() -> None:
    """ControlNet's windows and extensions go by the second: `state.sampling_step` rises by one for each step of order 3."""
    seen: list[StepInfo] = []
    run(find_sampler("DPM fast"), start(count=2), log_spaced(6, with_zero=True), steps=seen)
    assert [each.index for each in seen] == [2, 5, 6] and [each.counted for each in seen] == [0, 1, 2]
