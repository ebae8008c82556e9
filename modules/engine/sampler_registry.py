"""The samplers and schedules that can be asked for, in A1111's order, by any of their names."""

from __future__ import annotations

from functools import cache

from modules.engine.sampler_contract import SamplerSpec
from modules.engine.samplers_cfgpp import dpmpp_2m_cfgpp, dpmpp_2s_ancestral_cfgpp, euler_cfgpp
from modules.engine.samplers_dpm import dpm_2, dpm_2_ancestral, dpm_adaptive, dpm_fast
from modules.engine.samplers_dpmpp import dpmpp_2m, dpmpp_2m_sde, dpmpp_2m_sde_heun, dpmpp_2s_ancestral, dpmpp_3m_sde, dpmpp_sde
from modules.engine.samplers_euler import euler, euler_ancestral, heun, lms
from modules.engine.samplers_other import lcm, restart, tcd
from modules.engine.samplers_ours import deis, er_sde, gradient_estimation, heunpp2, ipndm, res_multistep, res_multistep_ancestral
from modules.engine.samplers_timestep import ddim, ddim_cfgpp, plms, unipc
from modules.engine.schedules import SCHEDULES, ScheduleSpec
from modules.schema.errors import UnknownName

AUTOMATIC = "Automatic"

_SDE = {"brownian": True, "eta_option": "ancestral", "uses_s_noise": True}
_ANCESTRAL = {"eta_option": "ancestral", "uses_ensd": True}
_SECOND_ORDER_WITH_CHURN = {"order": 2, "churns": True, "uses_s_noise": True}

# fmt: off
SAMPLERS: tuple[SamplerSpec, ...] = (
    SamplerSpec(name="DPM++ 2M", function=dpmpp_2m, aliases=("k_dpmpp_2m",), default_schedule="Karras"),
    SamplerSpec(name="DPM++ SDE", function=dpmpp_sde, aliases=("k_dpmpp_sde",), default_schedule="Karras", order=2, **_SDE),
    SamplerSpec(name="DPM++ 2M SDE", function=dpmpp_2m_sde, aliases=("k_dpmpp_2m_sde",), default_schedule="Exponential", **_SDE),
    SamplerSpec(name="DPM++ 2M SDE Heun", function=dpmpp_2m_sde_heun, aliases=("k_dpmpp_2m_sde_heun",), default_schedule="Exponential", solver_type="heun", **_SDE),
    SamplerSpec(name="DPM++ 2S a", function=dpmpp_2s_ancestral, aliases=("k_dpmpp_2s_a",), default_schedule="Karras", order=2, uses_s_noise=True, **_ANCESTRAL),
    SamplerSpec(name="DPM++ 3M SDE", function=dpmpp_3m_sde, aliases=("k_dpmpp_3m_sde",), default_schedule="Exponential", discards_penultimate=True, **_SDE),
    SamplerSpec(name="Euler a", function=euler_ancestral, aliases=("k_euler_a", "k_euler_ancestral"), **_ANCESTRAL),
    SamplerSpec(name="Euler", function=euler, aliases=("k_euler",), churns=True, uses_s_noise=True),
    SamplerSpec(name="LMS", function=lms, aliases=("k_lms",)),
    SamplerSpec(name="Heun", function=heun, aliases=("k_heun",), **_SECOND_ORDER_WITH_CHURN),
    SamplerSpec(name="DPM2", function=dpm_2, aliases=("k_dpm_2",), default_schedule="Karras", discards_penultimate=True, **_SECOND_ORDER_WITH_CHURN),
    SamplerSpec(name="DPM2 a", function=dpm_2_ancestral, aliases=("k_dpm_2_a",), default_schedule="Karras", discards_penultimate=True, order=2, uses_s_noise=True, **_ANCESTRAL),
    SamplerSpec(name="DPM fast", function=dpm_fast, aliases=("k_dpm_fast",), grid="range", uses_s_noise=True, **_ANCESTRAL),
    SamplerSpec(name="DPM adaptive", function=dpm_adaptive, aliases=("k_dpm_ad",), grid="range", **_ANCESTRAL),
    SamplerSpec(name="Restart", function=restart, aliases=("restart",), default_schedule="Karras", order=2, adds_noise=True),
    SamplerSpec(name="DDIM", function=ddim, aliases=("ddim",), grid="timesteps", eta_option="ddim"),
    SamplerSpec(name="DDIM CFG++", function=ddim_cfgpp, aliases=("ddim_cfgpp",), grid="timesteps", eta_option="ddim", needs_uncond=True, guidance_factor=1 / 12.5),
    SamplerSpec(name="PLMS", function=plms, aliases=("plms",), grid="timesteps"),
    SamplerSpec(name="UniPC", function=unipc, aliases=("unipc",), grid="unipc"),
    SamplerSpec(name="LCM", function=lcm, aliases=("k_lcm",), lcm_levels=True),
    SamplerSpec(name="DEIS", function=deis, aliases=("deis",), ours=True),
    SamplerSpec(name="HeunPP2", function=heunpp2, aliases=("heunpp2",), order=3, churns=True, uses_s_noise=True, ours=True),
    SamplerSpec(name="IPNDM", function=ipndm, aliases=("ipndm",), ours=True),
    SamplerSpec(name="Res Multistep", function=res_multistep, aliases=("res_multistep",), ours=True),
    SamplerSpec(name="Res Multistep a", function=res_multistep_ancestral, aliases=("res_multistep_ancestral",), uses_s_noise=True, ours=True, **_ANCESTRAL),
    SamplerSpec(name="ER SDE", function=er_sde, aliases=("er_sde",), uses_s_noise=True, ours=True, **_ANCESTRAL),
    SamplerSpec(name="Gradient Estimation", function=gradient_estimation, aliases=("gradient_estimation",), ours=True),
    SamplerSpec(name="Euler CFG++", function=euler_cfgpp, aliases=("euler_cfg_pp",), needs_uncond=True, ours=True),
    SamplerSpec(name="Euler a CFG++", function=ddim_cfgpp, aliases=("euler_ancestral_cfg_pp",), needs_uncond=True, ours=True, **_ANCESTRAL),
    SamplerSpec(name="DPM++ 2M CFG++", function=dpmpp_2m_cfgpp, aliases=("dpmpp_2m_cfg_pp",), default_schedule="Karras", needs_uncond=True, ours=True),
    SamplerSpec(name="DPM++ 2S a CFG++", function=dpmpp_2s_ancestral_cfgpp, aliases=("dpmpp_2s_ancestral_cfg_pp",), default_schedule="Karras", order=2, needs_uncond=True, uses_s_noise=True, ours=True, **_ANCESTRAL),
    SamplerSpec(name="TCD", function=tcd, aliases=("tcd",), default_schedule="SGM Uniform", uses_s_noise=True, ours=True, **_ANCESTRAL),
)
# fmt: on


_OLD_ENDINGS = {"karras": ("ka",), "exponential": ("exp",)}     # of aliases from before schedules were a choice of their own: k_dpmpp_2m_ka
_added: list[SamplerSpec] = []                      # by extensions, for as long as the program runs
_added_schedules: list[ScheduleSpec] = []


def samplers() -> tuple[SamplerSpec, ...]:
    """All samplers, as they stand in the list; added ones last."""
    return (*SAMPLERS, *_added)


def add_sampler(spec: SamplerSpec) -> None:
    """Offer another sampler from now on; one of the same name that was added before goes."""
    _added[:] = [*(each for each in _added if each.name != spec.name), spec]
    _known.cache_clear()


def remove_added_samplers() -> None:
    """Only the program's own are left, of the schedules too."""
    _added.clear()
    _added_schedules.clear()
    _known.cache_clear()


def schedules() -> tuple[ScheduleSpec, ...]:
    """All schedules, Automatic first, added ones last."""
    return (*SCHEDULES, *_added_schedules)


def add_schedule(spec: ScheduleSpec) -> None:
    """Offer another schedule from now on."""
    _added_schedules.append(spec)


def find_sampler(name: str) -> SamplerSpec:
    """The sampler of this name, alias or old name with a schedule in it; upper and lower case are alike.

    Raises UnknownName with the nearest names.
    """
    wanted = split_sampler_and_schedule(name, AUTOMATIC)[0]
    found = _by_name(wanted)
    if found is None:
        raise UnknownName("sampler", name, [spec.name for spec in samplers()])
    return found


def find_schedule(name: str) -> ScheduleSpec:
    """The schedule of this label, name or alias; upper and lower case are alike. Raises UnknownName."""
    wanted = name.strip().casefold() or AUTOMATIC.casefold()
    for spec in schedules():
        if wanted in map(str.casefold, _names_of(spec)):
            return spec
    raise UnknownName("schedule type", name, [spec.label for spec in schedules()])


def split_sampler_and_schedule(name: str, schedule: str) -> tuple[str, str]:
    """("DPM++ 2M Karras", "Automatic") -> ("DPM++ 2M", "Karras"): names from before schedules were a choice of their own.

    A schedule that the user chose wins over the one in the name; a schedule that means the same as Automatic becomes it.
    """
    name = name.strip()
    if _by_name(name) is None:
        for spec in schedules():
            for ending in sorted((*_names_of(spec), *_OLD_ENDINGS.get(spec.name, ())), key=len, reverse=True):
                head = name[: -len(ending)].rstrip(" _")
                if name.casefold().endswith((" " + ending.casefold(), "_" + ending.casefold())) and _by_name(head):
                    name, schedule = head, spec.label if schedule in ("", AUTOMATIC) else schedule
                    break
    found, wanted = _by_name(name), schedule.strip().casefold()
    label = next((spec.label for spec in schedules() if wanted in map(str.casefold, _names_of(spec))), schedule)
    return (found.name if found else name), label or AUTOMATIC


def resolve_schedule(sampler: SamplerSpec, name: str, *, is_flow: bool = False) -> ScheduleSpec:
    """The schedule to use: Automatic is the sampler's own, or the plain timestep schedule; for flow models always their own, Simple."""
    asked = find_schedule(name)
    if is_flow and asked.label == AUTOMATIC:
        return find_schedule("simple")
    return find_schedule(sampler.default_schedule) if asked.label == AUTOMATIC and sampler.default_schedule else asked


def _names_of(spec: ScheduleSpec) -> tuple[str, ...]:
    return (spec.label, spec.name, *spec.aliases, *(("ddim_uniform",) if spec.name == "ddim" else ()))     # the last is ComfyUI's


def _by_name(name: str) -> SamplerSpec | None:
    wanted = name.strip().casefold()
    known = _known()
    return next((known[each] for each in (wanted, *_names_here(wanted)) if each in known), None)


@cache
def _known() -> dict[str, SamplerSpec]:
    """By every name in lower case; the first one of a name."""
    return {each.casefold(): spec for spec in reversed(samplers()) for each in (spec.name, *spec.aliases)}


def _names_here(name: str) -> tuple[str, ...]:
    """What a sampler of ComfyUI, SD.Next or Draw Things may be called here: "dpmpp_2s_ancestral" is k_dpmpp_2s_a, "Euler Ancestral" Euler a."""
    plain = name.removesuffix("_gpu").replace("uni_pc_bh2", "unipc").replace("uni_pc", "unipc")
    short = plain.replace("_ancestral", "_a").replace("_adaptive", "_ad").replace(" ancestral", " a")
    return plain, short, f"k_{plain}", f"k_{short}"
