"""What scripts change on ``p`` after the run began: it holds from the batch at work on, and pictures' texts tell it, as in A1111."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from modules.a1111.sampler_list import request_name
from modules.application.engine_inputs import resolve_options
from modules.engine.hooks import SamplingFacts
from modules.engine.sampler_registry import AUTOMATIC, find_sampler, resolve_schedule
from modules.engine.upscale import LATENT_UPSCALERS

if TYPE_CHECKING:
    from modules.a1111.settings_of_run import SettingsOfRun
    from modules.application.run_facts import FactsWriter
    from modules.engine.hooks import GeneratedImage
    from modules.engine.resolved import ResolvedRequest, SamplingOptions

# names on ``p`` -> fields of the resolved request's parts. A1111 draws the noise of a batch, and with it the size, before scripts are asked.
_WHOLE = {"steps": ("steps",), "denoising_strength": ("denoising_strength",)}
_TOLD = {"cfg_scale": ("guidance_scale",)}
_OPTIONS = {"eta": ("eta_ancestral", "eta_ddim"), "initial_noise_multiplier": ("initial_noise_multiplier",),
            **{name: (name,) for name in ("s_churn", "s_tmin", "s_tmax", "s_noise", "s_min_uncond")}}  # fmt: skip
# acts where each pass asks for it, or not at all: A1111 has read it before scripts are asked, and reads it again for the text
_IN_TEXT = {"width": ("width",), "height": ("height",), "subseed_strength": ("variation_strength",), "seed_resize_from_w": ("seed_resize_width",), "seed_resize_from_h": ("seed_resize_height",)}
_TILING = {"tiling": ("tiling",)}
# options that A1111 reads once, before the first batch or into ``p``
_READ_EARLY = frozenset({"tiling", "token_merging_ratio", "initial_noise_multiplier", "colour_correction", "inpainting_mask_weight", "background_colour",
                         "img2img_upscaler", "s_min_uncond", "use_old_hires_size"})  # fmt: skip
_WITH_THE_BATCH = frozenset({"noise_schedule", "use_downcasted_alpha_bar"})       # A1111 makes the model's noise levels before ``p.sample``
_HIRES = {"hr_second_pass_steps": ("steps",), "hr_sampler_name": ("sampler_name",), "hr_scheduler": ("schedule_name",), "enable_hr": ("enabled",),
          "hr_upscale_to_x": ("resize_width",), "hr_upscale_to_y": ("resize_height",)}  # fmt: skip
_MODE = "latent_scale_mode"
_SAMPLER = {"sampler_name": ("sampler_name",), "scheduler": ("schedule_name",)}
_SAME = (None, "", "Use same sampler", "Use same scheduler")


class BatchChanges:
    """Of one run of ``p``. What is None now, or no number where one stood, is passed over."""

    def __init__(self, p: Any, settings: SettingsOfRun) -> None:
        self._p, self._settings = p, settings
        self._begun: dict[str, Any] | None = None
        self._options: SamplingOptions | None = None
        self._mark: Any = None
        self._sampled: SamplingOptions | None = None        # those that the batch at work is sampled by

    def begin_batch(self) -> None:
        self._sampled = None

    def begin(self) -> None:
        """``process`` was called: what stands on ``p`` and in the settings now is in the request."""
        self._begun = {name: getattr(self._p, name, None) for part in (_WHOLE, _TOLD, _IN_TEXT, _TILING, _OPTIONS, _HIRES, _SAMPLER) for name in part}
        self._begun[_MODE] = getattr(self._p, _MODE, None)
        self._begun["tiling"] = self._p.writer.request.options.tiling
        self._options, self._mark = self._options_now(), self._settings.mark()

    def request(self, request: ResolvedRequest, *, told: bool = False) -> ResolvedRequest:
        """``request`` with what was changed. told: as its text is to have it."""
        whole = self._changed(_WHOLE | _TOLD | _IN_TEXT if told else _WHOLE)
        options, hires = self._changed(_OPTIONS | _TILING if told else _OPTIONS), self._hires_changes()
        if self._settings.mark() == self._mark:
            self._sampled = self._sampled or self._options
        else:
            options = self._late_options(told) | options
            whole |= {"refiner": replace(request.refiner, switch_by_sample_steps=self._settings.get("refiner_switch_by_sample_steps"),
                                         hires_pass=self._settings.get("hires_fix_refiner_pass"))}  # fmt: skip
        if not whole and not options and not hires:
            return request
        hires = {} if request.is_img2img or told else {name: request_name(value) if name == "sampler_name" else value for name, value in hires.items()}
        return replace(request, **whole, options=replace(request.options, **options), hires=replace(request.hires, **hires))

    def _hires_changes(self) -> dict[str, Any]:
        """Of a size both sides count, as they are, and the way latents are enlarged is the upscaler that does it so."""
        found, p, begun = self._changed(_HIRES), self._p, self._begun or {}
        if "resize_width" in found or "resize_height" in found:
            found |= {"resize_width": int(p.hr_upscale_to_x), "resize_height": int(p.hr_upscale_to_y), "stretched": (int(p.truncate_x), int(p.truncate_y))}
        mode = getattr(p, "latent_scale_mode", None)
        if begun.get(_MODE) and isinstance(mode, dict) and mode != begun[_MODE]:
            asked = mode.get("mode"), bool(mode.get("antialias"))
            named = next((each.name for each in LATENT_UPSCALERS if (each.mode, each.antialias) == asked), None)
            found |= {} if named is None else {"upscaler": named}
        return found

    def _options_now(self) -> SamplingOptions:
        return resolve_options(self._p.writer.asked, self._settings)

    def _late_options(self, told: bool) -> dict[str, Any]:
        """The options that scripts set since the run began, as far as A1111 has not read them by then."""
        now, fixed, sampled = self._options_now(), frozenset({"tiling"}) if told else _READ_EARLY, self._sampled
        if sampled is not None:
            kept = _WITH_THE_BATCH | ({"skip_early_cond"} if told else frozenset())
            now = replace(now, **{name: getattr(sampled, name) for name in kept})
        if not told:
            self._sampled = now
        return {each.name: value for each in fields(now) if each.name not in fixed and (value := getattr(now, each.name)) != getattr(self._options, each.name)}

    def writer(self, writer: FactsWriter) -> FactsWriter:
        """Who writes the texts of the batch at work."""
        return replace(writer, request=self.request(writer.request, told=True))

    def used(self, facts: SamplingFacts) -> SamplingFacts:
        """``facts`` as the text has them."""
        sampler = self._changed(_SAMPLER)
        return _with(facts, sampler) if sampler else facts

    def text(self, writer: FactsWriter, image: GeneratedImage) -> str:
        """The parameters of a picture of the batch at work."""
        image = image if image.facts is None else replace(image, facts=self.used(image.facts))
        return self.writer(writer).infotext(image)

    def _changed(self, names: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, targets in names.items() if self._begun is not None else ():
            before, now = self._begun[name], getattr(self._p, name, None)     # type: ignore[index]
            if now is before or now in _SAME or not _is_of_its_kind(now, before) or now == before:
                continue
            found |= dict.fromkeys(targets, 0.0 if now == math.inf else now)      # ours says 0 for no end
        return found


def _is_of_its_kind(now: Any, before: Any) -> bool:
    """Numbers for numbers, and plain ones: a number of an extension's making says at each product what it is."""
    if isinstance(before, str):
        return isinstance(now, str)
    return type(now) in (int, float, bool) and (before is None or isinstance(before, int | float))


def _with(used: SamplingFacts, changed: Mapping[str, Any]) -> SamplingFacts:
    """By another sampler: "Automatic" means its own schedule then."""
    name, schedule = str(changed.get("sampler_name", used.sampler_name)), str(changed.get("schedule_name", used.schedule_name))
    spec = find_sampler(str(request_name(name)))
    if "schedule_name" not in changed and spec.kind == "sigma" and schedule in (AUTOMATIC, resolve_schedule(find_sampler(used.sampler_name), AUTOMATIC).label):
        schedule = resolve_schedule(spec, AUTOMATIC).label
    return replace(used, sampler_name=name, schedule_name=schedule)
