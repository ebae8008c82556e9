"""One job while it runs, and what every kind of pass asks of it: encoded prompts, noise, the pass itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from modules.compute.noise import ImageNoise, NoiseSpec
from modules.engine.adapters import ActiveNetworks
from modules.engine.conditioning import PromptConditioning
from modules.engine.conditioning_cache import ConditioningCache
from modules.engine.decode import decode_latent
from modules.engine.denoise_pass import DenoisePass, run_pass
from modules.engine.encode_prompt import encode_prompts
from modules.engine.extra_networks import take_out_batch_tags
from modules.engine.handover import Handover, Successor
from modules.engine.hooks import BatchPlan, CancelView, GeneratedImage, GenerationHooks, ProgressSink
from modules.engine.hypertile import TiledAttention
from modules.engine.models import Models
from modules.engine.pass_outcome import PassOutcome
from modules.engine.plan import LATENT_CELL
from modules.engine.precautions import VAE
from modules.engine.preview import preview_maker, preview_map, quickly_decoded
from modules.engine.prompt_notes import OLD_TIMELINES, PromptNotes
from modules.engine.rescue import once_more, with_rescue
from modules.engine.resolved import BOTH_PASSES, FIRST_PASS, SECOND_PASS, ResolvedRequest
from modules.engine.sampler_contract import SamplerSpec
from modules.engine.seen_pictures import SeenPictures, seen_pictures
from modules.engine.undecoded import LeftUndecoded, leaving_soon
from modules.engine.upscale import BUILT_IN, KnownUpscalers
from modules.engine.vae_memory import VaeRescue
from modules.schema.errors import InvalidValue

if TYPE_CHECKING:
    from PIL.Image import Image

    from modules.compute.policy import ComputePolicy
    from modules.loading.components import Components
    from modules.loading.embeddings import EmbeddingShelf


@dataclass(kw_only=True)
class Run:
    """One job. Only ``images``, ``comments`` and ``facts`` grow, and ``control_pictures``: control units' pictures with their latents.

    shown: img2img's pictures as they are drawn over, for text encoders that see: those of each image of a batch, or of all of them.
    make_room: lets go of what others keep loaded.
    """

    request: ResolvedRequest
    models: Models
    policy: ComputePolicy
    hooks: GenerationHooks
    progress: ProgressSink
    cancel: CancelView
    sampler: SamplerSpec
    schedule_name: str
    embeddings: EmbeddingShelf | None
    cache: ConditioningCache
    upscalers: KnownUpscalers = BUILT_IN
    restore_faces: Callable[[Image], Image] | None = None
    tiles: TiledAttention | None = None
    make_room: Callable[[], None] = lambda: None
    images: list[GeneratedImage] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)
    prompt_notes: PromptNotes = field(default_factory=PromptNotes)
    control_pictures: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    shown: list[tuple[Image, ...]] = field(default_factory=list)

    def with_request(self, request: ResolvedRequest) -> Run:
        """The same job with other values; what grows is shared."""
        return self if request is self.request else replace(self, request=request)

    @property
    def components(self) -> Components:
        """Those of the model in use."""
        return self.models.now.components

    def decoded(self, latents: Tensor) -> list[Tensor]:
        """(B, C, h, w) -> pixels (3, H, W) in 0 .. 1 of each: as ``decoded_or_left``."""
        return self.decoded_or_left(latents)[0]

    def decoded_or_left(self, latents: Tensor, *, clamped: bool = True) -> tuple[list[Tensor], int]:
        """(pixels (3, H, W) of each, how many of them the VAE made): after an interrupt that it would outlast, the rest is drawn as previews are.

        clamped: see ``decode_latent``.
        """
        found: list[Tensor] = []
        try:
            self._decode(latents, found, clamped)
        except LeftUndecoded:
            self.components.placement.release()
            self.say("Interrupted while it was decoded: the picture is as coarse as a preview.")
        return [*found, *self._drawn_quickly(latents[len(found) :])], len(found)

    def _drawn_quickly(self, latents: Tensor) -> list[Tensor]:
        """One colour for each cell: whatever previews are drawn with, no network is asked."""
        if len(latents) == 0:
            return []
        with self.models.now.vae_in_use:
            mapping = preview_map(self.components.vae, self.components.family.latent)
        return [each.to(latents.device) for each in quickly_decoded(latents, mapping)]

    def _decode(self, latents: Tensor, found: list[Tensor], clamped: bool) -> None:
        """Adds each picture to ``found`` as the VAE has made it. What the VAE needed for it is remembered, and what was changed is told."""
        latent, vae, types = self.components.family.latent, self.components.vae, self.request.vae_types
        before = next(vae.parameters()).dtype

        tiled = nullcontext() if self.tiles is None else self.tiles.on_vae(vae)
        with self.models.now.vae_in_use, leaving_soon(vae, self.cancel, latents.shape[-2] * latents.shape[-1]), tiled:
            try:
                found.extend(
                    decode_latent(each, vae, scale=latent.scale, shift=latent.shift, types=types, rescue=self.vae_rescue, clamped=clamped) for each in latents)
            finally:
                self.components.put_vae_back()
        now = next(vae.parameters()).dtype
        if now is not before:
            words = str(now).removeprefix("torch.")
            self.models.remember(f"{VAE}{words}")
            self.say(f"The VAE is computed in {words} from now on: in {str(before).removeprefix('torch.')} its result was not a number.")

    def rest_vae(self) -> None:
        """Pictures that a pass begins with are encoded: its memory is wanted for something else."""
        with self.models.now.vae_in_use:
            self.components.put_vae_back()

    @property
    def vae_rescue(self) -> VaeRescue:
        """What helps where memory runs out in the VAE."""
        return VaeRescue(make_room=self.free_room, said=self.say)

    def free_room(self) -> None:
        """Let go of the model's recorded calls, and of what others keep loaded."""
        self.components.forget_recordings()
        self.make_room()

    def say(self, sentence: str) -> None:
        """A sentence for the user, once."""
        self.note({}, [sentence])

    def note(self, facts: Mapping[str, object], comments: Sequence[str] = ()) -> None:
        """Keep what is new of it, for the parameters text and the user."""
        self.facts.update((key, value) for key, value in facts.items() if key not in self.facts)
        self.comments.extend(comment for comment in comments if comment not in self.comments)


@dataclass(frozen=True, kw_only=True)
class PassPart:
    """Where a pass stands among the steps of its batch, for the progress: steps before it and after it."""

    before: int = 0
    after: int = 0


def switch_networks(run: Run, plan: BatchPlan, *, hires: bool = False) -> ActiveNetworks:
    """The LoRAs that the batch's first prompt names, in the weights until others are asked for."""
    tags = take_out_batch_tags([image.hires_prompt if hires else image.prompt for image in plan.images])[1]
    active = run.models.networks.use(tags if run.request.use_networks else ())
    run.note(active.facts, active.comments)
    return active


def reads_with_first_networks(request: ResolvedRequest) -> bool:
    """Whether the second pass's words are read before its own LoRAs are put in."""
    return request.options.hires_use_first_pass_conds and not request.hires.checkpoint_name


def encode_batch(
    run: Run, plan: BatchPlan, *, hires_steps: int | None = None, size: tuple[int, int] | None = None, networks_of: BatchPlan | None = None,
    later: bool = False,
) -> PromptConditioning:
    """The encoded prompts of the batch; with ``hires_steps`` (denoiser calls) those of the second pass.

    size: (width, height) in pixels where it is not the request's; SDXL is told it. networks_of: whose prompts name the LoRAs, if not these.
    later: it is read while the batch is drawn, by its refiner: as in A1111 only the next batch's texts tell of it. So it is with a second pass.
    """
    hires = hires_steps is not None
    run.rest_vae()
    first_words = hires and reads_with_first_networks(run.request)
    active = switch_networks(run, networks_of or plan, hires=hires and not first_words)
    found = once_more(lambda: encode_prompts(
        [image.hires_prompt if hires else image.prompt for image in plan.images],
        [image.hires_negative_prompt if hires else image.negative_prompt for image in plan.images],
        run.components,
        steps=run.request.steps * run.sampler.order,
        options=run.request.options,
        hires_steps=hires_steps,
        embeddings=run.embeddings,
        cache=run.cache,
        networks=active.text_key,
        bundled=active.embeddings,
        size=size or (run.request.width, run.request.height),
        notes=run.prompt_notes,
        seen=_seen(run, plan),
    ), said=run.say, make_room=run.free_room)  # fmt: skip
    for encoder in run.components.text_encoders:
        encoder.put_back()
    told_later = later or (hires and not first_words)
    run.facts.update({key: value for key, value in found.facts.items() if not told_later or key == OLD_TIMELINES})
    run.note({}, found.comments)
    if first_words:
        switch_networks(run, plan, hires=True)      # the words were read with the first pass's networks, the picture is drawn with its own
    return found


def _seen(run: Run, plan: BatchPlan) -> list[SeenPictures | None]:
    """What the model in use is shown with the prompts of each image."""
    known = [seen_pictures(run.components.family, pictures) for pictures in run.shown]
    return [known[image.index % len(known)] for image in plan.images] if any(known) else []


def batch_noise(run: Run, plan: BatchPlan, shape: Sequence[int], *, hires: bool = False) -> ImageNoise:
    """Fresh noise for latents of ``shape`` (C, h, w), one stream per image of the batch."""
    request, (channels, height, width) = run.request, shape
    seeds = [(image.seed, image.variation_seed) if hires else image.first_seeds for image in plan.images]
    return ImageNoise(
        NoiseSpec(
            shape=(channels, height, width),
            seeds=tuple(seed for seed, _ in seeds),
            variation_seeds=tuple(variation for _, variation in seeds),
            variation_strength=request.variation_strength,
            resize_from=(max(request.seed_resize_height, 0) // LATENT_CELL, max(request.seed_resize_width, 0) // LATENT_CELL),
            ensd=request.options.ensd,
            source=request.options.noise_source,
            device=run.policy.device,
            by_patches=run.components.family.latent.patched,
        )
    )


def refiner_handover(
    run: Run, plan: BatchPlan, image_cond: Callable[[], Tensor | None], *, hires_steps: int | None = None, size: tuple[int, int] | None = None
) -> Handover | None:
    """How the refiner takes over in a pass; None where none is asked for, or not in this pass.

    image_cond: asked after the change, for the new model. hires_steps, size: of the second pass, as for ``encode_batch``.
    """
    refiner, in_hires = run.request.refiner, hires_steps is not None
    if not refiner.checkpoint_name or run.models.is_in_use(refiner.checkpoint_name):
        return None
    if run.request.hires.enabled and refiner.hires_pass not in (BOTH_PASSES, SECOND_PASS if in_hires else FIRST_PASS):
        return None
    noted = {"Hires refiner": refiner.hires_pass} if run.request.hires.enabled and refiner.hires_pass != SECOND_PASS else {}

    def take() -> Successor:
        before = run.components.family.latent
        model = run.models.use(refiner.checkpoint_name).model
        if run.components.family.latent != before:
            raise InvalidValue(
                f"The refiner {refiner.checkpoint_name!r} is a {run.components.family.name} model and cannot go on with the other model's latents.",
                "Choose a refiner of the same kind as the checkpoint.", field="refiner_checkpoint",
            )
        conditioning = run.hooks.conditioning_ready(plan, encode_batch(run, plan, hires_steps=hires_steps, size=size, later=True), hires=in_hires)
        return Successor(
            model=model, conditioning=conditioning, empty_prompt=conditioning.empty_prompt, image_cond=image_cond(),
            facts={**noted, "Refiner": refiner.title or refiner.checkpoint_name, "Refiner switch at": refiner.switch_at},
        )

    return Handover(switch_at=refiner.switch_at, by_steps=refiner.switch_by_sample_steps, take=take)


def sampling_pass(
    run: Run, conditioning: PromptConditioning, noise: ImageNoise, first_noise: Tensor, *, part: PassPart | None = None,
    hires: bool = False, **changes: Any,
) -> PassOutcome:
    """Run a pass of this job; ``changes`` are fields of DenoisePass that differ from the job's own. Notes its facts."""
    run.rest_vae()
    noise = run.hooks.step_noise(noise)
    own = DenoisePass(
        sampler=run.sampler, schedule_name=run.schedule_name, steps=run.request.steps, guidance_scale=run.request.guidance_scale,
        options=run.request.options, conditioning=conditioning, noise=noise, first_noise=first_noise, empty_prompt=conditioning.empty_prompt,
        hooks=run.hooks, cancel=run.cancel, on_step=step_reporter(run, part or PassPart()),
        image_guidance=run.request.init.image_guidance_scale if run.request.is_img2img and run.components.family.is_pix2pix else 1.0,
        tiles=run.tiles, preview_content=run.request.preview.content,
        checked=run.policy.nan_check,
        noted={"Refiner switch by sampling steps": True} if run.request.refiner.switch_by_sample_steps else {},
    )
    asked = replace(own, **changes)
    by_hand = run.hooks.pass_sampled(asked, hires=hires)
    if by_hand is not None:
        return by_hand
    if asked.control is not None:
        asked = replace(asked, first_noise=asked.control.started(asked.first_noise))
    spare, first = asked.noise.copy(), True

    def attempt() -> PassOutcome:
        nonlocal first
        again, first = not first, False
        work = replace(asked, noise=spare.copy()) if again else asked
        work = replace(work, sampler=run.hooks.sampler(work.sampler, hires=hires), guidance_scale=run.hooks.guidance(work.guidance_scale))
        return run_pass(work, run.models.now.model)

    outcome = with_rescue(run.models, attempt, said=run.say, make_room=run.free_room)
    run.note(outcome.facts)
    return outcome


def step_reporter(run: Run, part: PassPart) -> Callable[[int, int, Tensor], None]:
    """What is told (steps done, steps of this part, prediction) after each step: counts it, and offers a preview where one is due."""
    every = run.request.preview.every_steps

    def report(done: int, total: int, denoised: Tensor) -> None:
        run.progress.step(part.before + done, part.before + total + part.after)
        preview = run.models.now.preview
        if preview is not None and done % every == 0:
            seen = denoised if run.request.preview.of_batch else denoised[:1]
            run.progress.offer_preview(preview_maker(seen, preview, run.request.preview.file_format))

    return report
