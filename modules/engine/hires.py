"""Hires fix: the finished small picture is enlarged, taken back into noise, and drawn again at the new size."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from modules.engine.decode import as_picture, decode_latent
from modules.engine.denoise_pass import PassOutcome
from modules.engine.encode import as_pixels, encode_pixels
from modules.engine.hooks import BatchPlan
from modules.engine.image_conditioning import everything_masked, masked_picture
from modules.engine.plan import LATENT_CELL, latent_size
from modules.engine.resolved import ResolvedHires, ResolvedRequest
from modules.engine.run import PassPart, Run, batch_noise, encode_batch, sampling_pass
from modules.engine.sampler_registry import find_sampler, find_schedule, split_sampler_and_schedule
from modules.engine.upscale import LatentUpscaler, PictureUpscaler, enlarger, resized_latents
from modules.imaging.resize import JUST_RESIZE, fitted

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


def second_pass(run: Run, plan: BatchPlan, first: Tensor) -> PassOutcome:
    """Latents of the first pass (B, C, h, w) -> those of the second."""
    request, hires = run.request, run.request.hires
    size, upscaler, steps = hires_size(request), run.upscalers.find(hires.upscaler), hires_steps(request)
    if isinstance(upscaler, LatentUpscaler):
        start, image_cond = _enlarged_latents(run, plan, first, size, upscaler)
    else:
        start, image_cond = _enlarged_pictures(run, plan, first, size, upscaler)
    start, image_cond = _cropped(start, size), None if image_cond is None else _cropped(image_cond, size)
    sampler_name, schedule_name = hires_sampler(request)
    sampler = find_sampler(sampler_name)
    noise = batch_noise(run, plan, start.shape[1:])
    first_noise = noise.first()
    conditioning = encode_batch(run, plan, hires_steps=steps * sampler.order)
    start = run.hooks.before_hires(plan, start)
    first_noise = run.hooks.before_sampling(plan, first_noise)
    return sampling_pass(
        run, conditioning, noise, first_noise, part=PassPart(before=request.steps), sampler=sampler, schedule_name=schedule_name, steps=steps,
        start=start.to(first_noise), denoising_strength=request.denoising_strength, fixed_steps=True, image_cond=image_cond,
        options=replace(request.options, token_merging_ratio=request.options.token_merging_ratio_hires or request.options.token_merging_ratio),
    )


def hires_sampler(request: ResolvedRequest) -> tuple[str, str]:
    """(sampler, schedule) of the second pass; what is not given is the first pass's. Raises UnknownName."""
    hires: ResolvedHires = request.hires
    sampler, schedule = split_sampler_and_schedule(hires.sampler_name or request.sampler_name, hires.schedule_name or request.schedule_name)
    return find_sampler(sampler).name, find_schedule(schedule).label


def _enlarged_latents(run: Run, plan: BatchPlan, first: Tensor, size: HiresSize, upscaler: LatentUpscaler) -> tuple[Tensor, Tensor | None]:
    width, height = size.enlarged
    latents = resized_latents(first, height // LATENT_CELL, width // LATENT_CELL, upscaler)
    seed = plan.images[0].seed
    if run.request.options.inpainting_mask_weight < 1.0 and run.components.family.is_inpainting:
        return latents, _conditioning_of(run, plan, torch.stack(_decoded(run, latents)), latents)
    return latents, everything_masked(run.components, len(latents), latents.shape[3] * LATENT_CELL, latents.shape[2] * LATENT_CELL, seed=seed)


def _enlarged_pictures(run: Run, plan: BatchPlan, first: Tensor, size: HiresSize, upscaler: PictureUpscaler) -> tuple[Tensor, Tensor | None]:
    grow = enlarger(upscaler)
    pictures = [fitted(as_picture(pixels), *size.enlarged, JUST_RESIZE, grow) for pixels in _decoded(run, first)]
    pixels = as_pixels(pictures)
    latents = encode_pixels(pixels, run.components.vae, run.components.family.latent, seed=plan.images[0].seed)
    return latents, _conditioning_of(run, plan, pixels, latents)


def _conditioning_of(run: Run, plan: BatchPlan, pixels: Tensor, latents: Tensor) -> Tensor | None:
    weight = run.request.options.inpainting_mask_weight
    return masked_picture(run.components, pixels, latents, None, rounded=True, weight=weight, seed=plan.images[0].seed)


def _decoded(run: Run, latents: Tensor) -> list[Tensor]:
    latent = run.components.family.latent
    return [decode_latent(each, run.components.vae, scale=latent.scale, shift=latent.shift) for each in latents]


def _cropped(latents: Tensor, size: HiresSize) -> Tensor:
    columns, rows = size.cut
    return latents[:, :, rows // 2 : latents.shape[2] - (rows + 1) // 2, columns // 2 : latents.shape[3] - (columns + 1) // 2]
