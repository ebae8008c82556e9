"""``p.sample``, ``p.sample_hr_pass`` and ``sampler.sample`` of one batch: extensions replace them, and call A1111's own from there, once or often.

A1111's own are the engine's passes; what stands on ``p`` when they are called holds for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.finished_samples import DecodedSamples
from modules.a1111.latent_pictures import images_tensor_to_samples
from modules.a1111.live_sampler import LiveSampler
from modules.a1111.pass_conditioning import conditioning_of, in_a1111s_form
from modules.a1111.sampler_list import all_samplers_map, engine_sampler, request_name
from modules.compute.memory import is_out_of_memory
from modules.engine.batch_sampling import AskedPass, BatchSampling
from modules.engine.denoise_pass import DenoisePass
from modules.engine.hires import hires_steps
from modules.engine.hooks import BatchPlan, ImagePlan, is_over
from modules.engine.pass_outcome import PassOutcome
from modules.engine.sampler_contract import SamplerSpec
from modules.engine.sampler_registry import find_sampler, resolve_schedule
from modules.engine.upscale import LatentUpscaler
from modules.extension_host.host import file_of
from modules.extension_host.registry import sentence_of
from modules.schema.errors import WebuiError

_WHOLE = {"steps": "steps", "denoising_strength": "denoising_strength", "subseed_strength": "variation_strength", "seed_resize_from_w": "seed_resize_width",
          "seed_resize_from_h": "seed_resize_height", "width": "width", "height": "height"}  # fmt: skip
_HIRES = {"hr_second_pass_steps": "steps", "hr_scale": "scale", "hr_resize_x": "resize_width", "hr_resize_y": "resize_height", "hr_upscaler": "upscaler",
          "hr_upscale_to_x": "resize_width", "hr_upscale_to_y": "resize_height"}  # fmt: skip
_PROCESSING, _SAMPLERS = ("a1111", "processing.py"), ("a1111", "kdiffusion.py")


class ByHand:
    """bridge: the ScriptBridge of the run. given: hires -> the (c, uc) that the pass at work was called with."""

    def __init__(self, bridge: Any, sampling: BatchSampling) -> None:
        self.p = bridge.p
        self.given: dict[bool, tuple[Any, Any]] = {}
        self._bridge, self._sampling = bridge, sampling
        self._is_inside = False                      # of a sampler that is called by hand
        self._outcomes: list[PassOutcome] = []
        self._pixels: list[tuple[Any, Any]] = []     # (what was handed out in -1 .. 1, the same in 0 .. 1)
        self._begun = {name: getattr(self.p, name, None) for name in (*_WHOLE, *_HIRES)}

    # -- what was put in their place --------------------------------------------------------------------------------------

    def batch(self) -> PassOutcome | None:
        """By a replaced ``p.sample``; None where none was, or it failed."""
        p, function = self.p, replacement(self.p, "sample")
        if function is None:
            return None
        conditioning, start = self._sampling.encode(), self._sampling.start
        if p.scripts is None:
            p.c, p.uc = in_a1111s_form(conditioning)
        if start is not None:
            count, cond = len(self._sampling.plan.images), start.image_cond()
            self._bridge.start_ready(self._sampling.plan, start.latents[:count])
            p.image_conditioning = p.init_latent.new_zeros(len(p.init_latent), 5, 1, 1) if cond is None else cond[: len(p.init_latent)]
        return self._tried(function, "p.sample", lambda: function(conditioning=p.c, unconditional_conditioning=p.uc, **self._seeds()))

    def second(self, sampling: BatchSampling, first: Tensor | None) -> PassOutcome | None:
        """The hires pass by a replaced ``p.sample_hr_pass``."""
        p, function = self.p, replacement(self.p, "sample_hr_pass")
        if function is None:
            return None
        decoded = None
        if first is not None and not self._enlarges_latents():
            pixels = sampling.decoded(first)
            decoded = torch.stack(pixels) * 2 - 1
            self._pixels.append((decoded, pixels))
        try:
            return self._tried(function, "p.sample_hr_pass", lambda: function(first, decoded, *self._seeds().values()))
        finally:
            p.is_hr_pass = True

    def one_pass(self, made: Any, work: DenoisePass, hires: bool) -> PassOutcome | None:
        """By a sampler whose ``sample`` or ``sample_img2img`` was replaced."""
        name = "sample" if work.start is None else "sample_img2img"
        function = replacement(made, name, _SAMPLERS)
        if function is None or self._is_inside:
            return None
        p, steps = self.p, work.steps if hires else None
        given = (work.first_noise,) if work.start is None else (work.start, work.first_noise)
        cond = work.first_noise.new_zeros(len(work.first_noise), 5, 1, 1) if work.image_cond is None else work.image_cond
        words = (p.hr_c, p.hr_uc) if hires else (p.c, p.uc)
        if hasattr(p, "image_conditioning"):
            p.image_conditioning = cond
        return self._tried(function, f"sampler.{name}", lambda: function(p, *given, *words, steps=steps, image_conditioning=cond))

    def _seeds(self) -> dict[str, Any]:
        p = self.p
        return {"seeds": p.seeds, "subseeds": p.subseeds, "subseed_strength": p.subseed_strength, "prompts": p.prompts}

    def _enlarges_latents(self) -> bool:
        run = self._sampling.run
        hires = run.request.hires
        return isinstance(run.upscalers.find(hires.upscaler), LatentUpscaler) and run.models.is_in_use(hires.checkpoint_name)

    def _tried(self, function: Callable[..., Any], what: str, call: Callable[[], Any]) -> PassOutcome | None:
        before, self._outcomes = self._outcomes, []     # what comes of it is made of its own passes
        try:
            with trouble_of(function, what, self.p):
                return self._outcome(call())
        finally:
            self._outcomes = before
        return None

    def _outcome(self, found: Any) -> PassOutcome:
        run, made = self._sampling.run, self._outcomes
        calls, complete = sum(each.calls for each in made) or 1, all(each.complete for each in made) and not is_over(run.cancel)
        if getattr(found, "already_decoded", False):
            pixels = tuple(self._in_own_range(each) for each in found)
            latents = made[-1].latents if made else images_tensor_to_samples(torch.stack(pixels))
        elif isinstance(found, Tensor) and found.ndim == 4 and found.shape[1] == run.components.family.latent.channels:
            latents, pixels = found, next((each.pixels for each in made if each.latents is found), None)
        else:
            raise TypeError("it gave no latents")
        schedule = made[-1].schedule if made else resolve_schedule(run.sampler, run.schedule_name, is_flow=run.components.family.is_flow)
        return PassOutcome(latents=latents, complete=complete, schedule=schedule, calls=calls, pixels=pixels)

    def _in_own_range(self, picture: Tensor) -> Tensor:
        return next((own for known, own in self._pixels if known is picture), ((picture.float() + 1) / 2).clamp(0, 1))

    # -- A1111's own ------------------------------------------------------------------------------------------------------

    def whole(self, c: Any, uc: Any, seeds: Any, subseeds: Any) -> Any:
        """``p.sample``: latents (B, C, h, w); after a hires pass DecodedSamples."""
        self.p.is_hr_pass = False
        self.given[False] = (c, uc)
        sampling = self._now()
        sampling.run.models.use()
        outcome = sampling.whole(self._plan(seeds, subseeds))
        self._outcomes.append(outcome)
        return outcome.latents if outcome.pixels is None else DecodedSamples(self._handed_out(outcome.pixels))

    def hires(self, samples: Tensor | None, decoded: Any, seeds: Any, subseeds: Any) -> DecodedSamples:
        """``p.sample_hr_pass``."""
        pixels = None
        if decoded is not None:
            pixels = next((own for known, own in self._pixels if known is decoded), None) or [self._in_own_range(each) for each in decoded]
        sampling = self._now()
        outcome = sampling.second(self._plan(seeds, subseeds), samples, pixels)
        outcome = replace(outcome, pixels=tuple(sampling.decoded(outcome.latents)))
        self._outcomes.append(outcome)
        return DecodedSamples(self._handed_out(outcome.pixels or ()))

    def _handed_out(self, pixels: Sequence[Tensor]) -> list[Tensor]:
        found = [(each * 2 - 1, each) for each in pixels]
        self._pixels += found
        return [handed for handed, _ in found]

    def encode_hires(self) -> None:
        """``p.hr_c`` and ``p.hr_uc``."""
        conditioning = self._now().encode(hires=True)
        if self.p.scripts is None:
            self.p.hr_c, self.p.hr_uc = in_a1111s_form(conditioning)

    def by_sampler(self, p: Any, made: Any, x: Tensor, noise: Tensor | None, c: Any, uc: Any, steps: Any, image_cond: Any) -> Tensor:
        """``sampler.sample`` (noise None: x is the noise) and ``sampler.sample_img2img``: (B, C, h, w) of any size -> latents."""
        conditioning = conditioning_of(c, uc)
        if len(conditioning.positive) != len(x) or len(conditioning.negative) != len(x):
            raise ValueError(f"there are {len(conditioning.positive)} prompts and {len(conditioning.negative)} negative ones for {len(x)} latents")
        self._bridge.use_sampler(LiveSampler(p, hires=p.is_hr_pass, made=made))
        sampling, hires = self._now(p), bool(p.is_hr_pass)
        request, run = sampling.run.request, sampling.run
        return self._made_by_sampler(p, sampling, AskedPass(
            conditioning=conditioning, noise=x if noise is None else noise, sampler=_spec_of(made), schedule_name=_schedule(run.schedule_name, p, hires),
            steps=int(steps or (hires_steps(request) if hires else request.steps)), start=None if noise is None else x, hires=hires,
            denoising_strength=request.denoising_strength, fixed_steps=steps is not None or request.options.img2img_fix_steps, image_cond=image_cond,
        ))  # fmt: skip

    def launched(self, made: Any, steps: int, function: Callable[[], Tensor]) -> Tensor:
        """``function`` run as a pass of the engine's: it calls the sampler's denoiser. Its start is its own."""
        p, given = made.p, made.sampler_extra_args or {}
        x = made.last_latent if isinstance(made.last_latent, Tensor) else torch.zeros(len(p.seeds), *p.rng.shape)
        self._bridge.use_sampler(LiveSampler(p, hires=p.is_hr_pass, made=made, launched=function))
        return self._made_by_sampler(p, self._now(p), AskedPass(
            conditioning=conditioning_of(given["cond"], given["uncond"]), noise=torch.zeros_like(x), sampler=_spec_of(made), schedule_name=self._sampling.run.schedule_name,
            steps=steps, hires=bool(p.is_hr_pass), image_cond=given.get("image_cond"),
        ))  # fmt: skip

    def sigmas(self, p: Any, made: Any, steps: int) -> Tensor:
        sampling = self._now(p)
        return sampling.sigmas(_spec_of(made), _schedule(sampling.run.schedule_name, p, bool(p.is_hr_pass)), steps)

    def _made_by_sampler(self, p: Any, sampling: BatchSampling, work: AskedPass) -> Tensor:
        before, self._is_inside = self._is_inside, True
        try:
            outcome = sampling.asked(self._plan(p.seeds, p.subseeds, count=len(work.noise)), work)
        finally:
            self._is_inside = before
        self._outcomes.append(outcome)
        return outcome.latents

    def _now(self, p: Any = None) -> BatchSampling:
        """With what was changed on ``p``, or on the copy of it that is given, since the batch began."""
        request = self._sampling.run.request
        whole, hires = (self._changed(names, self.p if p is None else p) for names in (_WHOLE, _HIRES))
        if request.is_img2img:
            whole = {name: value for name, value in whole.items() if name not in ("width", "height")}
        if not whole and not hires:
            return self._sampling
        return self._sampling.changed(replace(request, **whole, hires=replace(request.hires, **hires)))

    def _changed(self, names: dict[str, str], p: Any) -> dict[str, Any]:
        now = {name: getattr(p, name, None) for name in names}
        return {names[name]: value for name, value in now.items() if value != self._begun[name] and value is not None}

    def _plan(self, seeds: Any, subseeds: Any, *, count: int | None = None) -> BatchPlan:
        """The batch with those seeds: of what it was called with and what stands on ``p``, whichever was changed."""
        own = self._sampling.plan.images
        first = _whichever(seeds, self.p.seeds, [each.seed for each in own])
        varied = _whichever(subseeds, self.p.subseeds, [each.variation_seed for each in own])
        images = [_seeded(own[min(n, len(own) - 1)], first, varied, n) for n in range(count or len(first))]
        return BatchPlan(index=self._sampling.plan.index, images=tuple(images))


def replacement(holder: Any, name: str, own: tuple[str, str] = _PROCESSING) -> Callable[..., Any] | None:
    """What stands in the place of that method of A1111's, on ``p`` or in a class of an extension's; None for the house's own. own: the house's file."""
    found = getattr(holder, name, None)
    code = getattr(getattr(found, "__func__", found), "__code__", None)     # functools.wraps copies all but this
    return None if found is None or (code is not None and Path(code.co_filename).parts[-2:] == own) else found


def _spec_of(made: Any) -> SamplerSpec:
    """The engine's sampler nearest to an object of A1111's."""
    name = getattr(getattr(made, "config", None), "name", None) or made.funcname
    return find_sampler(request_name(name)) if isinstance(name, str) and name in all_samplers_map else engine_sampler(name) or find_sampler("Euler")


def _schedule(own: str, p: Any, hires: bool) -> str:
    asked = getattr(p, "hr_scheduler", None) if hires else None
    asked = asked if asked not in (None, "", "Use same scheduler") else p.scheduler
    return own if asked in (None, "", "Use same scheduler") else str(asked)


def _whichever(called: Any, on_p: Any, own: list[int]) -> list[int]:
    return next((list(each) for each in (called, on_p) if each is not None and len(each) and list(each) != own), own)


def _seeded(image: ImagePlan, seeds: list[int], subseeds: list[int], n: int) -> ImagePlan:
    """With those that ``p.sample`` was called with: the steps' noise goes by them; the first pass's stands since the batch began, as in A1111."""
    return replace(image, seed=int(seeds[min(n, len(seeds) - 1)]), variation_seed=int(subseeds[min(n, len(subseeds) - 1)]))


@contextmanager
def trouble_of(function: Any, what: str, p: Any) -> Iterator[None]:
    """What fails in the extension's own ``function`` is its trouble, and told; what the engine cannot do is the engine's to say."""
    try:
        yield
    except (WebuiError, KeyboardInterrupt):
        raise
    except Exception as error:
        if getattr(error, "is_flow_control", False) or is_out_of_memory(error):
            raise
        if is_occupied():
            host, file = current().extensions, file_of(function)
            host.troubles.note(host.owner_of(file), what, error)
        p.comment(f"What an extension put in the place of {what} failed, and the picture was made without it: {sentence_of(error)}")
