"""One sampling pass: schedule and start latent, the sampler over the denoiser, what is left of it when interrupted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from modules.compute.noise import ImageNoise, Stream, as_torch_seed
from modules.compute.precision import check_finite
from modules.engine.brownian import BrownianNoise
from modules.engine.control import Control
from modules.engine.denoiser import Blend, ConditioningLike, DenoiserSetup, GuidedDenoiser, Succession
from modules.engine.flow import FlowLevels, on_other_scale, only_follows
from modules.engine.flow_predictor import FlowPredictor
from modules.engine.handover import Handover
from modules.engine.hooks import CancelView, GenerationHooks, Interrupted
from modules.engine.hypertile import TiledAttention
from modules.engine.noise_levels import Levels, NoiseLevels, adjusted_alphas, noise_levels
from modules.engine.pass_grid import GridRequest, PassGrid, finished_latent, make_grid, start_latent
from modules.engine.pass_model import PassModel
from modules.engine.pass_outcome import PassOutcome
from modules.engine.predictor import LCM_STRIDE, Predictor
from modules.engine.resolved import SamplingOptions
from modules.engine.sampler_contract import OnStep, SamplerFunction, SamplerSpec, StepInfo, StepNoise, Tuning
from modules.engine.sampler_registry import resolve_schedule
from modules.engine.token_merging import merged_tokens

UNET_REMEDY = "Start with --no-half, or choose another checkpoint."
_LOOK_EVERY = 8                                     # steps


@dataclass(frozen=True, kw_only=True)
class DenoisePass:
    """What one pass is to do.

    steps: as asked. start: None for a pass from pure noise, or the latents (B, C, h, w) to go on from.
    denoising_strength: how far back into noise ``start`` is taken, 0 .. 1.
    fixed_steps: run exactly ``steps`` steps whatever the strength (hires, A1111's img2img_fix_steps).
    further: see ``img2img.Start``. handover: the refiner, if one takes over. tiles: attention on tiles. preview_content: which prediction ``on_step`` is told. noted: facts that stand before those of the pass itself.
    checked: a prediction that is no number ends the pass with NotFinite.
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
    image_guidance: float = 1.0
    further: tuple[Tensor, ...] = ()
    blend: Blend | None = None
    control: Control | None = None
    handover: Handover | None = None
    tiles: TiledAttention | None = None
    preview_content: str = "Combined"
    noted: Mapping[str, object] = field(default_factory=dict)
    checked: bool = True


def model_levels(model: PassModel, sampler: SamplerSpec, options: SamplingOptions, cells: Sequence[int], steps: int) -> Levels:
    """The noise levels of ``model`` with the options applied; LCM knows only every 20th timestep. cells: (h, w) of the latent."""
    if model.flow is not None:
        return model.flow.levels(cells, steps)
    alphas = adjusted_alphas(
        model.alphas_cumprod, downcast=options.use_downcasted_alpha_bar, zero_terminal_snr=options.noise_schedule == "Zero Terminal SNR"
    )
    return noise_levels(alphas, quantize=options.quantize_timesteps, stride=LCM_STRIDE if sampler.lcm_levels else 1)


def run_pass(work: DenoisePass, model: PassModel) -> PassOutcome:
    """Run it. An interrupt gives the last prediction; before the first one, the start as it is."""
    levels = model_levels(model, work.sampler, work.options, work.first_noise.shape, work.steps)
    scale = replace(levels, unbounded=True) if isinstance(levels, FlowLevels) and work.sampler.kind == "timestep" else levels
    is_flow = model.flow is not None
    request = GridRequest(
        sampler=work.sampler, schedule=resolve_schedule(work.sampler, work.schedule_name, is_flow=is_flow), steps=work.steps, levels=scale,
        options=work.options, is_sdxl=model.is_sdxl, is_flow=is_flow, strength=None if work.start is None else work.denoising_strength, fixed_steps=work.fixed_steps,
        given=work.hooks.sigmas,
    )
    grid = make_grid(request)
    x = start_latent(grid, request, work.first_noise, work.start, work.hooks.extra_noise)
    tuning = _tuning(work, scale, grid.facts)
    grid.facts.update(work.noted)
    complete = True
    setup, models = _setup(work, model, levels, grid.counted_steps), ExitStack()
    denoiser = GuidedDenoiser(setup, _successor(work, setup, models, grid.facts))
    noise, on_step = _step_noise(work, grid, x), _reporter(work, denoiser, max(len(grid.sigmas) - 1, 1))
    try:
        with models:
            models.enter_context(merged_tokens(model.unet, 0.0 if is_flow else work.options.token_merging_ratio))
            if work.tiles is not None:
                models.enter_context(work.tiles.on_unet(model.unet, is_sdxl=model.is_sdxl))
            no_step = len(grid.sigmas) < 2          # so little of an existing latent is redrawn
            found = x if no_step else _sampler_function(work, model, tuning)(denoiser, x, grid.sigmas, noise=noise, on_step=on_step, tuning=tuning)
        latents = finished_latent(grid, work.sampler, found)
        if work.checked:
            check_finite(latents, what="The model's output", remedy=UNET_REMEDY)
    except Interrupted:
        beginning = work.first_noise if work.start is None else work.start
        latents = beginning if denoiser.last_denoised is None else denoiser.last_denoised
        complete = False
    if denoiser.padding_used:
        grid.facts[denoiser.padding_used] = True
    if denoiser.ngms_used:
        grid.facts["NGMS"] = work.options.s_min_uncond
        if work.options.s_min_uncond_all:
            grid.facts["NGMS all steps"] = True
    return PassOutcome(latents=latents, complete=complete, schedule=request.schedule, calls=denoiser.step, facts=grid.facts)


def _successor(work: DenoisePass, before: DenoiserSetup, models: ExitStack, facts: dict[str, object]) -> Succession | None:
    """What the denoiser asks before each call: the setup to go on with once another model takes over."""
    handover = work.handover
    if handover is None:
        return None

    def due(step: int, sigma: float) -> DenoiserSetup | None:
        levels = before.predictor.levels
        if not handover.is_due(step, before.total_steps, sigma, levels, by_timestep=before.by_timestep):
            return None
        taken = handover.take()
        models.enter_context(merged_tokens(taken.model.unet, work.options.token_merging_ratio))
        facts.update(taken.facts)
        guidance = 1.0 if taken.image_cond is None else work.image_guidance
        after = replace(
            work, conditioning=taken.conditioning, empty_prompt=taken.empty_prompt, image_cond=taken.image_cond, image_guidance=guidance
        )
        setup = _setup(after, taken.model, model_levels(taken.model, work.sampler, work.options, work.first_noise.shape, work.steps), 0)
        return replace(setup, total_steps=before.total_steps, steps=before.steps, control=None)  # control networks are the first model's

    return due


def _sampler_function(work: DenoisePass, model: PassModel, tuning: Tuning) -> SamplerFunction:
    """The sampler; for a flow model, and if it adds noise, on the scale that it knows."""
    if model.flow is None or only_follows(work.sampler, tuning):
        return work.sampler.function
    return on_other_scale(work.sampler.function, by_timestep=work.sampler.kind == "timestep")


def _predictor(work: DenoisePass, model: PassModel, levels: Levels) -> Predictor | FlowPredictor:
    if isinstance(levels, FlowLevels):
        assert model.flow is not None
        return FlowPredictor(transformer=model.unet, kind=model.flow.kind, levels=levels, compute_dtype=model.compute_dtype, guidance=work.guidance_scale,
                             further=work.further if model.flow.takes_further else ())
    assert isinstance(levels, NoiseLevels)
    lcm = work.sampler.lcm_levels
    return Predictor(
        unet=model.unet, call=model.call, levels=levels, compute_dtype=model.compute_dtype,
        predicts_v=model.predicts_v and not lcm,    # A1111's LCM takes every model's output for noise
        whole_timesteps=work.sampler.kind == "timestep", lcm=lcm,
    )


def _setup(work: DenoisePass, model: PassModel, levels: Levels, steps: int) -> DenoiserSetup:
    by_timestep, guides = work.sampler.kind == "timestep", model.flow is None or model.flow.guidance == "classifier-free"
    return DenoiserSetup(
        predictor=_predictor(work, model, levels),
        conditioning=work.conditioning,
        guidance_scale=work.guidance_scale * work.sampler.guidance_factor if guides else 1.0,
        total_steps=steps * work.sampler.order,
        options=work.options,
        hooks=work.hooks,
        cancel=work.cancel,
        needs_uncond=work.sampler.needs_uncond,
        by_timestep=by_timestep,
        split_guidance=model.split_guidance,
        keeps_length=model.flow is not None and model.flow.keeps_length,
        empty_prompt=work.empty_prompt,
        image_cond=work.image_cond,
        image_guidance=work.image_guidance,
        blend=work.blend,
        control=work.control,
        steps=steps,
        preview_content=work.preview_content,
    )


def _tuning(work: DenoisePass, levels: Levels, facts: dict[str, object]) -> Tuning:
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
        unipc_variant=options.unipc_variant, unipc_order=options.unipc_order, unipc_lower_order_final=options.unipc_lower_order_final,
        lowest=levels.sigma_min if sampler.grid == "range" and work.start is None else 0.0,      # a single step's sigmas hold the highest alone
        earlier=lambda sigma, share: float(levels.sigma_at(torch.tensor([share * levels.timestep(sigma)]))),
    )


def _step_noise(work: DenoisePass, grid: PassGrid, x: Tensor) -> StepNoise:
    """The noise that the sampler draws: from each image's stream, or along its Brownian path."""
    if not work.sampler.brownian:
        return lambda sigma, sigma_next: work.noise.next()
    if (other := work.hooks.path_noise(x, grid.whole)) is not None:
        return other
    spec = work.noise.spec
    shared = work.options.no_dpmpp_sde_batch_determinism
    positive = grid.sigmas[grid.sigmas > 0] if shared else grid.whole[grid.whole > 0]
    path = BrownianNoise(
        shape=(len(spec.seeds), *spec.shape) if shared else spec.shape,
        sigma_min=float(positive.min()) if len(positive) else 0.0,
        sigma_max=float(positive.max()) if len(positive) else 1.0,
        seeds=[_seed_of_the_batch(spec.seeds[-1])] if shared else spec.seeds,
        randn=lambda seed, shape: Stream(seed, spec.source, spec.device).randn(shape),
    )
    return (lambda sigma, sigma_next: path(sigma, sigma_next)[0]) if shared else path


def _seed_of_the_batch(seed: int) -> int:
    """A1111 before 1.2 drew one path for the whole batch, seeded from torch's generator as the last image's noise left it."""
    return int(torch.randint(0, 2**63 - 1, [], generator=torch.Generator().manual_seed(as_torch_seed(seed))))


def _reporter(work: DenoisePass, denoiser: GuidedDenoiser, steps: int) -> OnStep:
    def report(info: StepInfo) -> None:
        # elsewhere each look makes the device wait
        if work.checked and (info.denoised.device.type == "cpu" or info.index % _LOOK_EVERY == 0):
            check_finite(info.denoised, what=f"The model's prediction in step {info.index + 1}", remedy=UNET_REMEDY)
        denoiser.sampling_step = info.counted
        work.hooks.stepped(info)
        work.on_step(min(info.index + 1, steps), steps, info.denoised if denoiser.shown is None else denoiser.shown)

    return report
