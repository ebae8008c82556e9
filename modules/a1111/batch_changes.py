"""What scripts change on ``p`` after the run began: it holds from the batch at work on, and pictures' texts tell it, as in A1111."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from modules.a1111.sampler_list import request_name
from modules.engine.hooks import SamplingFacts

if TYPE_CHECKING:
    from modules.application.run_facts import FactsWriter
    from modules.engine.hooks import GeneratedImage
    from modules.engine.resolved import ResolvedRequest

# names on ``p`` -> fields of the resolved request's parts. A1111 draws the noise of a batch, and with it the size, before scripts are asked.
_WHOLE = {"steps": ("steps",), "denoising_strength": ("denoising_strength",)}
_TOLD = {"cfg_scale": ("guidance_scale",)}      # acts where each pass asks for it
_OPTIONS = {"eta": ("eta_ancestral", "eta_ddim"), "initial_noise_multiplier": ("initial_noise_multiplier",),
            **{name: (name,) for name in ("s_churn", "s_tmin", "s_tmax", "s_noise", "s_min_uncond")}}  # fmt: skip
_HIRES = {"hr_second_pass_steps": ("steps",), "hr_sampler_name": ("sampler_name",), "hr_scheduler": ("schedule_name",), "enable_hr": ("enabled",)}
_SAMPLER = {"sampler_name": ("sampler_name",), "scheduler": ("schedule_name",)}
_SAME = (None, "", "Use same sampler", "Use same scheduler")


class BatchChanges:
    """Of one run of ``p``. What is None now, or no number where one stood, is passed over."""

    def __init__(self, p: Any) -> None:
        self._p = p
        self._begun: dict[str, Any] | None = None

    def begin(self) -> None:
        """``process`` was called: what stands on ``p`` now is in the request."""
        self._begun = {name: getattr(self._p, name, None) for part in (_WHOLE, _TOLD, _OPTIONS, _HIRES, _SAMPLER) for name in part}

    def request(self, request: ResolvedRequest, *, told: bool = False) -> ResolvedRequest:
        """``request`` with what was changed. told: as its text is to have it."""
        whole, options, hires = self._changed(_WHOLE | _TOLD if told else _WHOLE), self._changed(_OPTIONS), self._changed(_HIRES)
        if not whole and not options and not hires:
            return request
        hires = {} if request.is_img2img or told else {name: request_name(value) if name == "sampler_name" else value for name, value in hires.items()}
        return replace(request, **whole, options=replace(request.options, **options), hires=replace(request.hires, **hires))

    def text(self, writer: FactsWriter, image: GeneratedImage) -> str:
        """The parameters of a picture of the batch at work."""
        used, sampler = image.facts, self._changed(_SAMPLER)
        if used is not None and sampler:
            image = replace(image, facts=_with(used, sampler))
        return replace(writer, request=self.request(writer.request, told=True)).infotext(image)

    def _changed(self, names: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, fields in names.items() if self._begun is not None else ():
            before, now = self._begun[name], getattr(self._p, name, None)     # type: ignore[index]
            if now is before or now in _SAME or not _is_of_its_kind(now, before) or now == before:
                continue
            found |= dict.fromkeys(fields, 0.0 if now == math.inf else now)      # ours says 0 for no end
        return found


def _is_of_its_kind(now: Any, before: Any) -> bool:
    """Numbers for numbers, and plain ones: a number of an extension's making says at each product what it is."""
    if isinstance(before, str):
        return isinstance(now, str)
    return type(now) in (int, float, bool) and (before is None or isinstance(before, int | float))


def _with(used: SamplingFacts, sampler: Mapping[str, Any]) -> SamplingFacts:
    return replace(used, sampler_name=str(sampler.get("sampler_name", used.sampler_name)), schedule_name=str(sampler.get("schedule_name", used.schedule_name)))
