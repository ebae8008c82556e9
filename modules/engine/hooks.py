"""What the engine tells whoever is listening, stage by stage: value in, value out.

The engine knows nobody above it: scripts, ControlNet and the job runner implement this protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from modules.compute.noise import ImageNoise
    from modules.engine.conditioning import PromptConditioning
    from modules.engine.frame import Frame
    from modules.engine.guidance import RowWeights
    from modules.engine.inversion import Inversion
    from modules.engine.noise_levels import NoiseLevels
    from modules.engine.pass_outcome import PassOutcome
    from modules.engine.resolved import KeptStages, ResolvedRequest
    from modules.engine.sampler_contract import SamplerSpec, StepInfo, StepNoise


class Interrupted(Exception):
    """Raised inside a pass when the job was interrupted or the image skipped; never leaves the engine."""

    is_flow_control = True  # no mistake of whoever was called: guards around strangers' code let it through

@dataclass(frozen=True, kw_only=True)
class ImagePlan:
    """One image to make: everything that may differ inside a batch."""

    index: int                                      # in the whole job, from 0
    seed: int
    variation_seed: int
    prompt: str
    negative_prompt: str
    hires_prompt: str = ""
    hires_negative_prompt: str = ""
    first_noise: tuple[int, int] | None = None      # seed and variation seed that the first pass's noise is drawn with, where not those above

    @property
    def first_seeds(self) -> tuple[int, int]:
        return self.first_noise or (self.seed, self.variation_seed)


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """The images of one model call batch."""

    index: int                                      # batch number, from 0
    images: tuple[ImagePlan, ...]


@dataclass(frozen=True, kw_only=True)
class DenoiserCall:
    """One evaluation as the model will see it: cond rows first, uncond rows last.

    x: (R, C, h, w), R = cond rows of all images and AND parts, then one uncond row per image.
    sigma: (R,), one per row.
    cond: (n, T, C); uncond: (B, T', C), or None in a step that skips it.
    image_cond: (R, C', h, w) for inpainting models, else None.
    step counts denoiser calls from 0; total_steps is how many the pass expects.
    sampling_step, sampling_steps: what A1111's shared state says at this moment: the last step that the sampler told of, and their number.
    control: the control units of this pass (engine.control.Control), or None.
    told_sigma: (R,), the sigma that the model is told instead, row by row, where a listener wants another one than the sampler's; else None.
    levels: the model's noise levels where the sampler steps over timesteps (DDIM and its like); else None.
    """

    x: Tensor
    sigma: Tensor
    cond: Tensor
    uncond: Tensor | None
    step: int
    total_steps: int
    vector_cond: Tensor | None = None
    vector_uncond: Tensor | None = None
    image_cond: Tensor | None = None
    control: Any = None
    sampling_step: int = 0
    sampling_steps: int = 0
    told_sigma: Tensor | None = None
    levels: NoiseLevels | None = None


@dataclass(frozen=True, kw_only=True)
class MaskBlend:
    """Inpainting keeps what is not masked. latent, kept: (B, C, h, w). painted: (1, h, w), 1 where it is painted. blended: the two mixed.

    level: the sigma of the step, the timestep in timestep samplers; None for the finished latents.
    """

    latent: Tensor
    kept: Tensor
    painted: Tensor
    blended: Tensor
    level: float | None


@dataclass(frozen=True, kw_only=True)
class SamplingFacts:
    """What was really used, for the infotext.

    schedule_name: "Automatic" where the sampler has no schedule of its own.
    hires_schedule_name: the same of the second pass; "" where there is none, or its sampler reads no schedule.
    extra: infotext key -> value in A1111's order of insertion ("Eta", "Discard penultimate sigma", ...).
    """

    sampler_name: str
    schedule_name: str
    width: int                                      # of the finished picture
    height: int
    hires_schedule_name: str = ""
    extra: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True, kw_only=True)
class GeneratedImage:
    """One finished picture. ``complete`` is False when the job was interrupted while it was being made.

    facts: what was used so far, so that the picture can be saved before the job is over.
    """

    picture: Image
    index: int
    seed: int
    variation_seed: int
    prompt: str
    negative_prompt: str
    complete: bool = True
    facts: SamplingFacts | None = None


@dataclass(frozen=True, kw_only=True)
class GenerationResult:
    """All pictures in order, the facts, and sentences for the user. ``interrupted``: the job was cut short."""

    images: tuple[GeneratedImage, ...]
    facts: SamplingFacts
    comments: tuple[str, ...] = field(default=())
    interrupted: bool = False


class ProgressSink(Protocol):
    """The part of jobs.Progress that the engine writes."""

    def begin(self, batches: int, images: int) -> None: ...
    def begin_batch(self, index: int) -> None: ...
    def step(self, done: int, total: int) -> None: ...
    def offer_preview(self, make: Callable[[], bytes]) -> None: ...


class CancelView(Protocol):
    """The part of jobs.CancelToken that the engine uses. stopping: finish this batch, begin no other. hold: returns when a pause is over."""

    @property
    def interrupted(self) -> bool: ...
    @property
    def skipped(self) -> bool: ...
    @property
    def stopping(self) -> bool: ...
    def clear_skip(self) -> None: ...
    def hold(self) -> None: ...


def is_over(cancel: CancelView) -> bool:
    """Asked before each step of any kind: waits while the job is paused; whether what is at work is to end."""
    cancel.hold()
    return cancel.interrupted or cancel.skipped


class NullProgress:
    """Nobody watches."""

    def begin(self, batches: int, images: int) -> None: ...
    def begin_batch(self, index: int) -> None: ...
    def step(self, done: int, total: int) -> None: ...
    def offer_preview(self, make: Callable[[], bytes]) -> None: ...


class NeverCancelled:
    """Nobody can stop this job."""

    interrupted = skipped = stopping = False

    def clear_skip(self) -> None: ...
    def hold(self) -> None: ...


Decode = Callable[[], tuple[list["Tensor"], int]]


class GenerationHooks(Protocol):
    """Named stages in the order in which they are called; each returns what the engine goes on with.

    known: the pictures of a batch that need not be made, for they are there already; None to make them. It is asked of all but the last batch.
    batch_sampled, second_sampled: the latents of a batch, and those of its hires pass, where a listener makes them itself; None for the engine's own way.
    sampling: engine.batch_sampling.BatchSampling.
    request_now: the request as it is from here on, asked when a batch's sampling begins and when each pass of it is about to. kept_now: its ``kept``, asked for each picture.
    start_ready: img2img's encoded input (B, C, h, w), before its noise and once more when that is there. inversion: how the noise is found in it; None for the seeds' own.
    before_sampling: the start noise of a pass, of the hires pass too.
    pass_sampled: what a pass (engine.denoise_pass.DenoisePass) comes to, where a listener runs it itself. sigmas: (steps + 1,), falling, in the place of the schedule's.
    sampler: the algorithm of a pass that is about to begin. stepped: what is changed in place in ``x`` and ``denoised`` counts.
    prediction: what the denoiser calls in place of its ``predictor``, in the same form.
    combined: x0 (B, C, h, w) of all rows, the uncond rows last; None for the engine's own guidance.
    input_ready: img2img's pictures fitted: what each result is put into, what is painted (1, h, w), and the encoded input (B, C, h, w). blended: see MaskBlend.
    conditioning_ready: the encoded prompts of a pass, once more when the refiner takes over; pass_conditioning: right before the pass begins.
    extra_noise: the noise that is added once more to the noised start of img2img or hires, by the setting; ``noise`` itself leaves it as it is.
    batch_ready: what the batch has come to; latents_ready: its latents alone. decode: its pictures now, (3, H, W) around 0 .. 1, and how many of them the VAE made; else they are decoded next.
    images_decoded: (B, 3, H, W) in 0 .. 1; it may give back more or fewer pictures. framed: what picture ``number`` of the batch is put into.
    aside: a picture on its way that the request wants kept, ``suffix`` saying which stage it is of. masked: after ``composited``, the same picture
    with its mask and without what was laid over it.
    """

    def plans_ready(self, plans: tuple[BatchPlan, ...]) -> tuple[BatchPlan, ...]: ...
    def known(self, plan: BatchPlan) -> Sequence[GeneratedImage] | None: ...
    def before_batch(self, plan: BatchPlan) -> BatchPlan: ...
    def networks_active(self, plan: BatchPlan) -> BatchPlan: ...
    def input_ready(self, frames: Sequence[Frame], painted: Tensor | None, latents: Tensor) -> None: ...
    def conditioning_ready(self, plan: BatchPlan, conditioning: PromptConditioning, *, hires: bool) -> PromptConditioning: ...
    def pass_conditioning(self, conditioning: PromptConditioning, *, hires: bool) -> PromptConditioning: ...
    def batch_sampled(self, sampling: Any) -> PassOutcome | None: ...
    def second_sampled(self, sampling: Any, plan: BatchPlan, first: Tensor | None) -> PassOutcome | None: ...
    def request_now(self, request: ResolvedRequest) -> ResolvedRequest: ...
    def kept_now(self, kept: KeptStages) -> KeptStages: ...
    def start_ready(self, plan: BatchPlan, latents: Tensor) -> Tensor: ...
    def inversion(self, plan: BatchPlan) -> Inversion | None: ...
    def before_sampling(self, plan: BatchPlan, noise: Tensor) -> Tensor: ...
    def step_noise(self, noise: ImageNoise) -> ImageNoise: ...
    def path_noise(self, x: Tensor, sigmas: Tensor) -> StepNoise | None: ...
    def control(self, plan: BatchPlan, *, hires: bool, components: Any) -> Any: ...
    def denoiser_input(self, call: DenoiserCall) -> DenoiserCall: ...
    def denoised(self, call: DenoiserCall, rows: Tensor) -> Tensor: ...
    def guided(self, call: DenoiserCall, denoised: Tensor) -> Tensor: ...
    def sampler(self, spec: SamplerSpec, *, hires: bool) -> SamplerSpec: ...
    def guidance(self, scale: float) -> float: ...
    def sigmas(self, steps: int) -> Tensor | None: ...
    def pass_sampled(self, work: Any, *, hires: bool) -> PassOutcome | None: ...
    def combined(self, call: DenoiserCall, rows: Tensor, weights: RowWeights, guidance_scale: float) -> Tensor | None: ...
    def prediction(self, predictor: Any) -> Any: ...
    def stepped(self, step: StepInfo) -> None: ...
    def blended(self, blend: MaskBlend) -> Tensor: ...
    def extra_noise(self, noise: Tensor, start: Tensor, noised: Tensor) -> Tensor: ...
    def latents_ready(self, plan: BatchPlan, latents: Tensor) -> Tensor: ...
    def batch_ready(self, plan: BatchPlan, outcome: PassOutcome, decode: Decode) -> PassOutcome: ...
    def hires_begins(self, plan: BatchPlan) -> None: ...
    def before_hires(self, plan: BatchPlan, latents: Tensor) -> Tensor: ...
    def images_decoded(self, plan: BatchPlan, images: Tensor) -> Sequence[Tensor]: ...
    def image_ready(self, image: GeneratedImage) -> GeneratedImage: ...
    def framed(self, image: GeneratedImage, number: int, frame: Frame) -> Frame: ...
    def aside(self, image: GeneratedImage, suffix: str) -> None: ...
    def composited(self, image: GeneratedImage) -> GeneratedImage: ...
    def masked(self, image: GeneratedImage, mask: Image, alone: Image) -> None: ...
    def finished(self, result: GenerationResult) -> GenerationResult: ...


class NullHooks:
    """Listens to nothing: every stage goes on with what it had. A base for hooks that care about a few stages."""

    def plans_ready(self, plans: tuple[BatchPlan, ...]) -> tuple[BatchPlan, ...]:
        return plans

    def known(self, plan: BatchPlan) -> Sequence[GeneratedImage] | None:
        return None

    def before_batch(self, plan: BatchPlan) -> BatchPlan:
        return plan

    def networks_active(self, plan: BatchPlan) -> BatchPlan:
        return plan

    def input_ready(self, frames: Sequence[Frame], painted: Tensor | None, latents: Tensor) -> None: ...

    def conditioning_ready(self, plan: BatchPlan, conditioning: PromptConditioning, *, hires: bool) -> PromptConditioning:
        return conditioning

    def pass_conditioning(self, conditioning: PromptConditioning, *, hires: bool) -> PromptConditioning:
        return conditioning

    def batch_sampled(self, sampling: Any) -> PassOutcome | None:
        return None

    def second_sampled(self, sampling: Any, plan: BatchPlan, first: Tensor | None) -> PassOutcome | None:
        return None

    def request_now(self, request: ResolvedRequest) -> ResolvedRequest:
        return request

    def kept_now(self, kept: KeptStages) -> KeptStages:
        return kept

    def start_ready(self, plan: BatchPlan, latents: Tensor) -> Tensor:
        return latents

    def inversion(self, plan: BatchPlan) -> Inversion | None:
        return None

    def before_sampling(self, plan: BatchPlan, noise: Tensor) -> Tensor:
        return noise

    def step_noise(self, noise: ImageNoise) -> ImageNoise:
        """Whatever the steps of a pass that is about to begin draw their noise from, ``noise`` being the seeds' own."""
        return noise

    def path_noise(self, x: Tensor, sigmas: Tensor) -> StepNoise | None:
        """What an SDE sampler's steps draw in place of the Brownian path's. x: the latents that the pass begins with; sigmas: all of its schedule."""
        return None

    def control(self, plan: BatchPlan, *, hires: bool, components: Any) -> Any:
        """The control units (engine.control.Control) of a pass that is about to begin, or None. components: of the model it begins with."""
        return None

    def denoiser_input(self, call: DenoiserCall) -> DenoiserCall:
        return call

    def denoised(self, call: DenoiserCall, rows: Tensor) -> Tensor:
        return rows

    def guided(self, call: DenoiserCall, denoised: Tensor) -> Tensor:
        return denoised

    def sampler(self, spec: SamplerSpec, *, hires: bool) -> SamplerSpec:
        return spec

    def guidance(self, scale: float) -> float:
        """Of the pass that is about to begin."""
        return scale

    def sigmas(self, steps: int) -> Tensor | None:
        return None

    def pass_sampled(self, work: Any, *, hires: bool) -> PassOutcome | None:
        return None

    def combined(self, call: DenoiserCall, rows: Tensor, weights: RowWeights, guidance_scale: float) -> Tensor | None:
        return None

    def prediction(self, predictor: Any) -> Any:
        return predictor

    def stepped(self, step: StepInfo) -> None: ...

    def blended(self, blend: MaskBlend) -> Tensor:
        return blend.blended

    def extra_noise(self, noise: Tensor, start: Tensor, noised: Tensor) -> Tensor:
        return noise

    def latents_ready(self, plan: BatchPlan, latents: Tensor) -> Tensor:
        return latents

    def batch_ready(self, plan: BatchPlan, outcome: PassOutcome, decode: Decode) -> PassOutcome:
        return outcome.with_latents(self.latents_ready(plan, outcome.latents))

    def hires_begins(self, plan: BatchPlan) -> None:
        """The second pass's LoRAs are in; its words are read next."""

    def before_hires(self, plan: BatchPlan, latents: Tensor) -> Tensor:
        return latents

    def images_decoded(self, plan: BatchPlan, images: Tensor) -> Sequence[Tensor]:
        return tuple(images)

    def image_ready(self, image: GeneratedImage) -> GeneratedImage:
        return image

    def framed(self, image: GeneratedImage, number: int, frame: Frame) -> Frame:
        return frame

    def aside(self, image: GeneratedImage, suffix: str) -> None: ...

    def composited(self, image: GeneratedImage) -> GeneratedImage:
        return image

    def masked(self, image: GeneratedImage, mask: Image, alone: Image) -> None: ...

    def finished(self, result: GenerationResult) -> GenerationResult:
        return result
