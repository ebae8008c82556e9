"""The conductor: for each batch, stage by stage, from prompts to finished pictures."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from modules.compute.memory import free_memory, is_out_of_memory
from modules.engine.adapters import NetworkSwitch
from modules.engine.batch_sampling import sample_batch
from modules.engine.conditioning_cache import ConditioningCache
from modules.engine.decode import as_picture
from modules.engine.frame import Frame
from modules.engine.hires import hires_sampler, hires_size, with_first_pass_size
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
from modules.engine.hypertile import TiledAttention
from modules.engine.img2img import Start, effective_batch, frames_for, prepare_start
from modules.engine.models import Models, ModelSource, QuickSource
from modules.engine.pass_outcome import PassOutcome
from modules.engine.plan import LATENT_CELL, latent_size, make_plans
from modules.engine.precautions import Precautions
from modules.engine.resolved import ResolvedHires, ResolvedRequest
from modules.engine.run import Run, switch_networks
from modules.engine.sampler_contract import SamplerSpec
from modules.engine.sampler_registry import find_sampler, find_schedule, resolve_schedule, split_sampler_and_schedule
from modules.engine.upscale import BUILT_IN, KnownUpscalers
from modules.families.family import ModelFamily
from modules.schema.errors import OutOfMemory

if TYPE_CHECKING:
    from PIL.Image import Image

    from modules.compute.policy import ComputePolicy
    from modules.loading.components import Components
    from modules.loading.embeddings import EmbeddingShelf
    from modules.loading.lora import LoraShelf

log = logging.getLogger(__name__)
BEFORE_FACES, BEFORE_COLOURS = "-before-face-restoration", "-before-color-correction"       # as A1111 names the files


def generate(
    request: ResolvedRequest,
    components: Components,
    *,
    policy: ComputePolicy,
    hooks: GenerationHooks | None = None,
    progress: ProgressSink | None = None,
    cancel: CancelView | None = None,
    embeddings: EmbeddingShelf | None = None,
    loras: LoraShelf | None = None,
    networks: NetworkSwitch | None = None,
    cache: ConditioningCache | None = None,
    upscalers: KnownUpscalers = BUILT_IN,
    source: ModelSource | None = None,
    restore_faces: Callable[[Image], Image] | None = None,
    precautions: Precautions | None = None,
    make_room: Callable[[], None] = lambda: None,
    quick: QuickSource | None = None,
) -> GenerationResult:
    """Make the pictures of ``request``; each is handed to ``hooks.image_ready`` as soon as it is there.

    embeddings, loras: the textual inversions and LoRAs that prompts may name. upscalers: what enlarges pictures between the passes.
    networks: the switch to put them in with, for a caller who has to undo it in between. cache: encoded prompts kept from one job to the next.
    precautions: what models needed in earlier jobs, and what is found out in this one. make_room: lets go of what others keep loaded, when memory runs out.
    quick: what draws previews by networks. restore_faces: what every finished picture goes through. source: where the refiner and the hires checkpoint come from, and this one again after them.
    An interrupt ends the job at the next model call: finished pictures are returned, and the half-done batch as it is,
    marked incomplete. Raises UnknownName, InvalidValue, OutOfMemory and NotFinite; pictures finished before were handed over.
    """
    sampler_name, schedule_name = split_sampler_and_schedule(request.sampler_name, request.schedule_name)
    find_schedule(schedule_name)                    # an unknown name or an impossible size is refused before any work
    latent_size(request.width, request.height)
    request = _as_run(request, components.family, upscalers)
    networks = networks or NetworkSwitch(components, loras)
    with torch.no_grad(), Models(components, source, request=request, policy=policy, networks=networks, precautions=precautions, quick=quick) as models:
        run = Run(
            request=request, models=models, policy=policy, hooks=hooks or NullHooks(), progress=progress or NullProgress(),
            cancel=cancel or NeverCancelled(), sampler=find_sampler(sampler_name), schedule_name=schedule_name, embeddings=embeddings,
            cache=ConditioningCache() if cache is None else cache, upscalers=upscalers, restore_faces=restore_faces, make_room=make_room,
        )
        plans = run.hooks.plans_ready(make_plans(request))
        if request.hypertile.is_on and plans:
            run.tiles = TiledAttention(request.hypertile, plans[0].images[0].seed, (request.width, request.height))
        run.progress.begin(len(plans), sum(len(plan.images) for plan in plans))
        with _memory_errors(run):
            _run_batches(run, plans)
    return run.hooks.finished(_result(run))


def _run_batches(run: Run, plans: Sequence[BatchPlan]) -> None:
    if run.request.hires.enabled:
        run.components.read_vae_encoder()               # a second pass may need it: not after half of the work
    start = prepare_start(run, plans[0]) if run.request.is_img2img and plans else None
    if start:
        run.note(start.facts, start.comments)
    for plan in plans:
        if run.cancel.interrupted or run.cancel.stopping:
            break
        if known := _known(run, plan, plans):
            run.progress.begin_batch(plan.index)
            run.images += known
            continue
        _run_whole_or_in_parts(run, plan, start)


def _known(run: Run, plan: BatchPlan, plans: Sequence[BatchPlan]) -> Sequence[GeneratedImage]:
    """What is there already of a batch; empty where it is to be made: the last one, for the facts of the run, and what goes on from batch to batch."""
    if plan is plans[-1] or run.tiles is not None or run.request.kept.masks:
        return ()
    return run.hooks.known(plan) or ()


def _run_whole_or_in_parts(run: Run, plan: BatchPlan, start: Start | None) -> None:
    """The batch; where memory does not hold it, the halves of it."""
    made = len(run.images)
    try:
        _run_batch(run, plan, start)
        return
    except Exception as error:
        if not is_out_of_memory(error) or len(plan.images) < 2 or len(run.images) > made:
            raise
        error.with_traceback(None)
        log.warning("memory ran out for %d pictures at once; they are made in parts", len(plan.images))
    run.free_room()
    free_memory()
    middle = (len(plan.images) + 1) // 2
    for first, last in ((0, middle), (middle, len(plan.images))):
        _run_whole_or_in_parts(run, replace(plan, images=plan.images[first:last]), start and start.part(first, last))
    run.note({}, ["Memory ran out; the batch was made in smaller parts."])


def _as_run(request: ResolvedRequest, family: ModelFamily, upscalers: KnownUpscalers) -> ResolvedRequest:
    """The request with the batch and first-pass sizes that it will really run with. Refuses what cannot be run before any work."""
    if request.is_img2img:
        return replace(request, batch_size=effective_batch(request, family), hires=ResolvedHires())
    if not request.hires.enabled:
        return request
    upscalers.find(request.hires.upscaler)
    hires_sampler(request)
    return with_first_pass_size(request)


def _run_batch(run: Run, plan: BatchPlan, start: Start | None) -> None:
    run.progress.begin_batch(plan.index)
    run.cancel.clear_skip()
    plan = run.hooks.before_batch(plan)
    run.models.use()
    run.components.gather()
    switch_networks(run, plan)
    plan = run.hooks.networks_active(plan)
    outcome = sample_batch(run, plan, start)
    if not outcome.complete and not outcome.calls:
        return                                      # stopped before anything could be seen
    own = outcome
    outcome = run.hooks.batch_ready(plan, outcome, lambda: _pixels(run, own, clamped=False))
    _deliver(run, plan, outcome, frames_for(run, start, outcome.latents) if start else ())


@contextmanager
def _memory_errors(run: Run) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        run.components.placement.release()          # what was on its way to the device is at home again
        if not is_out_of_memory(error):
            raise
        error.with_traceback(None)                  # its frames hold what is in the way of the next job
        free_memory()
        raise OutOfMemory(
            f"{'This computer' if run.policy.device == 'cpu' else 'The GPU'} ran out of memory for {run.request.batch_size} picture(s) of {run.request.width}x{run.request.height}.",
            "Ask for a smaller size or batch, or start with --medvram.",
        ) from error


def _pixels(run: Run, outcome: PassOutcome, *, clamped: bool = True) -> tuple[list[Tensor], int]:
    """(the batch's pictures, how many of them the VAE made)"""
    if outcome.complete or not run.request.preview.for_interrupted:
        return run.decoded_or_left(outcome.latents, clamped=clamped)
    return [run.models.painter.pixels(each) for each in outcome.latents], 0


def _deliver(run: Run, plan: BatchPlan, outcome: PassOutcome, frames: Sequence[Frame]) -> None:
    """Decode the batch, where it is not, and hand over its pictures one by one."""
    pixels, whole = _pixels(run, outcome) if outcome.pixels is None else (list(outcome.pixels), len(outcome.pixels) if outcome.whole is None else outcome.whole)
    complete = outcome.complete
    pictures = run.hooks.images_decoded(plan, torch.stack(pixels))
    for number, each in enumerate(pictures):
        planned = plan.images[min(number, len(plan.images) - 1)]    # a hook may have added pictures
        is_complete = complete and (number < whole or whole == len(pixels))
        image = GeneratedImage(
            picture=as_picture(each), index=planned.index, seed=planned.seed, variation_seed=planned.variation_seed,
            prompt=planned.prompt, negative_prompt=planned.negative_prompt, complete=is_complete, facts=_facts(run),
        )
        if run.restore_faces is not None and is_complete:
            if run.hooks.kept_now(run.request.kept).before_faces:
                run.hooks.aside(image, BEFORE_FACES)
            image = replace(image, picture=run.restore_faces(image.picture))
        image = run.hooks.image_ready(image)
        frame = run.hooks.framed(image, number, frames[number] if number < len(frames) else Frame())
        run.images.append(_composited(run, image, frame))


def _composited(run: Run, image: GeneratedImage, frame: Frame) -> GeneratedImage:
    """The picture in its frame, and what the request wants beside it."""
    kept = run.hooks.kept_now(run.request.kept)
    if kept.before_colours and frame.colours is not None:
        run.hooks.aside(replace(image, picture=frame.with_own_colours.around(image.picture)), BEFORE_COLOURS)
    finished = run.hooks.composited(replace(image, picture=frame.around(image.picture)))
    if kept.masks and frame.mask is not None:
        run.hooks.masked(finished, frame.mask, frame.alone(image.picture))
    return finished


def _facts(run: Run) -> SamplingFacts:
    height, width = _final_cells(run)
    asked = find_schedule(run.schedule_name).label  # A1111 writes down what was asked for where it has no effect
    again, again_schedule = hires_sampler(run.request) if run.request.hires.enabled else ("", "")
    return SamplingFacts(
        sampler_name=run.sampler.name, schedule_name=_used_schedule(run.models.first_family, run.sampler, asked) or asked,
        hires_schedule_name=_used_schedule(run.components.family, find_sampler(again), again_schedule) if again else "",
        width=width * LATENT_CELL, height=height * LATENT_CELL, extra=tuple(run.facts.items()),
    )


def _used_schedule(family: ModelFamily, sampler: SamplerSpec, name: str) -> str:
    return resolve_schedule(sampler, name, is_flow=family.is_flow).label if sampler.kind == "sigma" else ""


def _final_cells(run: Run) -> tuple[int, int]:
    return hires_size(run.request).cells if run.request.hires.enabled else latent_size(run.request.width, run.request.height)


def _result(run: Run) -> GenerationResult:
    return GenerationResult(images=tuple(run.images), facts=_facts(run), comments=tuple(run.comments), interrupted=run.cancel.interrupted)
