"""One sampling pass: schedule and start latent, the sampler over the denoiser, what is left of it when interrupted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from modules.compute.noise import ImageNoise, Stream
from modules.engine.brownian import BrownianNoise
from modules.engine.denoiser import Blend, ConditioningLike, DenoiserSetup, GuidedDenoiser
from modules.engine.hooks import CancelView, GenerationHooks, Interrupted
from modules.engine.noise_levels import NoiseLevels, adjusted_alphas, noise_levels
from modules.engine.predictor import LCM_STRIDE, Predictor
from modules.engine.resolved import SamplingOptions
from modules.engine.sampler_contract import OnStep, SamplerSpec, StepInfo, StepNoise, Tuning
from modules.engine.sampler_registry import resolve_schedule
from modules.engine.schedules import ScheduleInput, ScheduleSpec

_OLD_KARRAS_RANGE = (0.1, 10.0)


@dataclass(frozen=True, kw_only=True)
class PassModel:
    """The model of a pass as the sampler needs it."""

    unet: Any
    alphas_cumprod: Tensor
    predicts_v: bool
    compute_dtype: torch.dtype
    is_sdxl: bool = False
    split_guidance: bool = False


@dataclass(frozen=True, kw_only=True)
class DenoisePass:
    """What one pass is to do.

    steps: as asked. start: None for a pass from pure noise, or the latents (B, C, h, w) to go on from.
    denoising_strength: how far back into noise ``start`` is taken, 0 .. 1.
    fixed_steps: run exactly ``steps`` steps whatever the strength (hires, A1111's img2img_fix_steps).
    """

    sampler: SamplerSpec
    schedule_name: str
    steps: int
    guidance_scale: float
    options: SamplingOptions
    conditioning: ConditioningLike
    noise: ImageNoise
    first_noise: Tensor
    hooks: GenerationHooks
    cancel: CancelView
    on_step: Callable[[int, int, Tensor], None]
    start: Tensor | None = None
    denoising_strength: float = 1.0
    fixed_steps: bool = False
    empty_prompt: Tensor | None = None
    image_cond: Tensor | None = None
    blend: Blend | None = None


@dataclass(frozen=True, kw_only=True)
class PassOutcome:
    """latents: (B, C, h, w). complete: False when it was interrupted. facts: infotext key -> value, as they arose."""

    latents: Tensor
    complete: bool
    schedule: ScheduleSpec
    calls: int = 0
    facts: dict[str, object] = field(default_factory=dict)


def model_levels(model: PassModel, sampler: SamplerSpec, options: SamplingOptions) -> NoiseLevels:
    """The noise levels of ``model`` with the options applied; LCM knows only every 20th timestep."""
    alphas = adjusted_alphas(
        model.alphas_cumprod, downcast=options.use_downcasted_alpha_bar, zero_terminal_snr=options.noise_schedule == "Zero Terminal SNR"
    )
    return noise_levels(alphas, quantize=options.quantize_timesteps, stride=LCM_STRIDE if sampler.lcm_levels else 1)


def run_pass(work: DenoisePass, model: PassModel) -> PassOutcome:
    """Run it. An interrupt gives the last prediction; before the first one, the start as it is."""
    facts: dict[str, object] = {}
    levels = model_levels(model, work.sampler, work.options)
    schedule = resolve_schedule(work.sampler, work.schedule_name)
    first_step, sigmas = _sigmas(work, levels, schedule, model.is_sdxl, facts)
    x = _start_latent(work, sigmas[first_step:], facts)
    sigmas_run = sigmas[first_step:]
    steps = len(sigmas_run) - 1 if work.start is not None else work.steps
    denoiser = GuidedDenoiser(_setup(work, model, levels, steps))
    tuning = _tuning(work, facts)
    try:
        latents = work.sampler.function(
            denoiser, x, sigmas_run, noise=_step_noise(work, sigmas), on_step=_reporter(work, steps), tuning=tuning
        )
        complete = True
    except Interrupted:
        latents = x if denoiser.last_denoised is None else denoiser.last_denoised
        complete = False
    if denoiser.ngms_used:
        facts["NGMS"] = work.options.s_min_uncond
        if work.options.s_min_uncond_all:
            facts["NGMS all steps"] = True
    return PassOutcome(latents=latents, complete=complete, schedule=schedule, calls=denoiser.step, facts=facts)


def _setup(work: DenoisePass, model: PassModel, levels: NoiseLevels, steps: int) -> DenoiserSetup:
    predictor = Predictor(
        unet=model.unet, levels=levels, compute_dtype=model.compute_dtype, predicts_v=model.predicts_v, lcm=work.sampler.lcm_levels
    )
    return DenoiserSetup(
        predictor=predictor,
        conditioning=work.conditioning,
        guidance_scale=work.guidance_scale,
        total_steps=steps * work.sampler.order,
        options=work.options,
        hooks=work.hooks,
        cancel=work.cancel,
        needs_uncond=work.sampler.needs_uncond,
        by_timestep=work.sampler.kind == "timestep",
        split_guidance=model.split_guidance,
        empty_prompt=work.empty_prompt,
        image_cond=work.image_cond,
        blend=work.blend,
    )


def _sigmas(work: DenoisePass, levels: NoiseLevels, schedule: ScheduleSpec, is_sdxl: bool, facts: dict[str, object]) -> tuple[int, Tensor]:
    """(index to begin at, all sigmas of the schedule)."""
    if work.start is None:
        return 0, make_sigmas(work.sampler, schedule, work.steps, levels, work.options, is_sdxl, facts)
    steps, run = strength_steps(work.steps, work.denoising_strength, work.fixed_steps)
    sigmas = make_sigmas(work.sampler, schedule, steps, levels, work.options, is_sdxl, facts)
    return steps - run, sigmas


def strength_steps(steps: int, strength: float, fixed: bool) -> tuple[int, int]:
    """(steps of the whole schedule, steps of its end that are run) for an img2img pass.

    A1111's rule: one step is run even at strength 0; with ``fixed`` the schedule is lengthened so that ``steps`` are run.
    """
    bounded = min(strength, 0.999)
    if fixed:
        return (int(steps / bounded) if strength > 0 else steps), steps
    return steps, int(bounded * steps) + 1


def make_sigmas(
    sampler: SamplerSpec, schedule: ScheduleSpec, steps: int, levels: NoiseLevels, options: SamplingOptions, is_sdxl: bool, facts: dict[str, object]
) -> Tensor:
    """The sigmas of a pass, float32 on the CPU, with the schedule options applied. Notes in ``facts`` what differs from the default."""
    discards = sampler.discards_penultimate or options.discard_penultimate_sigma
    if options.discard_penultimate_sigma and not sampler.discards_penultimate:
        facts["Discard penultimate sigma"] = True
    low, high = _OLD_KARRAS_RANGE if options.use_old_karras_sigmas else (levels.sigma_min, levels.sigma_max)
    if options.sigma_min and options.sigma_min != levels.sigma_min:
        low = options.sigma_min
        facts["Schedule min sigma"] = low
    if options.sigma_max and options.sigma_max != levels.sigma_max:
        high = options.sigma_max
        facts["Schedule max sigma"] = high
    rho = options.rho if schedule.default_rho is not None and options.rho != schedule.default_rho else 0.0
    if rho:
        facts["Schedule rho"] = rho
    if schedule.name == "beta":
        facts["Beta schedule alpha"], facts["Beta schedule beta"] = options.beta_alpha, options.beta_beta
    sigmas = schedule.function(
        ScheduleInput(
            steps=steps + discards, levels=levels, sigma_min=low, sigma_max=high, rho=rho, is_sdxl=is_sdxl,
            beta_alpha=options.beta_alpha, beta_beta=options.beta_beta,
        )
    )
    return torch.cat([sigmas[:-2], sigmas[-1:]]) if discards else sigmas


def _start_latent(work: DenoisePass, sigmas: Tensor, facts: dict[str, object]) -> Tensor:
    sigma = float(sigmas[0])
    if work.start is None:
        if work.options.sgm_noise_multiplier:
            facts["SGM noise multiplier"] = True
            return work.first_noise * math.sqrt(1.0 + sigma**2)
        return work.first_noise * sigma
    x = work.start + work.first_noise * sigma
    if work.options.extra_noise > 0:
        facts["Extra noise"] = work.options.extra_noise
        x = x + work.first_noise * work.options.extra_noise
    return x


def _tuning(work: DenoisePass, facts: dict[str, object]) -> Tuning:
    """The knobs; those that this sampler reads and that differ from A1111's default are noted."""
    options, sampler = work.options, work.sampler
    eta = options.eta_ddim if sampler.eta_option == "ddim" else options.eta_ancestral
    if sampler.eta_option and eta != (0.0 if sampler.eta_option == "ddim" else 1.0):
        facts["Eta DDIM" if sampler.eta_option == "ddim" else "Eta"] = eta
    s_tmax = options.s_tmax or math.inf
    if sampler.churns:
        noted = (("Sigma churn", options.s_churn, 0.0), ("Sigma tmin", options.s_tmin, 0.0), ("Sigma tmax", s_tmax, math.inf))
        facts.update({key: value for key, value, default in noted if value != default})
    if sampler.uses_s_noise and options.s_noise != 1.0:
        facts["Sigma noise"] = options.s_noise
    return Tuning(
        eta=eta, s_churn=options.s_churn if sampler.churns else 0.0, s_tmin=options.s_tmin, s_tmax=s_tmax,
        s_noise=options.s_noise if sampler.uses_s_noise else 1.0,
        unipc_variant=options.unipc_variant, unipc_skip_type=options.unipc_skip_type, unipc_order=options.unipc_order,
        unipc_lower_order_final=options.unipc_lower_order_final,
    )


def _step_noise(work: DenoisePass, sigmas: Tensor) -> StepNoise:
    """The noise that the sampler draws: from each image's stream, or along its Brownian path."""
    if not work.sampler.brownian:
        return lambda sigma, sigma_next: work.noise.next()
    spec = work.noise.spec
    positive = sigmas[sigmas > 0]
    return BrownianNoise(
        shape=spec.shape, sigma_min=float(positive.min()), sigma_max=float(positive.max()), seeds=spec.seeds,
        randn=lambda seed, shape: Stream(seed, spec.source, spec.device).randn(shape),
    )


def _reporter(work: DenoisePass, steps: int) -> OnStep:
    def report(info: StepInfo) -> None:
        work.on_step(min(info.index + 1, steps), steps, info.denoised)

    return report
