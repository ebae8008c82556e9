"""Names: A1111's list in its order, its aliases, the old names with a schedule in them, and a clear no."""

from __future__ import annotations

from typing import Any

import pytest

from modules.engine.sampler_contract import SamplerSpec
from modules.engine.sampler_registry import find_sampler, find_schedule, resolve_schedule, samplers, schedules, split_sampler_and_schedule
from modules.schema.errors import UnknownName
from tests.golden.cases import a1111_said


def test_samplers_begin_with_a1111s_list() -> None:
    theirs = a1111_said("api/samplers")
    ours = [spec for spec in samplers() if not spec.ours]
    assert [spec.name for spec in samplers()][: len(theirs)] == [each["name"] for each in theirs]
    for spec, entry in zip(ours, theirs):
        options = entry["options"]
        assert list(spec.aliases) == entry["aliases"]
        assert find_schedule(spec.default_schedule or "Automatic").name == options.get("scheduler", "automatic")
        assert (spec.order == 2) == ("second_order" in options)
        assert spec.brownian == ("brownian_noise" in options)
        assert spec.discards_penultimate == ("discard_next_to_last_sigma" in options)
        assert spec.uses_ensd == ("uses_ensd" in options)
        assert spec.solver_type == options.get("solver_type", "")


def test_schedules_begin_with_a1111s_list() -> None:
    for spec, entry in zip(schedules(), a1111_said("api/schedulers"), strict=False):
        assert (spec.name, spec.label, list(spec.aliases) or None) == (entry["name"], entry["label"], entry["aliases"])
        assert (-1.0 if spec.default_rho is None else spec.default_rho) == entry["default_rho"]
        assert spec.needs_levels == entry["need_inner_model"]


def test_no_two_samplers_share_a_name() -> None:
    names = [name.casefold() for spec in samplers() for name in {spec.name, *spec.aliases}]
    folded = [name for name in names if names.count(name) > 1]
    assert set(folded) <= {spec.name.casefold() for spec in samplers()}     # "DDIM" and its alias "ddim"


@pytest.mark.parametrize("spec", samplers(), ids=lambda spec: spec.name)
def test_every_name_finds_its_sampler(spec: SamplerSpec) -> None:
    for name in (spec.name, spec.name.upper(), f" {spec.name} ", *spec.aliases):
        assert find_sampler(name) is spec


@pytest.mark.parametrize(("name", "schedule", "expected"), [
    ("DPM++ 2M Karras", "Automatic", ("DPM++ 2M", "Karras")),
    ("DPM++ 2M SDE Heun Exponential", "", ("DPM++ 2M SDE Heun", "Exponential")),
    ("DPM++ 2M SDE Heun", "Automatic", ("DPM++ 2M SDE Heun", "Automatic")),
    ("DPM2 a Karras", "Automatic", ("DPM2 a", "Karras")),
    ("Euler a", "Karras", ("Euler a", "Karras")),
    ("k_euler_a", "Automatic", ("Euler a", "Automatic")),
    ("DPM++ 2M Karras", "Simple", ("DPM++ 2M", "Simple")),
    ("DPM++ SDE karras", "Automatic", ("DPM++ SDE", "Karras")),
    ("DDIM", "Automatic", ("DDIM", "Automatic")),
    ("Euler a Automatic", "Automatic", ("Euler a", "Automatic")),       # as programs put both together
    ("Nope Karras", "Automatic", ("Nope Karras", "Automatic")),
    ("dpmpp_2m_karras", "Automatic", ("DPM++ 2M", "Karras")),           # ComfyUI's, as its savers write them
    ("euler_ancestral_normal", "Automatic", ("Euler a", "Normal")),
    ("dpmpp_2m_sde_gpu", "sgm_uniform", ("DPM++ 2M SDE", "SGM Uniform")),
    ("DPM++ 2M SDE Karras", "karras", ("DPM++ 2M SDE", "Karras")),      # Fooocus' "Scheduler: karras"
    ("dpm_2_ancestral", "Automatic", ("DPM2 a", "Automatic")),
    ("ddim_ddim_uniform", "Automatic", ("DDIM", "DDIM")),
    ("uni_pc_bh2_simple", "Automatic", ("UniPC", "Simple")),
    ("euler_a", "Automatic", ("Euler a", "Automatic")),                 # SD.Next's
    ("DPM++ 2S Ancestral Karras", "Automatic", ("DPM++ 2S a", "Karras")),   # Draw Things'
    ("k_dpmpp_2m_ka", "Automatic", ("DPM++ 2M", "Karras")),             # older A1111's, in programs that call its API
    ("k_dpm_2_a_ka", "", ("DPM2 a", "Karras")),
    ("k_dpmpp_2m_sde_heun_exp", "Automatic", ("DPM++ 2M SDE Heun", "Exponential")),
])
def test_old_names_are_split(name: str, schedule: str, expected: tuple[str, str]) -> None:
    assert split_sampler_and_schedule(name, schedule) == expected


def test_automatic_is_the_samplers_own_schedule() -> None:
    assert resolve_schedule(find_sampler("DPM++ 2M"), "Automatic").label == "Karras"
    assert resolve_schedule(find_sampler("DPM++ 2M"), "Uniform").label == "Uniform"
    assert resolve_schedule(find_sampler("Euler"), "Automatic").label == "Automatic"


@pytest.mark.parametrize("find", [find_sampler, find_schedule])
def test_an_unknown_name_is_refused_with_the_nearest(find: Any) -> None:
    with pytest.raises(UnknownName, match="Did you mean"):
        find("Karas" if find is find_schedule else "Euler b")
