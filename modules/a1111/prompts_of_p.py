"""What ``p`` does with its prompts, by A1111's names: one for each picture, styles applied, and the conditionings that extensions ask it for."""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from modules.a1111.app_slot import current
from modules.a1111.patch_points import looked_up
from modules.a1111.prompt_names import SdConditioning, get_learned_conditioning, get_multicond_learned_conditioning
from modules.a1111.running import running_work
from modules.application.app import App
from modules.application.generation import with_usual_networks
from modules.application.paths import styles_files
from modules.application.settings_store import OverlaidSettings
from modules.engine.hires import hires_size
from modules.engine.prompt_comments import strip_comments
from modules.engine.resolved import ResolvedHires, ResolvedRequest
from modules.engine.sampler_registry import find_sampler
from modules.engine.styles import apply_styles, read_styles
from modules.engine.upscale import LATENT_UPSCALERS

_PARSER = "modules.prompt_parser"


def settings_of(p: Any) -> OverlaidSettings:
    """What holds for ``p``: its own settings over those of its job, or over the server's outside of one."""
    work = running_work()
    if work is None:
        return OverlaidSettings(_app().settings.table, _app().settings.changed(), dict(p.override_settings))
    return OverlaidSettings(work.app.settings.table, work.settings, dict(p.override_settings), work.overrides)


def fill_from_settings(p: Any) -> None:
    """``p.s_churn`` and its like, where they are None."""
    settings = settings_of(p)
    for name in ("s_min_uncond", "s_churn", "s_tmin", "s_tmax", "s_noise"):
        if getattr(p, name) is None:
            setattr(p, name, settings.get(name))
    p.s_tmax = p.s_tmax or math.inf


def set_up_prompts(p: Any) -> None:
    """``p.all_prompts`` and ``p.all_negative_prompts``: one for each picture, styles applied, comments taken out."""
    count = len(p.negative_prompt) if isinstance(p.negative_prompt, list) else p.batch_size * p.n_iter
    prompts = list(p.prompt) if isinstance(p.prompt, list) else [p.prompt] * count
    negatives = list(p.negative_prompt) if isinstance(p.negative_prompt, list) else [p.negative_prompt] * len(prompts)
    p.all_prompts, p.all_negative_prompts = _styled(p, prompts, negatives)
    p.main_prompt, p.main_negative_prompt = (each[0] if each else "" for each in (p.all_prompts, p.all_negative_prompts))


def set_up_hires_prompts(p: Any) -> None:
    """The same of the hires pass. Its prompts are the first pass's where it has none of its own."""
    own, own_negative = p.hr_prompt, p.hr_negative_prompt = p.hr_prompt or p.prompt, p.hr_negative_prompt or p.negative_prompt
    prompts = own if isinstance(own, list) else [own] * len(p.all_prompts)
    negatives = own_negative if isinstance(own_negative, list) else [own_negative] * len(p.all_prompts)
    p.all_hr_prompts, p.all_hr_negative_prompts = _styled(p, prompts, negatives)


def set_up_hires_size(p: Any) -> None:
    """``p.hr_upscale_to_x``, ``p.truncate_x`` and so on, and ``p.latent_scale_mode``: None where pictures are enlarged, not latents."""
    hires = ResolvedHires(enabled=True, scale=float(p.hr_scale or 1), resize_width=int(p.hr_resize_x or 0), resize_height=int(p.hr_resize_y or 0))
    size = hires_size(ResolvedRequest(width=int(p.width), height=int(p.height), hires=hires))
    (p.hr_upscale_to_x, p.hr_upscale_to_y), (p.truncate_x, p.truncate_y) = size.enlarged, size.cut
    known = next((each for each in LATENT_UPSCALERS if each.name == p.hr_upscaler), None)
    p.latent_scale_mode = None if known is None else {"mode": known.mode, "antialias": known.antialias}


def _styled(p: Any, prompts: Sequence[str], negatives: Sequence[str]) -> tuple[list[str], list[str]]:
    app, settings = _app(), settings_of(p)
    styles = read_styles(styles_files(app.paths)) if p.styles else {}
    clean = strip_comments if settings.get("enable_prompt_comments") else str
    styled = [apply_styles(prompt, negative, p.styles, styles)[:2] for prompt, negative in zip(prompts, negatives)]
    with_networks = [with_usual_networks(app, ResolvedRequest(prompt=clean(prompt)), settings).prompt for prompt, _ in styled]
    return with_networks, [clean(negative) for _, negative in styled]


def _app() -> App:
    work = running_work()
    return current() if work is None else work.app


# -- conditionings --------------------------------------------------------------------------------------------------------


def cached_params(p: Any, prompts: Any, steps: int, networks: Any, hires_steps: int | None, old_scheduling: bool) -> tuple[Any, ...]:
    """Where these are the same, the conditioning is."""
    settings = settings_of(p)
    return (prompts, steps, hires_steps, old_scheduling, settings.get("CLIP_stop_at_last_layers"), p.sd_model.sd_checkpoint_info, networks,
            settings.get("sdxl_crop_left"), settings.get("sdxl_crop_top"), p.width, p.height)  # fmt: skip


def conds_with_caching(
    p: Any, function: Callable[..., Any], prompts: Any, steps: int, caches: Sequence[list[Any]], networks: Any, hires_steps: int | None
) -> Any:
    """``function(sd_model, prompts, steps, hires_steps, old_scheduling)``, or what it gave before. Each cache: [of what, conditioning]."""
    old = bool(settings_of(p).get("use_old_scheduling"))
    key = p.cached_params(prompts, steps, networks, hires_steps, old)
    for cache in caches:
        if cache[0] is not None and cache[0] == key:
            return cache[1]
    caches[0][:] = [key, function(p.sd_model, prompts, steps, hires_steps, old)]
    return caches[0][1]


def set_up_conds(p: Any) -> None:
    """``p.c`` and ``p.uc`` of the batch's prompts, for an extension that wants them anew."""
    size = {"width": p.width, "height": p.height}
    steps = p.steps * find_sampler(p.sampler_name or "Euler").order
    p.step_multiplier = steps // p.steps
    for name, cache, reader, texts, negative in (
        ("uc", p.cached_uc, looked_up(_PARSER, "get_learned_conditioning", get_learned_conditioning), p.negative_prompts, True),
        ("c", p.cached_c, looked_up(_PARSER, "get_multicond_learned_conditioning", get_multicond_learned_conditioning), p.prompts, False),
    ):
        setattr(p, name, p.get_conds_with_caching(reader, SdConditioning(texts, is_negative_prompt=negative, **size), steps, [cache], p.extra_network_data))
