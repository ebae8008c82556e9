"""Hires fix: the finished small picture is enlarged, taken back into noise, and drawn again at the new size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from modules.engine.control_start import begin_control
from modules.engine.decode import as_picture
from modules.engine.encode import as_pixels, encode_pixels
from modules.engine.hooks import BatchPlan, GeneratedImage
from modules.engine.image_conditioning import everything_masked, is_controlled, masked_picture
from modules.engine.pass_outcome import PassOutcome
from modules.engine.plan import LATENT_CELL, latent_size
from modules.engine.resolved import ResolvedHires, ResolvedRequest
from modules.engine.run import (
    PassPart,
    Run,
    batch_noise,
    encode_batch,
    reads_with_first_networks,
    refiner_handover,
    sampling_pass,
    switch_networks,
)
from modules.engine.sampler_registry import find_sampler, find_schedule, split_sampler_and_schedule
from modules.engine.upscale import LatentUpscaler, PictureUpscaler, enlarger, resized_latents
from modules.imaging.resize import JUST_RESIZE, fitted

BEFORE_HIRES = "-before-highres-fix"                # as A1111 names the file
_OLD_FIRST_PASS_AREA = 512 * 512                    # pixels: A1111 before 1.0 drew the first pass about this large


@dataclass(frozen=True, kw_only=True)
class HiresSize:
    """enlarged: (width, height) in pixels that the first picture is enlarged to, in its own proportions.

    cut: latent cells (columns, rows) taken off in all, half on each side, to arrive at the size asked for.
    """

    enlarged: tuple[int, int]
    cut: tuple[int, int] = (0, 0)

    @property
    def cells(self) -> tuple[int, int]:
        """(h, w) of the second pass's latent."""
        return self.enlarged[1] // LATENT_CELL - self.cut[1], self.enlarged[0] // LATENT_CELL - self.cut[0]


def hires_size(request: ResolvedRequest) -> HiresSize:
    """A1111's rule: both sides asked for are met by cropping, one side keeps the proportions, none means the factor."""
    hires, width, height = request.hires, request.width, request.height
    goal_x, goal_y = hires.resize_width, hires.resize_height
    if hires.stretched is not None:
        return HiresSize(enlarged=(goal_x, goal_y), cut=hires.stretched)
    if goal_x <= 0 and goal_y <= 0:
        return HiresSize(enlarged=(int(width * hires.scale), int(height * hires.scale)))
    if goal_y <= 0:
        return HiresSize(enlarged=(goal_x, goal_x * height // width))
    if goal_x <= 0:
        return HiresSize(enlarged=(goal_y * width // height, goal_y))
    wide = width * goal_y < goal_x * height         # the goal is wider than the first picture
    enlarged = (goal_x, goal_x * height // width) if wide else (goal_y * width // height, goal_y)
    return HiresSize(enlarged=enlarged, cut=((enlarged[0] - goal_x) // LATENT_CELL, (enlarged[1] - goal_y) // LATENT_CELL))


def with_first_pass_size(request: ResolvedRequest) -> ResolvedRequest:
    """The request as the two passes run it. Raises InvalidValue when the second would have no pixels.

    In A1111's old hires fix the size asked for is the second pass's; the first one has its proportions, about
    512 x 512 pixels and sides that are multiples of 64.
    """
    if request.options.use_old_hires_size:
        width, height = request.width, request.height
        scale = math.sqrt(_OLD_FIRST_PASS_AREA / (width * height))
        first_width, first_height = (math.ceil(scale * side / 64) * 64 for side in (width, height))
        request = replace(
            request, width=first_width, height=first_height, options=replace(request.options, use_old_hires_size=False),
            hires=replace(request.hires, resize_width=width, resize_height=height),
        )
    latent_size(*hires_size(request).enlarged)
    return request


def hires_steps(request: ResolvedRequest) -> int:
    return request.hires.steps or request.steps


def hires_calls(request: ResolvedRequest) -> int:
    """How often the second pass calls its denoiser."""
    return hires_steps(request) * find_sampler(hires_sampler(request)[0]).order


def second_pass(
    run: Run, plan: BatchPlan, first: Tensor | None = None, decoded: Sequence[Tensor] | None = None, *, is_seen: bool = False
) -> PassOutcome:
    """Latents of the first pass (B, C, h, w) -> those of the second, by the model that is asked for there.

    first None: the request brings the first pass's picture along. decoded: the first pass's pictures, (3, H, W) in 0 .. 1, where they are there already.
    is_seen: who wants to see them has.
    """
    hires, upscaler, seed = run.request.hires, run.upscalers.find(run.request.hires.upscaler), plan.images[0].seed
    latent_upscaler, pixels, fresh = isinstance(upscaler, LatentUpscaler), None, first
    if first is None:
        pixels = [_given(hires.first_pass)] * len(plan.images)
        if latent_upscaler:
            first = encode_pixels(torch.stack(pixels), run.components.vae, run.components.family.latent, seed=seed, rescue=run.vae_rescue)
    elif not latent_upscaler or not run.models.is_in_use(hires.checkpoint_name):
        pixels = list(decoded or run.decoded(first))    # now, by the model that made them
    if run.hooks.kept_now(run.request.kept).before_hires and fresh is not None and not is_seen:
        _hand_over_first(run, plan, pixels or run.decoded(fresh))
    before = run.components.family.latent
    run.models.use(hires.checkpoint_name)
    if pixels is not None and run.components.family.latent != before:   # a latent means nothing to another kind of model: by way of the picture
        first = encode_pixels(torch.stack(pixels), run.components.vae, run.components.family.latent, seed=seed, rescue=run.vae_rescue)
    return _drawn_again(run, plan, _enlarged(run, plan, first, pixels, upscaler))


def _hand_over_first(run: Run, plan: BatchPlan, pixels: Sequence[Tensor]) -> None:
    for planned, each in zip(plan.images, pixels):
        run.hooks.aside(
            GeneratedImage(picture=as_picture(each), index=planned.index, seed=planned.seed, variation_seed=planned.variation_seed,
                           prompt=planned.prompt, negative_prompt=planned.negative_prompt), BEFORE_HIRES)


def _given(picture: Image.Image) -> Tensor:
    """(3, H, W) in 0 .. 1, by the way over -1 .. 1 that A1111 goes: some levels come out one lower when they are cut to whole ones."""
    return (as_pixels([picture.convert("RGB")])[0] * 2.0 - 1.0 + 1.0) / 2.0


@dataclass(frozen=True, kw_only=True)
class _Start:
    """What the second pass begins with. image_cond: for the model in use."""

    latents: Tensor
    image_cond: Callable[[], Tensor | None]


def _enlarged(
    run: Run, plan: BatchPlan, first: Tensor | None, pixels: Sequence[Tensor] | None, upscaler: LatentUpscaler | PictureUpscaler
) -> _Start:
    size = hires_size(run.request)
    if isinstance(upscaler, LatentUpscaler):
        assert first is not None
        return _enlarged_latents(run, plan, first, size, upscaler)
    return _enlarged_pictures(run, plan, pixels or (), size, upscaler)


def _drawn_again(run: Run, plan: BatchPlan, begin: _Start) -> PassOutcome:
    request, size, steps = run.request, hires_size(run.request), hires_steps(run.request)
    sampler_name, schedule_name = hires_sampler(request)
    sampler = find_sampler(sampler_name)
    start = _cropped(begin.latents, size)
    noise = batch_noise(run, plan, start.shape[1:], hires=True)
    first_noise = noise.first()
    calls = hires_calls(request)
    if not (of_first := reads_with_first_networks(request)):
        switch_networks(run, plan, hires=True)
        run.hooks.hires_begins(plan)
    conditioning = run.hooks.conditioning_ready(plan, encode_batch(run, plan, hires_steps=calls, size=size.enlarged), hires=True)
    if of_first:
        run.hooks.hires_begins(plan)
    if run.tiles is not None:
        run.tiles.before_hires(size.enlarged)
    start = run.hooks.before_hires(plan, start)
    first_noise = run.hooks.before_sampling(plan, first_noise)
    run = run.with_request(run.hooks.request_now(request))
    request, steps = run.request, hires_steps(run.request)
    conditioning = run.hooks.pass_conditioning(conditioning, hires=True)

    def image_cond() -> Tensor | None:
        whole = begin.image_cond()
        return None if whole is None else _cropped(whole, size)

    return sampling_pass(
        run, conditioning, noise, first_noise, part=PassPart(before=request.steps if request.hires.first_pass is None else 0), hires=True, sampler=sampler,
        schedule_name=schedule_name, steps=steps, start=start.to(first_noise), denoising_strength=request.denoising_strength, fixed_steps=True,
        image_cond=image_cond(), handover=refiner_handover(run, plan, image_cond, hires_steps=calls, size=size.enlarged), control=begin_control(run, plan, hires=True),
        options=replace(request.options, token_merging_ratio=request.options.token_merging_ratio_hires or request.options.token_merging_ratio),
    )


def hires_sampler(request: ResolvedRequest) -> tuple[str, str]:
    """(sampler, schedule) of the second pass; what is not given is the first pass's. Raises UnknownName."""
    hires: ResolvedHires = request.hires
    sampler, schedule = split_sampler_and_schedule(hires.sampler_name or request.sampler_name, hires.schedule_name or request.schedule_name)
    return find_sampler(sampler).name, find_schedule(schedule).label


def _enlarged_latents(run: Run, plan: BatchPlan, first: Tensor, size: HiresSize, upscaler: LatentUpscaler) -> _Start:
    width, height = size.enlarged
    latents = resized_latents(first, height // LATENT_CELL, width // LATENT_CELL, upscaler)

    def image_cond() -> Tensor | None:
        if run.request.options.inpainting_mask_weight < 1.0 and run.components.family.is_inpainting:
            return _conditioning_of(run, plan, torch.stack(run.decoded(latents)), latents)
        rows, columns = latents.shape[2:]
        return everything_masked(run.components, len(latents), columns * LATENT_CELL, rows * LATENT_CELL, seed=plan.images[0].seed, rescue=run.vae_rescue)

    return _Start(latents=latents, image_cond=image_cond)


def _enlarged_pictures(run: Run, plan: BatchPlan, first: Sequence[Tensor], size: HiresSize, upscaler: PictureUpscaler) -> _Start:
    grow = enlarger(upscaler)
    pixels = as_pixels([fitted(as_picture(each), *size.enlarged, JUST_RESIZE, grow) for each in first])
    latents = encode_pixels(pixels, run.components.vae, run.components.family.latent, seed=plan.images[0].seed, rescue=run.vae_rescue)
    return _Start(latents=latents, image_cond=lambda: _conditioning_of(run, plan, pixels, latents))


def _conditioning_of(run: Run, plan: BatchPlan, pixels: Tensor, latents: Tensor) -> Tensor | None:
    if run.components.family.reads_picture != "never":         # nothing was to be changed
        return None
    if run.components.family.is_depth or is_controlled(run.components):
        return everything_masked(run.components, len(latents), pixels.shape[3], pixels.shape[2], seed=plan.images[0].seed, rescue=run.vae_rescue)
    weight = run.request.options.inpainting_mask_weight
    return masked_picture(run.components, pixels, latents, None, rounded=True, weight=weight, seed=plan.images[0].seed, rescue=run.vae_rescue)


def _cropped(latents: Tensor, size: HiresSize) -> Tensor:
    columns, rows = size.cut
    return latents[:, :, rows // 2 : latents.shape[2] - (rows + 1) // 2, columns // 2 : latents.shape[3] - (columns + 1) // 2]
