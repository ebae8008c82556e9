"""The engine's stages -> scripts' methods. At each stage the engine's value is copied onto ``p``, scripts run, and what they left is copied back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from modules.a1111 import prompt_networks
from modules.a1111.app_slot import current
from modules.a1111.attention_choice import apply_optimizations, optimizers
from modules.a1111.batch_changes import BatchChanges
from modules.a1111.by_hand import ByHand
from modules.a1111.control_units import control_of
from modules.a1111.finished_samples import post_sampled
from modules.a1111.framing import Framing
from modules.a1111.input_of_p import InputOfP
from modules.a1111.model_view import ldm_of
from modules.a1111.noise_names import ImageRNG, NoiseOfRng, replaced_noise, replaced_rng, rng_of
from modules.a1111.pass_conditioning import in_a1111s_form, taken_back
from modules.a1111.pass_ears import PassEars
from modules.a1111.picture_plans import at, image_plan, stretched, with_changes
from modules.a1111.prompt_names import SdConditioning, read_by_replacement, reader_replaced
from modules.a1111.resuming import may_leave_out
from modules.a1111.sampler_list import request_name
from modules.a1111.script import PostprocessBatchListArgs, PostprocessImageArgs
from modules.a1111.state import state
from modules.a1111.unet_choice import apply_unet, in_place, unet_options
from modules.application.engine_inputs import resolve_kept
from modules.application.generation import save_plan_of
from modules.engine import ldm_unet, ldm_vae
from modules.engine.extra_networks import take_out_tags
from modules.engine.hooks import BatchPlan, Decode, GeneratedImage, SamplingFacts
from modules.engine.ldm_layers import th
from modules.engine.sampler_registry import find_sampler

if TYPE_CHECKING:
    from torch import Tensor

    from modules.a1111.script_runner import ScriptRunner
    from modules.a1111.settings_of_run import SettingsOfRun
    from modules.application.run_facts import FactsWriter
    from modules.compute.noise import ImageNoise
    from modules.engine.batch_sampling import BatchSampling
    from modules.engine.conditioning import PromptConditioning
    from modules.engine.denoise_pass import DenoisePass
    from modules.engine.frame import Frame
    from modules.engine.inversion import Inversion
    from modules.engine.pass_outcome import PassOutcome
    from modules.engine.resolved import KeptStages, ResolvedRequest

_LISTS = ("prompts", "negative_prompts", "seeds", "subseeds")


class ScriptBridge(PassEars):
    """One run of ``p``. Without scripts it only keeps ``p`` in step."""

    def __init__(self, p: Any, settings: SettingsOfRun) -> None:
        super().__init__(p)
        self._settings = settings
        self.hand: ByHand | None = None
        self._rng: ImageRNG | None = None
        self._other_rng: Any = None         # that a script put on p
        self._input = InputOfP(p)
        self._changes = BatchChanges(p, settings)
        self._start: Tensor | None = None
        self._framing = Framing(p)
        self._number = 0            # of the picture within its batch

    @property
    def scripts(self) -> ScriptRunner | None:
        return self.p.scripts

    def plans_ready(self, plans: tuple[BatchPlan, ...]) -> tuple[BatchPlan, ...]:
        """The plans of what stands in ``p.all_prompts`` and its like; a batch for which nothing stands there is not made."""
        p = self.p
        p.writer, p.changes = self.writer, self._changes
        size = len(plans[0].images) if plans else 1
        count = min(len(p.all_prompts), size * len(plans))
        images = [image_plan(p, index) for index in range(count)]
        made = tuple(BatchPlan(index=n, images=tuple(images[n * size : (n + 1) * size])) for n in range((count + size - 1) // size))
        models = self.writer.models
        p.sd_model_name, p.sd_model_hash, p.sd_vae_name, p.sd_vae_hash = models.model.stem, models.model_hash, models.vae_name, models.vae_hash
        p.is_using_inpainting_conditioning = models.is_inpainting
        used = SamplingFacts(sampler_name=p.writer.request.sampler_name, schedule_name="Automatic", width=p.width, height=p.height)
        self.own(self.writer.before_sampling(used))
        if not self.writer.request.is_img2img:
            self._input.begin()
        self._changes.begin()
        self._saves = self._saves_now()
        self._mark = self._settings.mark(), self._saves
        if getattr(p, "enable_hr", False):
            state.tell_two_passes()
        return super().plans_ready(made)

    def known(self, plan: BatchPlan) -> Sequence[GeneratedImage] | None:
        return super().known(plan) if may_leave_out(self.p) else None

    def before_batch(self, plan: BatchPlan) -> BatchPlan:
        p = self.p
        p.iteration, p.is_hr_pass, self._start, self._number = plan.index, False, None, 0
        state.tell(passes_done=0)
        self._changes.begin_batch()
        if plan.index:              # an earlier batch's scripts may have written into the lists of all
            plan = replace(plan, images=tuple(image_plan(p, image.index) for image in plan.images))
        self._show_batch(plan)
        p.rng = self._rng = rng_of(p)
        if self.scripts is None:
            self._show_hires_prompts(plan)
            return plan
        self.scripts.before_process_batch(p, batch_number=plan.index, prompts=p.prompts, seeds=p.seeds, subseeds=p.subseeds)
        self._show_hires_prompts(plan)
        return self._planned(plan)

    def _show_batch(self, plan: BatchPlan) -> None:
        p = self.p
        p.prompts = [image.prompt for image in plan.images]
        p.negative_prompts = [image.negative_prompt for image in plan.images]
        p.seeds = [image.seed for image in plan.images]
        p.subseeds = [image.variation_seed for image in plan.images]

    def _show_hires_prompts(self, plan: BatchPlan) -> None:
        """Out of those of all pictures, as they stand by now."""
        p = self.p
        if getattr(p, "enable_hr", False):          # extensions tell by them whether there is a second pass
            p.hr_prompts = [str(at(p.all_hr_prompts, each.index, "") or each.hires_prompt) for each in plan.images]
            p.hr_negative_prompts = [str(at(p.all_hr_negative_prompts, each.index, "") or each.hires_negative_prompt) for each in plan.images]

    def _planned(self, plan: BatchPlan) -> BatchPlan:
        """``plan`` with what stands on ``p`` now. The noise is drawn already, as in A1111: other seeds are told, and drawn with in the hires pass."""
        p = self.p
        rows = zip(plan.images, *(stretched(getattr(p, name), len(plan.images)) for name in _LISTS))
        hires = stretched(getattr(p, "hr_prompts", None) or [image.hires_prompt for image in plan.images], len(plan.images))
        hires_negative = stretched(getattr(p, "hr_negative_prompts", None) or [image.hires_negative_prompt for image in plan.images], len(plan.images))
        images = [
            replace(image, prompt=str(prompt), negative_prompt=str(negative), seed=int(seed), variation_seed=int(subseed),
                    hires_prompt=str(hires[n]), hires_negative_prompt=str(hires_negative[n]), first_noise=image.first_seeds)
            for n, (image, prompt, negative, seed, subseed) in enumerate(rows)
        ]  # fmt: skip
        return replace(plan, images=tuple(images))

    def networks_active(self, plan: BatchPlan) -> BatchPlan:
        """Scripts see prompts without their tags; the plan keeps them, for they say what is in the weights."""
        p = self.p
        bare, p.extra_network_data = prompt_networks.taken_out(p.prompts)
        p.prompts, hires_bare = list(bare), []
        if getattr(p, "enable_hr", False):
            hires_bare, p.hr_extra_network_data = prompt_networks.taken_out(p.hr_prompts)
            p.hr_prompts = list(hires_bare)
        if self.scripts is not None or prompt_networks.is_anybody_there():
            self._show_loras()
        self._show_hashes()
        prompt_networks.begin(p)
        if self.scripts is None:
            self._take_loras()
            return plan
        self._tell_networks(p.extra_network_data)
        self.scripts.process_batch(p, batch_number=plan.index, prompts=p.prompts, seeds=p.seeds, subseeds=p.subseeds)
        self._take_loras()
        return with_changes(p, plan, bare, hires_bare)

    def _show_hashes(self) -> None:
        """``p.lora_hashes``, by the names that the prompt has, and their field of the text."""
        found = {} if self.networks is None else dict(self.networks.facts)
        told = str(found.get("Lora hashes") or "")
        self.p.lora_hashes = dict(each.split(": ", 1) for each in told.split(", ") if ": " in each)
        if told and self._settings.get("lora_add_hashes_to_infotext"):
            self.own({"Lora hashes": told})

    def input_ready(self, frames: Sequence[Frame], painted: Tensor | None, latents: Tensor) -> None:
        self._framing.put(frames, painted)
        self._input.show(latents)
        self._make_sampler()            # A1111's p.init does so; for each batch there is this one

    def conditioning_ready(self, plan: BatchPlan, conditioning: PromptConditioning, *, hires: bool) -> PromptConditioning:
        if not hires:
            self.p.step_multiplier = find_sampler(request_name(self.p.sampler_name or "Euler")).order
            self.p.firstpass_steps = self.p.steps * self.p.step_multiplier
            if self.p.n_iter > 1:
                state.tell(job=f"Batch {plan.index + 1} out of {self.p.n_iter}")
        if self.scripts is not None:
            found = in_a1111s_form(conditioning)
            if reader_replaced():
                with self.told("prompt_parser"):
                    found = self._read_again(hires)
            self._show_conds(found, hires)
        if self.hand is not None and hires in self.hand.given:
            self._show_conds(self.hand.given[hires], hires)
        return conditioning

    def _show_conds(self, found: tuple[Any, Any], hires: bool) -> None:
        if hires:
            self.p.hr_c, self.p.hr_uc = found
        else:
            self.p.c, self.p.uc = found

    def _read_again(self, hires: bool) -> tuple[Any, Any]:
        """The batch's prompts by the functions that extensions put into ``prompt_parser``."""
        p, request = self.p, self.writer.request
        order = find_sampler(request.sampler_name).order
        texts = (p.hr_prompts or p.prompts, p.hr_negative_prompts or p.negative_prompts) if hires else (p.prompts, p.negative_prompts)
        plain = [take_out_tags(str(text))[0] for text in texts[0]]
        size = {"width": p.width, "height": p.height}
        second = (request.hires.steps or request.steps) * order if hires else None
        return read_by_replacement(
            p.sd_model, SdConditioning(plain, **size), SdConditioning(texts[1], is_negative_prompt=True, **size), request.steps * order, second,
            request.options.use_old_scheduling,
        )  # fmt: skip

    def pass_conditioning(self, conditioning: PromptConditioning, *, hires: bool) -> PromptConditioning:
        """What scripts made of ``p.c`` and ``p.uc``; what cannot be read is told, and passed over."""
        if self.scripts is None and not (self.hand is not None and hires in self.hand.given):
            return conditioning
        p, found = self.p, conditioning
        c, uc = (p.hr_c, p.hr_uc) if hires else (p.c, p.uc)
        with self.told("p.c and p.uc"):
            found = taken_back(conditioning, c, uc)
        return found

    def start_ready(self, plan: BatchPlan, latents: Tensor) -> Tensor:
        found = self._start = self._input.taken(latents)
        return found

    def request_now(self, request: ResolvedRequest) -> ResolvedRequest:
        return self._changes.request(request)

    def _pass_start(self) -> Any:
        return self._start

    def kept_now(self, kept: KeptStages) -> KeptStages:
        return resolve_kept(self._settings)

    def batch_sampled(self, sampling: BatchSampling) -> PassOutcome | None:
        hand = self.hand = ByHand(self, sampling)
        return hand.batch()

    def second_sampled(self, sampling: BatchSampling, plan: BatchPlan, first: Tensor | None) -> PassOutcome | None:
        return None if self.hand is None else self.hand.second(sampling, first)

    def inversion(self, plan: BatchPlan) -> Inversion | None:
        return self.p.inversion

    def before_sampling(self, plan: BatchPlan, noise: Tensor) -> Tensor:
        if optimizers:
            apply_optimizations()
        if th.is_touched or ldm_unet.parts_are_rewritten():     # the UNet must hear of it, though nobody asked for its parts
            ldm_of(current().checkpoints.components)
        if ldm_vae.parts_are_rewritten() and (parts := current().checkpoints.components) is not None:
            ldm_vae.ldm_vae(parts.vae)
        if unet_options or in_place.unet is not None:
            apply_unet()
        if not self.p.is_hr_pass:
            self._take_sampler()
        if self.scripts is not None:
            p, start = self.p, noise if self._start is None else self._start
            c, uc = (p.hr_c, p.hr_uc) if p.is_hr_pass else (p.c, p.uc)
            self.scripts.process_before_every_sampling(p, x=start, noise=noise, c=c, uc=uc)
            if not p.is_hr_pass:
                with self.told("p.rng"):
                    rng = self._other_rng = replaced_rng(p, self._rng)
                    noise = noise if rng is None else replaced_noise(rng, noise)
        return noise

    def step_noise(self, noise: ImageNoise) -> ImageNoise:
        return noise if self._other_rng is None or self.p.is_hr_pass else NoiseOfRng(self._other_rng, noise)

    def hires_begins(self, plan: BatchPlan) -> None:
        self.p.is_hr_pass = True
        state.tell(passes_done=1)
        state.sampling_step = 0
        self._make_sampler()
        if prompt_networks.is_anybody_there():
            self._take_loras()      # shows those of the hires prompt where it has its own
            prompt_networks.begin(self.p, hires=True)
        if self.scripts is not None:
            self._tell_networks(self.p.hr_extra_network_data)
        self._take_loras()

    def before_hires(self, plan: BatchPlan, latents: Tensor) -> Tensor:
        self._start = latents
        if self.scripts is not None:
            self.scripts.before_hr(self.p)
        return latents

    def _tell_networks(self, found: Any) -> None:
        p = self.p
        self.scripts.after_extra_networks_activate(     # type: ignore[union-attr]
            p, batch_number=p.iteration, prompts=p.prompts, seeds=p.seeds, subseeds=p.subseeds, extra_network_data=found)

    def control(self, plan: BatchPlan, *, hires: bool, components: Any) -> Any:
        return control_of(self.p, hires=hires, components=components)

    def pass_sampled(self, work: DenoisePass, *, hires: bool) -> PassOutcome | None:
        return None if self.hand is None or self._sampler is None else self.hand.one_pass(self._sampler.made, work, hires)

    def batch_ready(self, plan: BatchPlan, outcome: PassOutcome, decode: Decode) -> PassOutcome:
        p = self.p
        is_second, p.is_hr_pass = p.is_hr_pass, False
        if is_second:
            p.sampler = None            # as in A1111
        found = outcome
        if self.scripts is not None:
            with self.told("ps.samples"):
                found = post_sampled(p, outcome, decode, is_second=is_second)
        return found

    def images_decoded(self, plan: BatchPlan, images: Tensor) -> Sequence[Tensor]:
        self._number = state.sampling_step = 0
        state.tell(passes_done=2 if getattr(self.p, "enable_hr", False) else 1)
        pictures = tuple(images) if self.scripts is None else self._postprocessed(plan, images)
        self._saves = self._saves_now()     # A1111 asks once a batch
        return pictures

    def _postprocessed(self, plan: BatchPlan, images: Tensor) -> Sequence[Tensor]:
        p = self.p
        assert self.scripts is not None
        self.scripts.postprocess_batch(p, images, batch_number=plan.index)
        seeds = p.seeds, p.subseeds
        self._show_batch(replace(plan, images=tuple(image_plan(p, image.index) for image in plan.images)))   # texts tell the prompts that were asked for
        p.seeds, p.subseeds = seeds
        pp = PostprocessBatchListArgs(list(images))
        self.scripts.postprocess_batch_list(p, pp, batch_number=plan.index)
        return pp.images

    def _saves_now(self) -> bool:
        return not self.p.do_not_save_samples and bool(self._settings.get("samples_save"))

    def _follow_settings(self, *, samples: bool) -> None:
        """Pictures are saved as the settings and ``p`` say now. samples: whether at all."""
        if (mark := (self._settings.mark(), samples)) != self._mark:
            self._mark = mark
            self.saver.follow(save_plan_of(current(), self._settings, self.p.table.tab, samples=samples, grid=not self.p.do_not_save_grid))

    def image_ready(self, image: GeneratedImage) -> GeneratedImage:
        p = self.p
        p.batch_index, p.last_facts = self._number, image.facts
        self._number += 1
        if self.scripts is None:
            return image
        pp = PostprocessImageArgs(image.picture)
        self.scripts.postprocess_image(p, pp)
        n = p.batch_index
        return replace(image, picture=pp.image, prompt=str(at(p.prompts, n, image.prompt)), seed=int(at(p.seeds, n, image.seed)),
                       negative_prompt=str(at(p.negative_prompts, n, image.negative_prompt)), variation_seed=int(at(p.subseeds, n, image.variation_seed)))

    def writer_of(self, writer: FactsWriter) -> FactsWriter:
        return self._changes.writer(writer)

    def text_of(self, image: GeneratedImage, own: Callable[[GeneratedImage], str]) -> str:
        return super().text_of(image, lambda image: self._changes.text(self.writer, image))

    def framed(self, image: GeneratedImage, number: int, frame: Frame) -> Frame:
        found = frame
        with self.told("p.overlay_images, p.paste_to or p.color_corrections"):
            found = self._framing.taken(number, frame)
        return found

    def composited(self, image: GeneratedImage) -> GeneratedImage:
        self._follow_settings(samples=self._saves)
        if self.scripts is not None:
            pp = PostprocessImageArgs(image.picture)
            self.scripts.postprocess_image_after_composite(self.p, pp)
            image = replace(image, picture=pp.image)
        return super().composited(image)
