"""Schedules are A1111's to the last bit, and hold for any number of steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from modules.engine.beta_distribution import beta_quantile
from modules.engine.noise_levels import NoiseLevels, adjusted_alphas, noise_levels
from modules.engine.pass_grid import GridRequest, make_grid, strength_steps
from modules.engine.resolved import SamplingOptions
from modules.engine.sampler_registry import find_sampler, resolve_schedule, schedules, split_sampler_and_schedule
from modules.engine.schedules import ScheduleInput, ScheduleSpec
from modules.loading.components import scaled_linear_alphas
from tests.golden.cases import Case, cases

ALPHAS = scaled_linear_alphas((0.00085, 0.012))
LEVELS = noise_levels(ALPHAS)
OPTION_NAMES = {
    "always_discard_next_to_last_sigma": "discard_penultimate_sigma", "use_old_karras_scheduler_sigmas": "use_old_karras_sigmas",
    "sigma_min": "sigma_min", "sigma_max": "sigma_max", "rho": "rho",
}
TXT2IMG = [case for case in cases() if case.endpoint.endswith("txt2img") and case.name != "sampler-alias-k-euler-a"]


def levels_of(case: Case, lcm: bool) -> NoiseLevels:
    alphas = adjusted_alphas(ALPHAS, downcast=False, zero_terminal_snr="sd_noise_schedule" in case.settings)
    return noise_levels(alphas, stride=20 if lcm else 1)


def grid_request(case: Case) -> GridRequest:
    request = case.request
    sampler_name, schedule_name = split_sampler_and_schedule(request["sampler_name"], request["scheduler"] or "Automatic")
    sampler = find_sampler(sampler_name)
    options = SamplingOptions(**{OPTION_NAMES[key]: value for key, value in case.settings.items() if key in OPTION_NAMES})
    levels = levels_of(case, sampler.lcm_levels)
    return GridRequest(sampler=sampler, schedule=resolve_schedule(sampler, schedule_name), steps=request["steps"], levels=levels, options=options)


@pytest.mark.golden
@pytest.mark.parametrize("case", [case for case in TXT2IMG if "sigmas" in case.arrays], ids=str)
def test_sigmas_are_a1111s_bit_for_bit(case: Case) -> None:
    assert np.array_equal(make_grid(grid_request(case)).whole.numpy(), case.arrays["sigmas"])


@pytest.mark.golden
@pytest.mark.parametrize("case", [case for case in TXT2IMG if "timesteps" in case.arrays], ids=str)
def test_timesteps_are_a1111s(case: Case) -> None:
    request = grid_request(case)
    found = [request.levels.timestep(sigma) for sigma in make_grid(request).whole.flip(0).tolist()]
    assert found == case.arrays["timesteps"].tolist()


@pytest.mark.parametrize(("schedule", "told"), [("Automatic", {}), ("Karras", {"Schedule min sigma": 0.1, "Schedule max sigma": 10.0})])
def test_a_range_is_told_where_it_acts(schedule: str, told: dict[str, float]) -> None:
    """A text that names a range which the picture was not drawn with would be pasted as a setting."""
    sampler = find_sampler("Euler")
    asked = GridRequest(sampler=sampler, schedule=resolve_schedule(sampler, schedule), steps=4, levels=LEVELS, options=SamplingOptions(sigma_min=0.1, sigma_max=10.0))
    assert make_grid(asked).facts == told


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 11, 50, 150])
@pytest.mark.parametrize("spec", schedules(), ids=lambda spec: spec.name)
def test_a_schedule_falls_and_starts_at_its_top(spec: ScheduleSpec, steps: int) -> None:
    sigmas = spec.function(ScheduleInput(steps=steps, levels=LEVELS, sigma_min=LEVELS.sigma_min, sigma_max=LEVELS.sigma_max))
    assert sigmas.dtype == torch.float32
    assert (sigmas.diff() < 0).all()
    assert spec.name == "ddim" or len(sigmas) == steps + 1
    assert sigmas[0] <= LEVELS.sigma_max + 1e-3
    assert spec.name == "kl_optimal" or sigmas[-1] == 0


def test_one_step_of_align_your_steps_stands_at_the_tables_end() -> None:
    """A1111 joins the table from its end, and so has no more of it for one step: such pictures stay as they were made there."""
    spec = resolve_schedule(find_sampler("Euler"), "Align Your Steps")
    assert spec.function(ScheduleInput(steps=1, levels=LEVELS, sigma_min=LEVELS.sigma_min, sigma_max=LEVELS.sigma_max)).tolist() == pytest.approx([0.029, 0])


@pytest.mark.parametrize("timestep", [0, 1, 126, 500, 876, 998, 999])
def test_a_trained_timestep_survives_the_way_to_sigma_and_back(timestep: int) -> None:
    assert LEVELS.timestep(float(LEVELS.sigmas[timestep])) == timestep
    assert float(LEVELS.sigma_at(torch.tensor([timestep]))) == pytest.approx(float(LEVELS.sigmas[timestep]), rel=1e-6)


def test_timesteps_between_and_outside() -> None:
    assert LEVELS.timestep(float(LEVELS.sigma_at(torch.tensor([123.25])))) == pytest.approx(123.25, abs=1e-3)
    assert LEVELS.timestep(1e-6) == 0
    assert LEVELS.timestep(1e6) == 999
    assert noise_levels(ALPHAS, quantize=True).timestep(float(LEVELS.sigma_at(torch.tensor([123.25])))) == 123


def test_zero_terminal_snr_reaches_a1111s_last_sigma() -> None:
    assert noise_levels(adjusted_alphas(ALPHAS, downcast=False, zero_terminal_snr=True)).sigma_max == pytest.approx(4518.76, rel=1e-5)


@pytest.mark.parametrize(("alpha", "beta"), [(0.6, 0.6), (1, 1), (0.1, 2), (5, 0.3), (10, 10)])
def test_beta_quantiles_are_scipys(alpha: float, beta: float) -> None:
    for probability in np.linspace(0, 1, 21):
        assert beta_quantile(probability, alpha, beta) == pytest.approx(stats.beta.ppf(probability, alpha, beta), abs=1e-12)


@pytest.mark.parametrize(("steps", "strength", "fixed", "expected"), [
    (20, 0.75, False, (20, 16)), (20, 1.0, False, (20, 20)), (20, 0.0, False, (20, 1)), (8, 0.3, False, (8, 3)),
    (10, 0.4, True, (25, 10)), (10, 1.0, True, (10, 10)), (10, 0.0, True, (0, 0)),
])
def test_steps_of_a_pass_that_goes_on(steps: int, strength: float, fixed: bool, expected: tuple[int, int]) -> None:
    assert strength_steps(steps, strength, fixed) == expected
