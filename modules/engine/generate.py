"""The conductor: for each batch, stage by stage, from prompts to finished pictures."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from modules.compute.noise import ImageNoise, NoiseSpec
from modules.engine.conditioning import PromptConditioning
from modules.engine.conditioning_cache import ConditioningCache
from modules.engine.decode import as_picture, decode_latent
from modules.engine.denoise_pass import DenoisePass, PassModel, PassOutcome, run_pass
from modules.engine.encode_prompt import encode_prompts
from modules.engine.hooks import (
    BatchPlan,
    CancelView,
    GeneratedImage,
    GenerationHooks,
    GenerationResult,
    NeverCancelled,
    NullHooks,
    NullProgress,
    ProgressSink,
    SamplingFacts,
)
from modules.engine.plan import LATENT_CELL, latent_size, make_plans
from modules.engine.preview import PreviewMap, preview_maker, preview_map
from modules.engine.resolved import ResolvedRequest
from modules.engine.sampler_contract import SamplerSpec
from modules.engine.sampler_registry import find_sampler, find_schedule, resolve_schedule, split_sampler_and_schedule
from modules.families.family import Prediction
from modules.schema.errors import OutOfMemory

if TYPE_CHECKING:
    from modules.compute.policy import ComputePolicy
    from modules.loading.components import Components
    from modules.loading.embeddings import EmbeddingShelf

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class _Run:
    """One job while it runs. Only ``images``, ``comments`` and ``facts`` grow."""

    request: ResolvedRequest
    components: Components
    policy: ComputePolicy
    hooks: GenerationHooks
    progress: ProgressSink
    cancel: CancelView
    sampler: SamplerSpec
    schedule_name: str
    model: PassModel
    preview: PreviewMap | None
    embeddings: EmbeddingShelf | None
    cache: ConditioningCache
    images: list[GeneratedImage] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)


def generate(
    request: ResolvedRequest,
    components: Components,
    *,
    policy: ComputePolicy,
    hooks: GenerationHooks | None = None,
    progress: ProgressSink | None = None,
    cancel: CancelView | None = None,
    embeddings: EmbeddingShelf | None = None,
    cache: ConditioningCache | None = None,
) -> GenerationResult:
    """Make the pictures of ``request``; each is handed to ``hooks.image_ready`` as soon as it is there.

    embeddings: the textual inversions that prompts may name. cache: encoded prompts kept from one job to the next.
    An interrupt ends the job at the next model call: finished pictures are returned, and the half-done batch as it is,
    marked incomplete. Raises UnknownName, InvalidValue, OutOfMemory and NotANumber; pictures finished before were handed over.
    """
    sampler_name, schedule_name = split_sampler_and_schedule(request.sampler_name, request.schedule_name)
    find_schedule(schedule_name)                    # an unknown name or an impossible size is refused before any work
    latent_size(request.width, request.height)
    run = _Run(
        request=request, components=components, policy=policy, hooks=hooks or NullHooks(), progress=progress or NullProgress(),
        cancel=cancel or NeverCancelled(), sampler=find_sampler(sampler_name), schedule_name=schedule_name, model=_model(components, policy),
        preview=_preview(request, components), embeddings=embeddings, cache=ConditioningCache() if cache is None else cache,
    )
    plans = run.hooks.plans_ready(make_plans(request))
    run.progress.begin(len(plans), sum(len(plan.images) for plan in plans))
    with torch.no_grad():
        for plan in plans:
            if run.cancel.interrupted or run.cancel.stopping:
                break
            _run_batch(run, plan)
    return run.hooks.finished(_result(run))


def _model(components: Components, policy: ComputePolicy) -> PassModel:
    return PassModel(
        unet=components.unet,
        alphas_cumprod=components.alphas_cumprod,
        predicts_v=components.prediction is Prediction.V,
        compute_dtype=getattr(torch, policy.compute_dtype),
        is_sdxl=components.family.is_sdxl,
        split_guidance=policy.split_guidance,
    )


def _preview(request: ResolvedRequest, components: Components) -> PreviewMap | None:
    return preview_map(components.vae, components.family.latent.scale) if request.preview.every_steps > 0 else None


def _run_batch(run: _Run, plan: BatchPlan) -> None:
    run.progress.begin_batch(plan.index)
    run.cancel.clear_skip()
    plan = run.hooks.before_batch(plan)
    try:
        with _networks(run, plan):
            run.hooks.networks_active(plan)
            outcome = _sample(run, plan)
            run.facts.update((key, value) for key, value in outcome.facts.items() if key not in run.facts)
            if not outcome.complete and not outcome.calls:
                return                              # stopped before anything could be seen
            latents = run.hooks.latents_ready(plan, outcome.latents)
            _deliver(run, plan, latents, outcome.complete)
    except torch.OutOfMemoryError as error:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        raise OutOfMemory(
            f"The {run.policy.device} ran out of memory for {len(plan.images)} picture(s) of {run.request.width}x{run.request.height}.",
            "Ask for a smaller size or batch, or start with --medvram.",
        ) from error


def _networks(run: _Run, plan: BatchPlan) -> AbstractContextManager[Any]:
    """LoRA and the like, active for this batch only."""
    return nullcontext()


def _sample(run: _Run, plan: BatchPlan) -> PassOutcome:
    request = run.request
    conditioning = run.hooks.conditioning_ready(plan, _conditioning(run, plan))
    height, width = latent_size(request.width, request.height)
    noise = ImageNoise(_noise_spec(run, plan, (run.components.family.latent.channels, height, width)))
    first_noise = run.hooks.before_sampling(plan, noise.first())
    return run_pass(
        DenoisePass(
            sampler=run.sampler, schedule_name=run.schedule_name, steps=request.steps, guidance_scale=request.guidance_scale,
            options=request.options, conditioning=conditioning, noise=noise, first_noise=first_noise, empty_prompt=conditioning.empty_prompt,
            hooks=run.hooks, cancel=run.cancel, on_step=_step_reporter(run),
        ),
        run.model,
    )


def _conditioning(run: _Run, plan: BatchPlan) -> PromptConditioning:
    """The encoded prompts of the batch; what they say about themselves goes into facts and comments."""
    found = encode_prompts(
        [image.prompt for image in plan.images],
        [image.negative_prompt for image in plan.images],
        run.components,
        steps=run.request.steps * run.sampler.order,
        options=run.request.options,
        embeddings=run.embeddings,
        cache=run.cache,
    )
    run.facts.update((key, value) for key, value in found.facts.items() if key not in run.facts)
    run.comments.extend(comment for comment in found.comments if comment not in run.comments)
    return found


def _noise_spec(run: _Run, plan: BatchPlan, shape: tuple[int, int, int]) -> NoiseSpec:
    request = run.request
    return NoiseSpec(
        shape=shape,
        seeds=tuple(image.seed for image in plan.images),
        variation_seeds=tuple(image.variation_seed for image in plan.images),
        variation_strength=request.variation_strength,
        resize_from=(max(request.seed_resize_height, 0) // LATENT_CELL, max(request.seed_resize_width, 0) // LATENT_CELL),
        ensd=request.options.ensd,
        source=request.options.noise_source,
        device=run.policy.device,
    )


def _step_reporter(run: _Run) -> Any:
    every = run.request.preview.every_steps

    def report(done: int, total: int, denoised: Tensor) -> None:
        run.progress.step(done, total)
        if run.preview is not None and done % every == 0:
            run.progress.offer_preview(preview_maker(denoised, run.preview))

    return report


def _deliver(run: _Run, plan: BatchPlan, latents: Tensor, complete: bool) -> None:
    """Decode the batch and hand over its pictures one by one."""
    latent_format = run.components.family.latent
    pixels = [decode_latent(latent, run.components.vae, scale=latent_format.scale, shift=latent_format.shift) for latent in latents]
    decoded = run.hooks.images_decoded(plan, torch.stack(pixels))
    for planned, each in zip(plan.images, decoded):
        image = GeneratedImage(
            picture=as_picture(each), index=planned.index, seed=planned.seed, variation_seed=planned.variation_seed,
            prompt=planned.prompt, negative_prompt=planned.negative_prompt, complete=complete, facts=_facts(run),
        )
        run.images.append(run.hooks.composited(run.hooks.image_ready(image)))


def _facts(run: _Run) -> SamplingFacts:
    height, width = latent_size(run.request.width, run.request.height)
    uses_schedule = run.sampler.kind == "sigma"     # A1111 writes down what was asked for where it has no effect
    schedule = resolve_schedule(run.sampler, run.schedule_name) if uses_schedule else find_schedule(run.schedule_name)
    return SamplingFacts(
        sampler_name=run.sampler.name, schedule_name=schedule.label, width=width * LATENT_CELL, height=height * LATENT_CELL,
        extra=tuple(run.facts.items()),
    )


def _result(run: _Run) -> GenerationResult:
    return GenerationResult(images=tuple(run.images), facts=_facts(run), comments=tuple(run.comments), interrupted=run.cancel.interrupted)
