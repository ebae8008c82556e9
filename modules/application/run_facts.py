"""What the parameters text says of one picture, from the resolved request and what the engine really used."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from modules.application.engine_inputs import CHURN_SETTINGS, SettingsView
from modules.application.version import INFOTEXT_VERSION
from modules.engine.hooks import GeneratedImage, SamplingFacts
from modules.engine.resolved import Hypertile, ResolvedRequest, SamplingOptions, SoftInpaint, TileChoice
from modules.engine.sampler_registry import AUTOMATIC, find_sampler, samplers
from modules.schema.infotext_write import hires_fields, inpaint_fields, run_infotext
from modules.schema.params_hires import Hires
from modules.schema.request import Request, Txt2ImgRequest
from modules.schema.result import RunFacts

if TYPE_CHECKING:
    from modules.library.model_file import ModelFile
HASH_SETTINGS = {"lora_add_hashes_to_infotext": "Lora hashes", "textual_inversion_add_hashes_to_infotext": "TI hashes"}
OF_PROMPTS = ("Lora hashes", "Old prompt editing timelines", "TI hashes", "Emphasis")
OF_STEPS = ("NGMS", "NGMS all steps", "Pad conds", "Pad conds v0")      # known after the sampler's own facts


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """The model of a job as its texts name it. Hashes are short ones, None when not reckoned (--no-hashing)."""

    model: ModelFile
    model_hash: str | None = None
    vae_name: str | None = None
    vae_hash: str | None = None
    is_inpainting: bool = False
    is_pix2pix: bool = False
    quick_vae: Mapping[str, str] = field(default_factory=dict)
    is_float8: bool = False


@dataclass(frozen=True, kw_only=True)
class FactsWriter:
    """Writes the texts of one job's pictures. added: what scripts make of the fields behind A1111's fixed ones. init_image_hash: of the saved input."""

    asked: Request
    request: ResolvedRequest
    settings: SettingsView
    models: ModelFacts
    user: str = ""
    init_image_hash: str | None = None
    added: Callable[[GeneratedImage, Mapping[str, object]], Mapping[str, object]] = lambda image, own: own

    def infotext(self, image: GeneratedImage) -> str:
        """The "parameters" text of one picture, in A1111's order."""
        return run_infotext(image.prompt, image.negative_prompt, self.facts(image))

    def facts(self, image: GeneratedImage) -> RunFacts:
        """The same as a record."""
        request, options, get = self.request, self.request.options, self.settings.get
        used = image.facts or SamplingFacts(
            sampler_name=request.sampler_name, schedule_name=request.schedule_name, hires_schedule_name=request.hires.schedule_name,
            width=request.width, height=request.height)
        resized = request.seed_resize_width > 0 and request.seed_resize_height > 0
        named, hashed = get("add_model_name_to_info"), get("add_model_hash_to_info")
        return RunFacts(
            steps=request.steps,
            sampler=used.sampler_name,
            schedule=used.schedule_name,
            guidance_scale=request.guidance_scale,
            image_guidance_scale=None if isinstance(self.asked, Txt2ImgRequest) or not self.models.is_pix2pix else self.asked.init.image_cfg_scale,
            seed=image.seed,
            face_restoration=request.face_restoration or None,
            size=f"{request.width}x{request.height}",
            model_hash=self.models.model_hash if hashed else None,
            model_name=self.models.model.stem if named else None,
            fp8_weight=get("fp8_storage") if self.models.is_float8 else None,
            vae_hash=self.models.vae_hash if get("add_vae_hash_to_info") else None,
            vae_name=self.models.vae_name if get("add_vae_name_to_info") else None,
            variation_seed=image.variation_seed if request.variation_strength else None,
            variation_strength=request.variation_strength or None,
            seed_resize_from=f"{request.seed_resize_width}x{request.seed_resize_height}" if resized else None,
            denoising_strength=request.strength_used,
            conditional_mask_weight=options.inpainting_mask_weight if self.models.is_inpainting else None,
            clip_skip=options.clip_skip,
            ensd=options.ensd if _reads_ensd(request) else None,
            init_image_hash=self.init_image_hash,
            noise_source=options.noise_source,
            tiling=options.tiling,
            token_merging_ratio=options.token_merging_ratio,
            token_merging_ratio_hires=(options.token_merging_ratio_hires or options.token_merging_ratio) if request.hires.enabled else 0.0,
            extra=self.added(image, self.extra(used)),
            version=INFOTEXT_VERSION if get("add_version_to_infotext") else None,
            user=self.user if get("add_user_name_to_info") else None,
        )

    def extra(self, used: SamplingFacts) -> dict[str, Any]:
        """What hires fix, masks, prompts and samplers add to the text, in A1111's order."""
        unnamed = {text for key, text in CHURN_SETTINGS.items() if self.settings.get(key) == getattr(SamplingOptions, key)}
        unnamed |= {text for key, text in HASH_SETTINGS.items() if not self.settings.get(key)}
        found = {key: value for key, value in used.extra if key not in unnamed}  # A1111's texts name these only when a setting moved them
        options = self.request.options
        of_prompts = {key: value for key, value in found.items() if key in OF_PROMPTS}
        of_steps = {key: found[key] for key in OF_STEPS if key in found}
        if options.use_downcasted_alpha_bar:
            of_prompts["Downcast alphas_cumprod"] = True
        if options.noise_schedule != "Default":
            of_prompts["Noise Schedule"] = options.noise_schedule
        of_sampler = {key: value for key, value in found.items() if key not in of_steps}
        if options.skip_early_cond:
            of_sampler["Skip Early CFG"] = options.skip_early_cond
        return self.before_sampling(used) | of_prompts | of_sampler | of_steps

    def before_sampling(self, used: SamplingFacts) -> dict[str, Any]:
        """Of ``extra`` what stands in it before the first batch's prompts are read."""
        tiles = self.request.hypertile
        found = _tiles("Hypertile U-Net", tiles.unet, Hypertile().unet) | _tiles("Hypertile VAE", tiles.vae, Hypertile().vae)
        found |= {key: value for key, value in self.models.quick_vae.items() if key == "VAE Decoder" or self.request.is_img2img}
        if isinstance(self.asked, Txt2ImgRequest):
            found |= hires_fields(self._named_hires(self.asked, used))
            if tiles.unet_in_hires and not tiles.unet.is_on and self.request.hires.enabled:
                found |= {"Hypertile U-Net second pass": True} | _tiles("Hypertile U-Net", replace(tiles.unet, is_on=True), Hypertile().unet, named=False)
        elif self.request.init.inpaint.mask is not None:
            found |= _soft_inpainting(self.request.init.inpaint.soft)
            found |= inpaint_fields(self.asked.inpaint)
        return found

    def _named_hires(self, asked: Txt2ImgRequest, used: SamplingFacts) -> Hires:
        """The hires group as the text has it: what is the same as in the first pass goes unsaid, and an upscaler that was not asked for.

        The schedule is the one that the sampler really used. A1111 never writes Automatic; here it stands where the first pass had
        another, for without it the text would draw another picture.
        """
        hires, resolved = asked.hires, self.request.hires
        first_drawn = resolved.first_pass is None and any(each.name == used.sampler_name and each.kind == "sigma" for each in samplers())
        known = {used.schedule_name if first_drawn or used.hires_schedule_name == AUTOMATIC else AUTOMATIC, ""}
        return replace(
            hires,
            upscaler=resolved.upscaler if hires.upscaler else None,
            resize_width=resolved.resize_width,
            resize_height=resolved.resize_height,
            checkpoint_name=resolved.checkpoint_title or resolved.checkpoint_name or None,
            sampler_name=None if resolved.sampler_name == self.request.sampler_name else resolved.sampler_name or None,
            scheduler=None if used.hires_schedule_name in known else used.hires_schedule_name,
            prompt="" if resolved.prompt == self.request.prompt else resolved.prompt,
            negative_prompt="" if resolved.negative_prompt == self.request.negative_prompt else resolved.negative_prompt,
        )

    def extra_params(self, used: SamplingFacts) -> dict[str, Any]:
        """A1111's ``extra_generation_params``: ``extra``, and two that it keeps there although the text has a place for them."""
        found: dict[str, Any] = {}
        if self.request.hires.enabled or self.request.is_img2img:
            found["Denoising strength"] = self.request.denoising_strength
        if used.schedule_name != AUTOMATIC and find_sampler(used.sampler_name).kind == "sigma":
            found["Schedule type"] = used.schedule_name
        return found | self.extra(used)


def _tiles(name: str, chosen: TileChoice, usual: TileChoice, *, named: bool = True) -> dict[str, Any]:
    """Attention on tiles: that it was on (``named``), and what of it is not as usual."""
    if not chosen.is_on:
        return {}
    sizes = {"max depth": (chosen.max_depth, usual.max_depth), "max tile size": (chosen.max_tile, usual.max_tile), "swap size": (chosen.swap_size, usual.swap_size)}
    return ({name: True} if named else {}) | {f"{name} {key}": value for key, (value, default) in sizes.items() if value != default}


def _soft_inpainting(soft: SoftInpaint | None) -> dict[str, Any]:
    """A1111's fields for its soft inpainting; whole numbers without a decimal point, as they were typed."""
    if soft is None:
        return {}
    found: dict[str, Any] = {"Soft inpainting enabled": True}
    for each in fields(soft):
        value = getattr(soft, each.name)
        found[f"Soft inpainting {each.name.replace('_', ' ')}"] = int(value) if value == int(value) else value
    return found


def _reads_ensd(request: ResolvedRequest) -> bool:
    """Whether the eta noise seed delta changes this picture: only samplers that draw their own ancestral noise read it."""
    sampler = find_sampler(request.sampler_name)
    return sampler.eta_option == "ancestral" and not sampler.brownian and request.options.eta_ancestral != 0
