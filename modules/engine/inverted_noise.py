"""The noise that a picture would have been drawn from: Euler's way walked backwards, from the picture up to the highest sigma."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from modules.engine.conditioning import PromptConditioning, StepConditioning
from modules.engine.denoise_pass import model_levels
from modules.engine.denoiser import DenoiserSetup, GuidedDenoiser
from modules.engine.extra_networks import take_out_batch_tags
from modules.engine.hooks import BatchPlan, NullHooks
from modules.engine.inversion import Inversion
from modules.engine.noise_levels import NoiseLevels
from modules.engine.predictor import Predictor
from modules.engine.run import PassPart, Run, encode_batch, step_reporter
from modules.engine.sampler_registry import find_sampler
from modules.engine.schedules import ScheduleInput, uniform
from modules.engine.token_merging import merged_tokens
from modules.schema.errors import InvalidValue


def inverted_noise(run: Run, plan: BatchPlan, start: Tensor, fresh: Tensor, image_cond: Tensor | None, asked: Inversion) -> Tensor:
    """The noise that takes ``start`` (B, C, h, w), at the highest sigma, to where the search for it ended; ``fresh``: the seeds' own noise.

    Raises Interrupted within one step.
    """
    model = run.models.now.model
    levels = model_levels(model, find_sampler("Euler"), run.request.options, start.shape, run.request.steps)
    if not isinstance(levels, NoiseLevels):
        raise InvalidValue(f"The noise of a picture cannot be found with {run.components.family.name} checkpoints.", "Choose a Stable Diffusion 1, 2 or XL checkpoint.")
    tags = take_out_batch_tags([image.prompt for image in plan.images])[1]
    key = (asked, tuple(tags), run.components.checkpoint.path, run.components.checkpoint.modified, run.request.options)
    noise = asked.found.of(key, start)
    if noise is None:
        with merged_tokens(model.unet, run.request.options.token_merging_ratio):
            noise = _searched(run, plan, start, image_cond, asked, levels)
        asked.found.keep(key, start, noise)
    share = asked.randomness
    mixed = ((1 - share) * noise.to(start) + share * fresh.to(start)) / math.hypot(share, 1 - share)
    return mixed - start / levels.sigma_max         # the pass adds the picture to what it is given


def _searched(run: Run, plan: BatchPlan, start: Tensor, image_cond: Tensor | None, asked: Inversion, levels: NoiseLevels) -> Tensor:
    steps = asked.steps
    falling = uniform(ScheduleInput(steps=steps, levels=levels, sigma_min=levels.sigma_min, sigma_max=levels.sigma_max))
    sigmas = falling.flip(0).tolist()
    denoise = _denoiser(run, plan, image_cond, asked, levels)
    report = step_reporter(run, PassPart(after=run.request.steps))
    x = start
    for number in range(1, len(sigmas)):
        before, after = sigmas[number - 1], sigmas[number]
        look = before if asked.by_sigma else after
        denoised = x if look == 0 else denoise(x, look)     # without noise there is nothing to take away
        if look:
            x = x + (x - denoised) / look * (after - before)
        report(number, steps, denoised)
    return x / sigmas[-1] if asked.by_sigma else x / x.std()


def _denoiser(run: Run, plan: BatchPlan, image_cond: Tensor | None, asked: Inversion, levels: NoiseLevels) -> Callable[[Tensor, float], Tensor]:
    model = run.models.now.model
    shown = replace(plan, images=tuple(replace(each, prompt=asked.prompt, negative_prompt=asked.negative_prompt) for each in plan.images))
    return GuidedDenoiser(
        DenoiserSetup(
            predictor=Predictor(unet=model.unet, levels=levels, compute_dtype=model.compute_dtype, predicts_v=model.predicts_v),
            conditioning=_Backwards(encode_batch(run, shown, networks_of=plan), run.request.steps), guidance_scale=asked.guidance_scale,
            total_steps=asked.steps, options=replace(run.request.options, s_min_uncond=0.0, skip_early_cond=0.0), hooks=NullHooks(),
            cancel=run.cancel, split_guidance=model.split_guidance, image_cond=image_cond, steps=asked.steps,
        )
    )


@dataclass(frozen=True)
class _Backwards:
    """Prompts that change on the way change back on the way back."""

    forward: PromptConditioning
    steps: int

    def at(self, step: int) -> StepConditioning:
        return self.forward.at(max(self.steps - 1 - step, 0))
