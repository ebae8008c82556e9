"""The latents of one batch, by the recipe that the request asks for; or as a listener goes that way itself, in parts, or several times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from modules.engine.conditioning import PromptConditioning
from modules.engine.control_start import begin_control
from modules.engine.denoise_pass import model_levels
from modules.engine.hires import hires_calls, hires_size, hires_steps, second_pass
from modules.engine.hooks import BatchPlan
from modules.engine.image_conditioning import everything_masked
from modules.engine.img2img import Start, img2img_pass
from modules.engine.inpaint import step_blend
from modules.engine.pass_grid import GridRequest, schedule_sigmas
from modules.engine.pass_outcome import PassOutcome
from modules.engine.plan import LATENT_CELL, latent_size
from modules.engine.resolved import ResolvedRequest
from modules.engine.run import PassPart, Run, batch_noise, encode_batch, refiner_handover, sampling_pass
from modules.engine.sampler_contract import SamplerSpec
from modules.engine.sampler_registry import resolve_schedule


@dataclass(frozen=True, kw_only=True)
class AskedPass:
    """A sampling pass that a listener asks for.

    noise: (B, C, h, w) of standard deviation 1. start: what it is added to, None for a pass from noise alone.
    fixed_steps: exactly ``steps``, whatever the strength. image_cond: see ``image_conditioning``.
    """

    conditioning: PromptConditioning
    noise: Tensor
    sampler: SamplerSpec
    schedule_name: str
    steps: int
    start: Tensor | None = None
    denoising_strength: float = 1.0
    fixed_steps: bool = False
    image_cond: Tensor | None = None
    hires: bool = False


@dataclass
class BatchSampling:
    """start: img2img's input. seen: whether the picture of the first pass was handed over."""

    run: Run
    plan: BatchPlan
    start: Start | None = None
    _seen: bool = field(default=False, init=False)

    def changed(self, request: ResolvedRequest) -> BatchSampling:
        """The same batch with other values."""
        made = BatchSampling(self.run.with_request(request), self.plan, self.start)
        made._seen = self._seen
        return made

    def encode(self, *, hires: bool = False) -> PromptConditioning:
        """Read the batch's prompts; listeners are told."""
        run = self.run
        more = {"hires_steps": hires_calls(run.request), "size": hires_size(run.request).enlarged} if hires else {}
        return run.hooks.conditioning_ready(self.plan, encode_batch(run, self.plan, **more), hires=hires)

    def whole(self, plan: BatchPlan) -> PassOutcome:
        """By the recipe. plan: the batch, or a part or another version of it."""
        run = self.run
        if self.start is not None:
            return img2img_pass(run, plan, self.start)
        hires = run.request.hires.enabled
        if hires and run.request.hires.first_pass is not None:
            return self._again(plan, None)
        outcome = self._text_pass(plan, PassPart(after=hires_steps(run.request) if hires else 0))
        if not hires or not outcome.complete:
            return outcome
        second = self._again(plan, outcome.latents)
        return replace(second, calls=outcome.calls + second.calls)

    def _again(self, plan: BatchPlan, first: Tensor | None) -> PassOutcome:
        return self.run.hooks.second_sampled(self, plan, first) or self.second(plan, first)

    def second(self, plan: BatchPlan, first: Tensor | None, pixels: Sequence[Tensor] | None = None) -> PassOutcome:
        """The hires pass over latents of the first. pixels: (3, H, W) in 0 .. 1 of each, where they are decoded already."""
        again, self._seen = self._seen, True
        return second_pass(self.run, plan, first, pixels, is_seen=again)

    def decoded(self, latents: Tensor) -> list[Tensor]:
        """(3, H, W) in 0 .. 1 of each, by the model in use."""
        return self.run.decoded(latents)

    def _text_pass(self, plan: BatchPlan, part: PassPart) -> PassOutcome:
        run = self.run
        conditioning = run.hooks.conditioning_ready(plan, encode_batch(run, plan), hires=False)
        height, width = latent_size(run.request.width, run.request.height)
        noise = batch_noise(run, plan, (run.components.family.latent.channels, height, width))
        first_noise = run.hooks.before_sampling(plan, noise.first())
        run = run.with_request(run.hooks.request_now(run.request))
        conditioning = run.hooks.pass_conditioning(conditioning, hires=False)
        image_cond = self._nothing_given(plan, height, width)
        handover = refiner_handover(run, plan, image_cond)
        control = begin_control(run, plan, hires=False)
        return sampling_pass(run, conditioning, noise, first_noise, part=part, image_cond=image_cond(), handover=handover, control=control)

    def _nothing_given(self, plan: BatchPlan, height: int, width: int) -> Callable[[], Tensor | None]:
        """What a model that wants a picture is shown where there is none, for the model in use. In latent cells."""
        run = self.run
        return lambda: everything_masked(
            run.components, len(plan.images), width * LATENT_CELL, height * LATENT_CELL, seed=plan.images[0].seed, rescue=run.vae_rescue)

    def asked(self, plan: BatchPlan, work: AskedPass) -> PassOutcome:
        """A pass over latents of any size. plan: one image for each row. Its steps' noise goes on where the images' start noise ended."""
        run, (height, width) = self.run, work.noise.shape[-2:]
        noise = batch_noise(run, plan, work.noise.shape[1:])
        noise.first()
        nothing = self._nothing_given(plan, height, width)
        own = nothing()
        if own is not None and work.image_cond is not None and work.image_cond.shape == own.shape:
            own = work.image_cond
        blend = None
        if self.start is not None and self.start.painted is not None and work.noise.shape == self.start.latents[: len(plan.images)].shape:
            by_timestep = work.sampler.kind == "timestep" and not run.components.family.is_flow
            kept = self.start.latents[: len(plan.images)] if work.start is None else work.start
            blend = step_blend(run.request.init.inpaint, kept, self.start.painted, run.hooks.blended, by_timestep=by_timestep)
        return sampling_pass(
            run, work.conditioning, noise, work.noise, hires=work.hires, sampler=work.sampler, schedule_name=work.schedule_name, steps=work.steps,
            start=work.start, denoising_strength=work.denoising_strength, fixed_steps=work.fixed_steps, image_cond=own, blend=blend,
            handover=None if work.hires else refiner_handover(run, plan, nothing), control=begin_control(run, plan, hires=work.hires),
        )

    def sigmas(self, sampler: SamplerSpec, schedule_name: str, steps: int) -> Tensor:
        """(steps + 1,) of a schedule, for the model in use."""
        run, is_flow = self.run, self.run.components.family.is_flow
        model = run.models.now.model
        levels = model_levels(model, sampler, run.request.options, latent_size(run.request.width, run.request.height), steps)
        schedule = resolve_schedule(sampler, schedule_name, is_flow=is_flow)
        return schedule_sigmas(GridRequest(
            sampler=sampler, schedule=schedule, steps=steps, levels=levels, options=run.request.options, is_sdxl=model.is_sdxl, is_flow=is_flow,
            given=run.hooks.sigmas,
        ), steps, {})  # fmt: skip


def sample_batch(run: Run, plan: BatchPlan, start: Start | None) -> PassOutcome:
    """The latents of the batch."""
    sampling = BatchSampling(run.with_request(run.hooks.request_now(run.request)), plan, start)
    return run.hooks.batch_sampled(sampling) or sampling.whole(plan)
