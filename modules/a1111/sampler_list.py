"""A1111's lists of samplers and schedules, over the engine's registry."""
from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.kdiffusion import CompVisSampler, KDiffusionSampler
from modules.a1111.live import LiveDict
from modules.a1111.schedule_forms import schedule_for_extensions, schedule_of_extension
from modules.engine.sampler_contract import SamplerSpec
from modules.engine.sampler_registry import (
    add_sampler,
    add_schedule,
    find_sampler,
    remove_added_samplers,
    samplers,
    schedules,
    split_sampler_and_schedule,
)
from modules.schema.errors import InvalidValue, WebuiError

SamplerDataTuple = namedtuple("SamplerData", ["name", "constructor", "aliases", "options"])


class SamplerData(SamplerDataTuple):
    """name, constructor(model), aliases, options."""

    def total_steps(self, steps: int) -> int:
        return steps * 2 if self.options.get("second_order", False) else steps


@dataclass
class Scheduler:
    """A schedule by A1111's names. function(n, sigma_min, sigma_max, device) as k-diffusion has it; None for Automatic."""

    name: str
    label: str
    function: Any = None
    default_rho: float = -1
    need_inner_model: bool = False
    aliases: list[str] | None = None


# k-diffusion's functions, by which A1111's sampler objects call themselves
_FUNCTIONS = {
    "DPM++ 2M": "sample_dpmpp_2m", "DPM++ SDE": "sample_dpmpp_sde", "DPM++ 2M SDE": "sample_dpmpp_2m_sde", "DPM++ 2M SDE Heun": "sample_dpmpp_2m_sde",
    "DPM++ 2S a": "sample_dpmpp_2s_ancestral", "DPM++ 3M SDE": "sample_dpmpp_3m_sde", "Euler a": "sample_euler_ancestral", "Euler": "sample_euler",
    "LMS": "sample_lms", "Heun": "sample_heun", "DPM2": "sample_dpm_2", "DPM2 a": "sample_dpm_2_ancestral", "DPM fast": "sample_dpm_fast",
    "DPM adaptive": "sample_dpm_adaptive",
}  # fmt: skip


def _data(spec: SamplerSpec) -> SamplerData:
    options: dict[str, Any] = {"second_order": True} if spec.order == 2 else {}
    if spec.default_schedule:
        options["scheduler"] = spec.default_schedule.lower()
    if spec.discards_penultimate:
        options["discard_next_to_last_sigma"] = True
    if spec.brownian:
        options["brownian_noise"] = True
    if spec.uses_ensd:
        options["uses_ensd"] = True
    if spec.solver_type:
        options["solver_type"] = spec.solver_type

    def made(model: Any, spec: SamplerSpec = spec) -> Any:
        sampler = (CompVisSampler if spec.kind == "timestep" else KDiffusionSampler)(spec.name, model)
        sampler.funcname = _FUNCTIONS.get(spec.name, spec.name)
        return sampler

    return SamplerData(spec.name, made, list(spec.aliases), options)


all_samplers: list[SamplerData] = [_data(spec) for spec in samplers()]
all_samplers_map: dict[str, SamplerData] = {each.name: each for each in all_samplers}
samplers_map = LiveDict(lambda: {alias.lower(): each.name for each in all_samplers for alias in (each.name, *each.aliases)})
schedulers: list[Scheduler] = [
    Scheduler(each.name, each.label, None if each.name == "automatic" else schedule_for_extensions(each), -1 if each.default_rho is None else each.default_rho,
              each.needs_levels, list(each.aliases) or None)
    for each in schedules()
]  # fmt: skip
schedulers_map: dict[str, Scheduler] = {**{each.name: each for each in schedulers}, **{each.label: each for each in schedulers}}


def k_diffusion_samplers() -> list[SamplerData]:
    """Those whose steps are noise levels, not time steps."""
    return [_data(spec) for spec in samplers() if spec.kind != "timestep"]


def visible_samplers() -> list[SamplerData]:
    hidden = current().settings.get("hide_samplers") if is_occupied() else []
    return [each for each in all_samplers if each.name not in hidden]


def visible_sampler_names() -> list[str]:
    return [each.name for each in visible_samplers()]


def find_sampler_config(name: str | None) -> SamplerData | None:
    if name is None:
        return all_samplers[0]
    try:
        return all_samplers_map.get(name) or all_samplers_map[find_sampler(name).name]
    except WebuiError:
        return None


def get_sampler_from_infotext(infotext: dict[str, Any]) -> str | None:
    return get_sampler_and_scheduler(infotext.get("Sampler"), infotext.get("Schedule type"))[0]


def get_sampler_and_scheduler(sampler_name: str | None, scheduler_name: str | None, **_more: Any) -> tuple[str, str]:
    """Names as the lists have them, with an old name ("DPM++ 2M Karras") taken apart."""
    name, schedule = split_sampler_and_schedule(sampler_name or all_samplers[0].name, scheduler_name or "Automatic")
    config = find_sampler_config(name)
    found = schedulers_map.get(schedule) or schedulers[0]
    return (config.name if config else all_samplers[0].name), found.label


def create_sampler(name: str, model: Any) -> Any:
    """A sampler object for ``p.sampler``: what the constructor in the list makes."""
    config = find_sampler_config(name)
    if config is None:
        raise AssertionError(f"bad sampler name: {name}")
    sampler = config.constructor(model)
    sampler.config = config
    return sampler


def engine_sampler(name: Any) -> SamplerSpec | None:
    """The engine's sampler by its name, an alias, or the name of k-diffusion's function ("sample_dpmpp_2m")."""
    if not isinstance(name, str):
        return None
    short = name.removeprefix("sample_")
    for each in (name, f"k_{short}", short, f"k_{short.replace('_ancestral', '_a')}", f"k_{short.replace('adaptive', 'ad')}"):
        try:
            return find_sampler(each)
        except WebuiError:
            continue
    return None


def take_up_added(listed: Any = None) -> None:
    """Samplers and schedules that extensions put into the lists can be asked for from now on; ``live_sampler.py`` runs the samplers.

    listed: the list that an extension put in the place of ``all_samplers``, if one did.
    """
    if listed is not None and listed is not all_samplers:
        all_samplers[:] = [*listed, *(each for each in all_samplers if each not in listed)]
    remove_added_samplers()
    listed_last = {each[0]: each for each in all_samplers if isinstance(each, tuple) and len(each) >= 4}.values()      # of two of one name the later, as in A1111
    for each in [each for each in listed_last if engine_sampler(each[0]) is None]:      # asked before one is added: "X Karras" stands in the list beside an "X"
        all_samplers_map[each[0]] = each
        options = each[3] or {}
        add_sampler(SamplerSpec(
            name=str(each[0]), function=_by_its_extension, aliases=tuple(map(str, each[2] or ())), default_schedule=str(options.get("scheduler") or ""),
            order=2 if options.get("second_order") else 1, brownian=bool(options.get("brownian_noise")), ours=True,
        ))  # fmt: skip
    ours = {each.label for each in schedules()}
    for scheduler in {each.label: each for each in (*schedulers, *schedulers_map.values())}.values():
        if scheduler.label not in ours and callable(scheduler.function):
            add_schedule(schedule_of_extension(scheduler))


def _by_its_extension(denoise: Any, x: Any, sigmas: Any, **_more: Any) -> Any:
    raise InvalidValue("This sampler belongs to an extension, which has not made it ready.", "Choose another sampler.", field="sampler_name")


def request_name(name: Any, otherwise: str = "Euler") -> Any:
    """``name`` as the engine's request may have it: of a sampler that an extension added, the one that stands nearest to it."""
    if not isinstance(name, str) or name not in all_samplers_map or engine_sampler(name) is not None:
        return name
    for alias in all_samplers_map[name].aliases or ():
        if (found := engine_sampler(alias)) is not None:
            return found.name
    return otherwise


def samplers_of(names: list[str]) -> list[SamplerData]:
    return [all_samplers_map[name] for name in names if name in all_samplers_map]
