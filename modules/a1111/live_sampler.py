"""``p.sampler`` while a pass runs: what extensions replaced or overrode in it stands between the engine's sampler and its denoiser.

Without such a change the engine's own sampler and guidance are used as they are.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.inner_model import Call, CompVisDenoiser, InnerModel, apply_model_replaced, calling, prediction
from modules.a1111.kdiffusion import CFGDenoiser, CFGDenoiserTimesteps, Sampler
from modules.a1111.kdiffusion_names import engine_name, in_sampling, put_in_its_place
from modules.a1111.patch_points import looked_up
from modules.a1111.prompts_of_p import settings_of
from modules.a1111.sampler_list import all_samplers_map, create_sampler, engine_sampler
from modules.a1111.timestep_form import TimestepForm
from modules.engine.hooks import DenoiserCall
from modules.engine.predictor import Predictor
from modules.engine.sampler_contract import Denoise, OnStep, SamplerSpec, StepInfo, StepNoise, Tuning
from modules.extension_host.host import file_of

_OWN_STATE, _OWN_COMBINE, _OWN_FORWARD, _OWN_NOISE = Sampler.callback_state, CFGDenoiser.combine_denoised, CFGDenoiser.forward, Sampler.create_noise_sampler
_OWN_METHODS = {name: getattr(Sampler, name) for name in ("get_sigmas", "launch_sampling", "initialize")}


class LiveSampler:
    """One pass's sampler object. made: one that an extension made itself; else what ``create_sampler`` gives, A1111's own where that failed.

    launched: the algorithm, with all that it needs, where ``launch_sampling`` was handed it.
    """

    def __init__(self, p: Any, *, hires: bool, made: Any = None, launched: Callable[[], Tensor] | None = None) -> None:
        self.p, self._launched = p, launched
        self._predictor: Any = None
        asked = str((getattr(p, "hr_sampler_name", None) if hires else None) or p.sampler_name or "")
        if made is not None:
            asked = str(getattr(getattr(made, "config", None), "name", None) or made.funcname)
        self.name = asked if asked in all_samplers_map else "Euler"
        self.made: Any = made if made is not None else self._created()
        self.is_asked = asked == self.name
        self._seeds_torch = made is None
        self._state: Callable[..., Any] | None = None
        self._forward: Callable[..., Any] | None = None

    @property
    def cfg(self) -> Any:
        """A1111's CFGDenoiser; an extension's own sampler may have none."""
        return getattr(self.made, "model_wrap_cfg", None)

    def seed(self) -> None:
        """As A1111 does when a pass's noise begins: what extensions draw from torch itself is the same for the same seed."""
        if self._seeds_torch and self.p.seeds:
            torch.manual_seed(int(self.p.seeds[-1]))

    def begin(self, start: Tensor | None, *, hires: bool) -> None:
        """The pass is about to begin: what A1111's ``initialize`` and ``sample`` write. start: the latents that it goes on from."""
        p, made, cfg = self.p, self.made, self.cfg
        self._state, self._forward = _replaced(made, "callback_state", _OWN_STATE), _replaced(cfg, "forward", _OWN_FORWARD)
        for name, own in _OWN_METHODS.items():
            if (other := _replaced(made, name, own)) is not None:
                _note(other, f"{type(made).__name__}.{name}", "it was replaced, but this program samples in another way and does not call it")
        made.p = p
        if cfg is not None:
            cfg.p, cfg.steps, cfg.step = p, p.steps, 0
            cfg.mask, cfg.nmask = getattr(p, "mask", None), getattr(p, "nmask", None)
            cfg.init_latent, cfg.image_cfg_scale = start, getattr(p, "image_cfg_scale", None)
        if not isinstance(made, Sampler) or self._launched is not None:
            return
        made.eta = p.eta if p.eta is not None else settings_of(p).get(made.eta_option_field)
        made.s_min_uncond = p.s_min_uncond
        cond, uncond = (p.hr_c, p.hr_uc) if hires else (p.c, p.uc)
        shown = getattr(p, "image_conditioning", None)
        nothing = torch.zeros(len(p.seeds or ()), 5, 1, 1)
        made.sampler_extra_args = {"cond": cond, "image_cond": nothing if shown is None else shown, "uncond": uncond, "cond_scale": p.cfg_scale,
                                   "s_min_uncond": made.s_min_uncond}  # fmt: skip

    def called(self, call: DenoiserCall, prompt: Tensor) -> None:
        """The model has answered. prompt: (B, C, h, w), x0 by the prompts alone."""
        self.made.last_latent = prompt
        if self.cfg is not None:
            self.cfg.step = call.step + 1

    def _created(self) -> Any:
        create, made = looked_up("modules.sd_samplers", "create_sampler", create_sampler), None
        with _answered_by(create, "create_sampler"):
            made = create(self.name, self.p.sd_model)
        return create_sampler("Euler", self.p.sd_model) if made is None else made

    def spec(self, own: SamplerSpec) -> SamplerSpec:
        """The algorithm of the pass. own: what the request asked for."""
        if self._launched is not None:
            return replace(own, function=_launching(self.made, self._launched), grid="schedule")
        found = own
        if self.is_asked:
            func = getattr(self.made, "func", None)
            func = put_in_its_place(func) or engine_name(func) or func
            if callable(func):
                options = getattr(getattr(self.made, "config", None), "options", None) or getattr(self.made, "options", None) or {}
                found = foreign_spec(self.name, func, options, self.made.model_wrap_cfg)
            else:
                named = engine_sampler(func)
                found = own if named is None or named.name == own.name else named
        return found if self._forward is None else replace(found, function=_through(self.made.model_wrap_cfg, self._forward, found.function))

    def path_noise(self, x: Tensor, sigmas: Tensor) -> StepNoise | None:
        """By a replaced ``create_noise_sampler``; None where there is none, or where it gave nothing to ask."""
        make = _replaced(self.made, "create_noise_sampler", _OWN_NOISE)
        noise: Callable[..., Tensor] | None = None
        if make is not None:
            with _answered_by(make, "create_noise_sampler"):
                noise = make(x, sigmas.to(x), self.p)
        return None if noise is None else lambda sigma, sigma_next: noise(x.new_tensor(sigma), x.new_tensor(sigma_next)).to(x)

    def at(self, call: DenoiserCall) -> None:
        """The model is about to be called."""
        cfg = getattr(self.made, "model_wrap_cfg", None)
        if cfg is not None:
            cfg.step, cfg.total_steps, cfg.steps = call.step, call.total_steps, call.sampling_steps

    def combined(
        self, call: DenoiserCall, rows: Tensor, weights: Sequence[Sequence[tuple[int, float]]], scale: float, form: TimestepForm | None,
    ) -> Tensor | None:  # fmt: skip
        """x0 by the replaced ``combine_denoised``, or with a CFG scale that changes; None where there is neither, or it failed. Some replace it in a callback of the pass, so each call looks."""
        cfg = getattr(self.made, "model_wrap_cfg", None)
        combine, factor = _replaced(cfg, "combine_denoised", _OWN_COMBINE), getattr(cfg, "cond_scale_miltiplier", 1.0)
        own = self.p.cfg_scale
        if combine is None and (call.uncond is None or not (_answers_products(own) or factor != 1.0)):
            return None
        if combine is None:                         # weighted row by row, as in A1111: such a number counts how often it is asked
            combine, scale = CFGDenoiser(self.made).combine_denoised, own if _answers_products(own) else scale
        if call.uncond is None:                     # A1111 hands each image's first part as its uncond row then
            rows, scale = torch.cat([rows, torch.stack([rows[parts[0][0]] for parts in weights])]), 1.0
        uncond = call.cond[: len(weights)] if call.uncond is None else call.uncond
        if form is not None:
            rows = (form.own if len(rows) == len(form.own) else torch.cat([form.own, form.of_pictures(weights)])).sub(rows).div(form.sigma)
        with _answered_by(combine, "combine_denoised"):
            found = combine(rows, [list(parts) for parts in weights], uncond, scale if factor == 1.0 else scale * factor)
            if isinstance(found, Tensor) and found.shape == (len(weights), *rows.shape[1:]):
                return found if form is None else form.clean(found, weights)
            _note(combine, "combine_denoised", "it gave no latents of the batch's shape, and was passed over")
        return None

    def prediction(self, predictor: Any) -> Any:
        """The model's call by way of what extensions put around it; itself where they did not, or what they put there failed."""
        before, self._predictor = self._predictor, predictor
        cfg = getattr(self.made, "model_wrap_cfg", None)
        if before is not None and before is not predictor and isinstance(cfg, CFGDenoiser):
            cfg.update_inner_model()        # the refiner has taken over
        inner = getattr(cfg, "model_wrap", None) if isinstance(cfg, CFGDenoiser) else None
        if inner is None and apply_model_replaced(self.p.sd_model) and isinstance(cfg, CFGDenoiser):
            inner = cfg.inner_model
        if not isinstance(inner, InnerModel) or not isinstance(predictor, Predictor) or not inner.is_touched:
            return predictor
        through = prediction(inner, predictor)

        def predicted(*given: Any, **named: Any) -> Tensor:
            with _answered_by(inner.__dict__.get("forward") or self.p.sd_model.__dict__.get("apply_model"), "the model's call"):
                return through(*given, **named)
            return predictor(*given, **named)

        return predicted

    @contextmanager
    def once_more(self, call: DenoiserCall) -> Iterator[Any]:
        """What callbacks call the model by, at the level of ``call`` with its control units; None where the model is of a kind that A1111 has not."""
        if not isinstance(self._predictor, Predictor):
            yield None
            return
        cfg = getattr(self.made, "model_wrap_cfg", None)
        inner = cfg.inner_model if isinstance(cfg, CFGDenoiser) else None
        if not isinstance(inner, InnerModel):
            inner = CompVisDenoiser(self.p.sd_model)
        control = call.control and call.control.active(call.sampling_step, call.sampling_steps)
        marks = (torch.arange(len(call.x), device=call.x.device) < len(call.cond)).to(call.x.dtype).view(-1, 1, 1, 1)
        with calling(inner, Call(self._predictor, float(call.sigma[0]), (len(call.x), *call.x.shape[-2:]), control, marks)):
            yield inner

    def stepped(self, step: StepInfo) -> None:
        """A step is about to be taken."""
        if self._state is None:
            return
        x = step.denoised if step.x is None else step.x
        sigma = torch.full((), step.sigma, device=x.device)
        hat = sigma if step.sigma_hat is None else torch.full((), step.sigma_hat, device=x.device)
        with _answered_by(self._state, "callback_state"):
            self._state({"x": x, "i": step.counted, "sigma": sigma, "sigma_hat": hat, "denoised": step.denoised})


def foreign_spec(name: str, func: Callable[..., Any], options: dict[str, Any], cfg: Any) -> SamplerSpec:
    """A sampler written for k-diffusion, func(model, x, sigmas, extra_args, callback, disable, ...), as one of the engine's."""
    return SamplerSpec(
        name=name, function=_foreign(func, cfg, brownian=bool(options.get("brownian_noise"))), order=2 if options.get("second_order") else 1, brownian=bool(options.get("brownian_noise")),
        discards_penultimate=bool(options.get("discard_next_to_last_sigma")), uses_s_noise=True, churns=True, eta_option="ancestral",
        default_schedule=str(options.get("scheduler") or ""),
    )  # fmt: skip


def _foreign(func: Callable[..., Any], cfg: Any, *, brownian: bool) -> Callable[..., Tensor]:
    known = inspect.signature(func).parameters

    def sample(denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: StepNoise, on_step: OnStep, tuning: Tuning) -> Tensor:
        def told(d: dict[str, Any]) -> None:
            hat = d.get("sigma_hat", d["sigma"])
            on_step(StepInfo(index=int(d["i"]), sigma=float(d["sigma"]), sigma_hat=float(hat), denoised=d["denoised"], x=d["x"]))

        positive = sigmas[sigmas > 0]
        offered: dict[str, Any] = {
            "sigmas": sigmas, "sigma_sched": sigmas, "sigma_min": positive[-1], "sigma_max": sigmas[0], "n": len(sigmas) - 1, "extra_args": {},
            "callback": told, "disable": True, "eta": tuning.eta, "s_churn": tuning.s_churn, "s_tmin": tuning.s_tmin, "s_tmax": tuning.s_tmax,
            "s_noise": tuning.s_noise, "noise_sampler": lambda sigma, sigma_next: noise(float(sigma), float(sigma_next)),
        }  # fmt: skip
        model: Any = cfg if isinstance(cfg, CFGDenoiser) else lambda x, sigma, **_: denoise(x, float(sigma.flatten()[0]))
        with _denoising(cfg, denoise), in_sampling.seeded(None if brownian else lambda: noise(0.0, 0.0)):
            return func(model, x, **{key: value for key, value in offered.items() if key in known})

    return sample


def _launching(made: Any, launched: Callable[[], Tensor]) -> Callable[..., Tensor]:
    def sample(denoise: Denoise, x: Tensor, sigmas: Tensor, **_more: Any) -> Tensor:
        rng = getattr(made.p, "rng", None)      # its steps' noise goes on from the noise that the extension has drawn for its start
        with _denoising(made.model_wrap_cfg, denoise), in_sampling.seeded(None if rng is None else rng.next):
            return launched()

    return sample


def _through(cfg: Any, forward: Callable[..., Any], inner: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """``inner`` with each look at the model going through the replaced ``forward``."""

    class Through:
        def __init__(self, denoise: Denoise) -> None:
            self.with_uncond = denoise.with_uncond
            self._denoise = denoise

        def __call__(self, x: Tensor, sigma: float) -> Tensor:
            given, levels, p = x, torch.full((len(x),), sigma, device=x.device), cfg.p
            if isinstance(cfg, CFGDenoiserTimesteps):
                given, levels = cfg.in_its_form(x, sigma)
            with _answered_by(forward, "CFGDenoiser.forward"):
                found = forward(given, levels, uncond=getattr(p, "uc", None), cond=getattr(p, "c", None), cond_scale=p.cfg_scale, s_min_uncond=p.s_min_uncond or 0.0,
                                image_cond=getattr(p, "image_conditioning", None))
                return x - found * sigma if isinstance(cfg, CFGDenoiserTimesteps) else found
            return self._denoise(x, sigma)

    def sample(denoise: Denoise, x: Tensor, sigmas: Tensor, **more: Any) -> Tensor:
        with _denoising(cfg, denoise):
            return inner(Through(denoise), x, sigmas, **more)

    return sample


@contextmanager
def _denoising(cfg: Any, denoise: Denoise) -> Iterator[None]:
    if not isinstance(cfg, CFGDenoiser):
        yield
        return
    before, cfg.denoise = cfg.denoise, denoise
    try:
        yield
    finally:
        cfg.denoise = before


def _answers_products(number: Any) -> bool:
    """Whether it is a number of an extension's making, which says at each product what it is now: the CFG scale over the steps."""
    return isinstance(number, float) and not isinstance(number, np.floating) and (type(number).__mul__ is not float.__mul__ or type(number).__rmul__ is not float.__rmul__)


def _replaced(made: Any, name: str, own: Any) -> Callable[..., Any] | None:
    """The method of that name where it is not the house's own."""
    found = getattr(made, name, None)
    return None if found is None or getattr(found, "__func__", None) is own else found


@contextmanager
def _answered_by(function: Any, what: str) -> Iterator[None]:
    """What fails inside is trouble of the extension whose ``function`` it is."""
    if not is_occupied():
        yield
        return
    file, host = file_of(function), current().extensions
    with host.guarded(host.owner_of(file), f"{Path(file).name}, {what}"):
        yield


def _note(function: Any, place: str, words: str) -> None:
    if is_occupied():
        host = current().extensions
        host.troubles.note(host.owner_of(file_of(function)), place, words)
