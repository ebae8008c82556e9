"""img2img: the input pictures fitted, masked and encoded once per job, drawn over in each batch, put back into their frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from PIL import Image
from torch import Tensor

from modules.engine.control_start import begin_control
from modules.engine.encode import as_pixels, encode_pixels
from modules.engine.frame import Frame
from modules.engine.hooks import BatchPlan, Interrupted
from modules.engine.image_conditioning import further_pictures, is_controlled, masked_picture
from modules.engine.inpaint import BLANK_MASK, ORIGINAL, MaskedArea, final_blend, latent_mask, masked_area, step_blend, with_content
from modules.engine.inverted_noise import inverted_noise
from modules.engine.pass_outcome import PassOutcome
from modules.engine.plan import LATENT_CELL
from modules.engine.resolved import ResolvedRequest
from modules.engine.run import PassPart, Run, batch_noise, encode_batch, refiner_handover, sampling_pass
from modules.engine.sampler_registry import resolve_schedule
from modules.engine.soft_inpaint import changed_overlays, soft_facts
from modules.engine.upscale import PictureUpscaler, enlarger, resized_latents
from modules.families.family import ModelFamily
from modules.imaging.colour import colours_of
from modules.imaging.masks import filled, overlay
from modules.imaging.resize import LATENT_UPSCALE, RESIZE_AND_FILL, Enlarge, fitted, on_background
from modules.schema.errors import InvalidValue

Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True)
class Start:
    """What every batch of the job begins with.

    latents: (B, C, h, w). painted: (1, h, w), 1 where it is painted; None without a mask. image_cond: see
    ``image_conditioning``, for the model in use. frames, originals: one per image of a batch; originals are what soft inpainting lays over.
    further: latents (1, C, h, w) of the pictures that the model in use is shown besides, each of its own size.
    """

    latents: Tensor
    frames: tuple[Frame, ...]
    painted: Tensor | None = None
    image_cond: Callable[[], Tensor | None] = lambda: None
    area: MaskedArea | None = None
    originals: tuple[Image.Image, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    comments: tuple[str, ...] = ()
    further: Callable[[], tuple[Tensor, ...]] = tuple

    def part(self, first: int, last: int) -> Start:
        """What the images ``first`` .. ``last - 1`` of a batch begin with."""
        def image_cond() -> Tensor | None:
            whole = self.image_cond()
            return None if whole is None else whole[first:last]

        return replace(
            self, latents=self.latents[first:last], frames=self.frames[first:last], originals=self.originals[first:last], image_cond=image_cond)


@dataclass(frozen=True, kw_only=True)
class _Fitted:
    """One input picture: as it is encoded, what is laid over the result, and the whole that soft inpainting lays over."""

    picture: Image.Image
    frame: Frame
    original: Image.Image


def effective_batch(request: ResolvedRequest, family: ModelFamily | None) -> int:
    """Images per batch: as many as there are input pictures, when there are several. Raises InvalidValue for too many.

    family: of a model that takes several, those that are too many for the batch are shown to it (``further_pictures``).
    """
    count = len(request.init.pictures)
    if count > max(request.batch_size, 1) and family is not None and family.further is not None:
        return request.batch_size
    if count > max(request.batch_size, 1):
        raise InvalidValue(
            f"{count} input pictures were given for batches of {request.batch_size}.",
            "Send one picture, or raise the batch size; FLUX.2 and Qwen-Image-Edit Plus are shown several at once.", field="init_images",
        )
    return count if count > 1 else request.batch_size


def prepare_start(run: Run, plan: BatchPlan) -> Start:
    """Everything img2img needs of its input. plan: the first batch, whose seeds fill masked latents."""
    request, inpaint = run.request, run.request.init.inpaint
    width, height = _pass_size(request)
    area = None if inpaint.mask is None else masked_area(inpaint, width, height, request.init.resize_mode)
    comments = (BLANK_MASK,) if inpaint.mask is not None and area is None else ()
    first, further = _own_and_further(request)
    prepared = [_fit(run, picture, area) for picture in first]
    beside = [on_background(picture, request.options.background_colour).convert("RGB") for picture in further]
    run.shown[:] = [(each.picture, *beside) for each in prepared]
    if len(prepared) == 1:
        prepared *= len(plan.images)
    pixels = as_pixels([each.picture for each in prepared])
    components, seed = run.components, plan.images[0].seed
    latents = encode_pixels(pixels, components.vae, components.family.latent, seed=seed, rescue=run.vae_rescue)
    if request.init.resize_mode == LATENT_UPSCALE:
        latents = resized_latents(latents, height // LATENT_CELL, width // LATENT_CELL)
    painted, rounded = None, inpaint.round_mask and inpaint.soft is None
    if area is not None:
        painted = latent_mask(inpaint.latent_mask or area.mask, latents.shape[2:], rounded=rounded).to(latents.device)
        latents = with_content(latents, painted, inpaint.fill, batch_noise(run, plan, latents.shape[1:]).spec)

    def image_cond() -> Tensor | None:
        mask = None if area is None else area.mask
        return masked_picture(run.components, pixels, latents, mask, rounded=rounded, weight=request.options.inpainting_mask_weight, seed=seed,
                              depth_map=request.init.depth_map, strength=request.denoising_strength, rescue=run.vae_rescue)

    frames = tuple(each.frame for each in prepared)
    run.hooks.input_ready(frames, painted, latents)
    return Start(
        latents=latents, painted=painted, image_cond=_Known(run, image_cond).of_the_model_in_use, frames=frames,
        originals=tuple(each.original for each in prepared), comments=comments, area=area,
        further=_Known(run, lambda: further_pictures(run.components, beside, rescue=run.vae_rescue)).of_the_model_in_use if beside else tuple,
        facts={} if inpaint.soft is None or area is None else soft_facts(inpaint.soft),
    )


def _own_and_further(request: ResolvedRequest) -> tuple[Sequence[Image.Image], Sequence[Image.Image]]:
    """The pictures that are drawn over, and those that the model is only shown: also all but the first, where they are more than a batch has images."""
    pictures, further = request.init.pictures, request.init.further
    return (pictures[:1], (*pictures[1:], *further)) if len(pictures) > max(request.batch_size, 1) else (pictures, further)


@dataclass
class _Known(Generic[Found]):
    """What a family of models is shown of the input pictures, made once for the whole job. A refiner of the same family shares it."""

    run: Run
    make: Callable[[], Found]
    found: dict[tuple[str, bool], Found] = field(default_factory=dict)

    def of_the_model_in_use(self) -> Found:
        kind = self.run.components.family.name, is_controlled(self.run.components)
        if kind not in self.found:
            self.found[kind] = self.make()
        return self.found[kind]


def _pass_size(request: ResolvedRequest) -> tuple[int, int]:
    return request.width, request.height


def _fit(run: Run, picture: Image.Image, area: MaskedArea | None) -> _Fitted:
    request = run.request
    options, mode, inpaint = request.options, request.init.resize_mode, request.init.inpaint
    width, height = _pass_size(request)
    grow = _enlarge(run, options.img2img_upscaler)
    whole = on_background(picture, options.background_colour)
    if (area is None or area.box is None) and mode != LATENT_UPSCALE:
        whole = fitted(whole, width, height, mode, grow)
    part, over, cutter = whole, None, None
    if area is not None:
        cutter = area.over if area.over.size == whole.size else fitted(area.over, whole.width, whole.height, mode)
        over = overlay(whole, cutter) if options.overlay_original else None
        if area.box is not None:
            part = fitted(whole.crop(area.box), width, height, RESIZE_AND_FILL, grow)
        if inpaint.fill != ORIGINAL:
            part = filled(part, inpaint.latent_mask or area.mask)
    colours = colours_of(part) if options.colour_correction else None
    return _Fitted(picture=part, frame=Frame(over=over, box=area.box if area else None, colours=colours, mask=cutter), original=whole)


def _enlarge(run: Run, name: str) -> Enlarge | None:
    upscaler = run.upscalers.find(name or "None")
    return enlarger(upscaler) if isinstance(upscaler, PictureUpscaler) else None


def img2img_pass(run: Run, plan: BatchPlan, start: Start) -> PassOutcome:
    """The latents of one batch, drawn over ``start``."""
    inpaint = run.request.init.inpaint
    conditioning = run.hooks.conditioning_ready(plan, encode_batch(run, plan), hires=False)
    kept = run.hooks.start_ready(plan, start.latents[: len(plan.images)])
    def image_cond() -> Tensor | None:
        whole = start.image_cond()
        return None if whole is None else whole[: len(kept)]

    noise = batch_noise(run, plan, kept.shape[1:])
    try:
        first_noise, part = _first_noise(run, plan, kept, noise.first(), image_cond)
    except Interrupted:
        return PassOutcome(latents=kept, complete=False, schedule=resolve_schedule(run.sampler, run.schedule_name, is_flow=run.components.family.is_flow))
    kept, run = run.hooks.start_ready(plan, kept), run.with_request(run.hooks.request_now(run.request))
    request = run.request
    conditioning = run.hooks.pass_conditioning(conditioning, hires=False)
    blend = None
    if start.painted is not None:
        blend = step_blend(inpaint, kept, start.painted, run.hooks.blended, by_timestep=run.sampler.kind == "timestep" and not run.components.family.is_flow)
    outcome = sampling_pass(
        run, conditioning, noise, first_noise, start=kept, denoising_strength=request.denoising_strength,
        fixed_steps=request.options.img2img_fix_steps, image_cond=image_cond(), blend=blend, handover=refiner_handover(run, plan, image_cond),
        control=begin_control(run, plan, hires=False), part=part, further=start.further(),
    )
    if start.painted is None:
        return outcome
    return replace(outcome, latents=final_blend(inpaint, outcome.latents, kept, start.painted, run.hooks.blended))


def _first_noise(run: Run, plan: BatchPlan, kept: Tensor, fresh: Tensor, image_cond: Callable[[], Tensor | None]) -> tuple[Tensor, PassPart]:
    """The noise of the start, and how many steps were taken to find it. Raises Interrupted."""
    asked = run.hooks.inversion(plan)
    if asked is not None:
        found = inverted_noise(run, plan, kept, fresh, image_cond(), asked)
        return run.hooks.before_sampling(plan, found), PassPart(before=asked.steps)
    first_noise = run.hooks.before_sampling(plan, fresh)
    multiplier = run.request.options.initial_noise_multiplier
    if multiplier != 1.0:
        run.note({"Noise multiplier": multiplier})
        first_noise = first_noise * multiplier
    return first_noise, PassPart()


def frames_for(run: Run, start: Start, latents: Tensor) -> Sequence[Frame]:
    """The frame of each picture of a batch, from its finished latents: soft inpainting makes its own from what changed."""
    soft = run.request.init.inpaint.soft
    if soft is None or start.painted is None:
        return start.frames
    kept, box = start.latents[: len(latents)], start.area.box if start.area else None
    overlays = changed_overlays(soft, start.originals, kept, latents, start.painted, _pass_size(run.request), box)
    return [replace(frame, over=over) for frame, over in zip(start.frames, overlays)]
