"""The samplers and schedules that can be asked for, in A1111's order, by any of their names."""

from __future__ import annotations

from modules.engine import samplers_dpmpp, samplers_euler
from modules.engine.sampler_contract import SamplerSpec
from modules.engine.schedules import SCHEDULES, ScheduleSpec
from modules.schema.errors import UnknownName

AUTOMATIC = "Automatic"

SAMPLERS: tuple[SamplerSpec, ...] = (
    SamplerSpec(name="DPM++ 2M", function=samplers_dpmpp.dpmpp_2m, aliases=("k_dpmpp_2m",), default_schedule="Karras"),
    SamplerSpec(
        name="Euler a", function=samplers_euler.euler_ancestral, aliases=("k_euler_a", "k_euler_ancestral"),
        uses_noise=True, eta_option="ancestral",
    ),
    SamplerSpec(name="Euler", function=samplers_euler.euler, aliases=("k_euler",), churns=True, uses_s_noise=True),
)


def samplers() -> tuple[SamplerSpec, ...]:
    """All samplers, as they stand in the list."""
    return SAMPLERS


def schedules() -> tuple[ScheduleSpec, ...]:
    """All schedules, Automatic first."""
    return SCHEDULES


def find_sampler(name: str) -> SamplerSpec:
    """The sampler of this name, alias or old name with a schedule in it; upper and lower case are alike.

    Raises UnknownName with the nearest names.
    """
    wanted = split_sampler_and_schedule(name, AUTOMATIC)[0]
    found = _by_name(wanted)
    if found is None:
        raise UnknownName("sampler", name, [spec.name for spec in SAMPLERS])
    return found


def find_schedule(name: str) -> ScheduleSpec:
    """The schedule of this label, name or alias; upper and lower case are alike. Raises UnknownName."""
    wanted = name.strip().casefold() or AUTOMATIC.casefold()
    for spec in SCHEDULES:
        if wanted in (each.casefold() for each in (spec.name, spec.label, *spec.aliases)):
            return spec
    raise UnknownName("schedule type", name, [spec.label for spec in SCHEDULES])


def split_sampler_and_schedule(name: str, schedule: str) -> tuple[str, str]:
    """("DPM++ 2M Karras", "Automatic") -> ("DPM++ 2M", "Karras"): names from before schedules were a choice of their own.

    A schedule that the user chose wins over the one in the name; a schedule that means the same as Automatic becomes it.
    """
    name = name.strip()
    if _by_name(name) is None:
        for spec in SCHEDULES[1:]:
            for ending in (spec.label, spec.name, *spec.aliases):
                head = name[: -len(ending)].rstrip(" _")
                if name.casefold().endswith((" " + ending.casefold(), "_" + ending.casefold())) and _by_name(head):
                    name, schedule = head, spec.label if schedule in ("", AUTOMATIC) else schedule
                    break
    found = _by_name(name)
    return (found.name if found else name), schedule or AUTOMATIC


def resolve_schedule(sampler: SamplerSpec, name: str) -> ScheduleSpec:
    """The schedule to use: Automatic is the sampler's own, or the plain timestep schedule."""
    asked = find_schedule(name)
    return find_schedule(sampler.default_schedule) if asked.label == AUTOMATIC and sampler.default_schedule else asked


def _by_name(name: str) -> SamplerSpec | None:
    wanted = name.strip().casefold()
    for spec in SAMPLERS:
        if wanted in (each.casefold() for each in (spec.name, *spec.aliases)):
            return spec
    return None
