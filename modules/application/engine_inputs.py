"""Request + settings + overrides -> ResolvedRequest: after this nothing reads a setting, and nothing is None."""
from __future__ import annotations

from typing import Any, Protocol

from modules.application.init_inputs import opened, resolve_init
from modules.engine.resolved import (
    Hypertile,
    KeptStages,
    PreviewOptions,
    ResolvedHires,
    ResolvedInit,
    ResolvedRefiner,
    ResolvedRequest,
    SamplingOptions,
    TileChoice,
)
from modules.engine.sampler_registry import AUTOMATIC, find_sampler, find_schedule, split_sampler_and_schedule
from modules.engine.upscale import BUILT_IN, KnownUpscalers
from modules.schema.params_hires import SAME_CHECKPOINT, SAME_SAMPLER, SAME_SCHEDULER
from modules.schema.request import Img2ImgRequest, Txt2ImgRequest

USUAL_STRENGTH = 0.75       # A1111's denoising strength where none is given
CHURN_SETTINGS = {"s_churn": "Sigma churn", "s_tmin": "Sigma tmin", "s_tmax": "Sigma tmax", "s_noise": "Sigma noise"}  # with their infotext keys

# SamplingOptions field -> key of the setting that it takes its value from
_OPTION_KEYS: dict[str, str] = {
    "clip_skip": "CLIP_stop_at_last_layers",
    "emphasis": "emphasis",
    "use_old_emphasis_implementation": "use_old_emphasis_implementation",
    "comma_padding_backtrack": "comma_padding_backtrack",
    "use_old_scheduling": "use_old_scheduling",
    "sdxl_clip_l_skip": "sdxl_clip_l_skip",
    "sdxl_crop_top": "sdxl_crop_top",
    "sdxl_crop_left": "sdxl_crop_left",
    "refiner_high_aesthetic_score": "sdxl_refiner_high_aesthetic_score",
    "refiner_low_aesthetic_score": "sdxl_refiner_low_aesthetic_score",
    "noise_source": "randn_source",
    "ensd": "eta_noise_seed_delta",
    "eta_ancestral": "eta_ancestral",
    "eta_ddim": "eta_ddim",
    "s_churn": "s_churn",
    "s_tmin": "s_tmin",
    "s_tmax": "s_tmax",
    "s_noise": "s_noise",
    "sgm_noise_multiplier": "sgm_noise_multiplier",
    "no_dpmpp_sde_batch_determinism": "no_dpmpp_sde_batch_determinism",
    "sigma_min": "sigma_min",
    "sigma_max": "sigma_max",
    "rho": "rho",
    "use_old_karras_sigmas": "use_old_karras_scheduler_sigmas",
    "discard_penultimate_sigma": "always_discard_next_to_last_sigma",
    "noise_schedule": "sd_noise_schedule",
    "use_downcasted_alpha_bar": "use_downcasted_alpha_bar",
    "quantize_timesteps": "enable_quantization",
    "beta_alpha": "beta_dist_alpha",
    "beta_beta": "beta_dist_beta",
    "unipc_variant": "uni_pc_variant",
    "unipc_skip_type": "uni_pc_skip_type",
    "unipc_order": "uni_pc_order",
    "unipc_lower_order_final": "uni_pc_lower_order_final",
    "s_min_uncond": "s_min_uncond",
    "s_min_uncond_all": "s_min_uncond_all",
    "skip_early_cond": "skip_early_cond",
    "pad_cond_uncond": "pad_cond_uncond",
    "pad_cond_uncond_v0": "pad_cond_uncond_v0",
    "batch_cond_uncond": "batch_cond_uncond",
    "tiling": "tiling",
    "token_merging_ratio": "token_merging_ratio",
    "token_merging_ratio_hires": "token_merging_ratio_hr",
    "initial_noise_multiplier": "initial_noise_multiplier",
    "extra_noise": "img2img_extra_noise",
    "img2img_fix_steps": "img2img_fix_steps",
    "colour_correction": "img2img_color_correction",
    "inpainting_mask_weight": "inpainting_mask_weight",
    "bundled_in_text": "lora_bundled_ti_to_infotext",
    "background_colour": "img2img_background_color",
    "img2img_upscaler": "upscaler_for_img2img",
    "overlay_original": "overlay_inpaint",
    "hires_use_first_pass_conds": "hires_fix_use_firstpass_conds",
    "use_old_hires_size": "use_old_hires_fix_width_height",
}


_VAE_TYPES = {"bfloat16": "auto_vae_precision_bfloat16", "float32": "auto_vae_precision"}


class SettingsView(Protocol):
    """Anything that answers for a setting's value by key."""

    def get(self, key: str) -> Any: ...


def resolve(
    request: Txt2ImgRequest | Img2ImgRequest, settings: SettingsView, upscalers: KnownUpscalers = BUILT_IN,
) -> ResolvedRequest:
    """The request with every setting merged in. ``settings``: as this job sees them, overrides on top.

    Prompts are taken as they are: styles are applied before. Raises UnknownName for a sampler, schedule or upscaler nobody knows.
    """
    sampler, schedule = split_sampler_and_schedule(request.sampling.sampler or "Euler", request.sampling.scheduler or "Automatic")
    size, batch, seed = request.size, request.batch, request.seed
    hires = _hires(request, upscalers)
    width, height = _first_pass_size(request)
    return ResolvedRequest(
        prompt=request.prompt.prompt,
        negative_prompt=request.prompt.negative_prompt,
        width=width or size.width,
        height=height or size.height,
        steps=request.sampling.steps,
        guidance_scale=request.sampling.guidance_scale,
        sampler_name=find_sampler(sampler).name,
        schedule_name=find_schedule(schedule).label,
        batch_size=batch.batch_size,
        batch_count=batch.batch_count,
        seed=seed.seed,
        variation_seed=seed.variation_seed,
        variation_strength=seed.variation_strength,
        seed_resize_width=seed.resize_from_width,
        seed_resize_height=seed.resize_from_height,
        denoising_strength=_strength(request.denoising_strength),
        use_networks=not request.features.disable_extra_networks,
        options=resolve_options(request, settings),
        hires=hires,
        init=resolve_init(request) if isinstance(request, Img2ImgRequest) else ResolvedInit(),
        refiner=ResolvedRefiner(
            checkpoint_name=_named(request.refiner.checkpoint),
            switch_at=request.refiner.switch_at or 0.0,     # None: at once, as in A1111
            switch_by_sample_steps=settings.get("refiner_switch_by_sample_steps"),
            hires_pass=settings.get("hires_fix_refiner_pass"),
        ),
        preview=_preview(settings),
        vae_types=tuple(name for name, key in _VAE_TYPES.items() if settings.get(key)),
        hypertile=Hypertile(
            unet=_tiles(settings, "unet"), vae=_tiles(settings, "vae"), unet_in_hires=settings.get("hypertile_enable_unet_secondpass")),
        kept=resolve_kept(settings),
        face_restoration=_face_restoration(request, settings),
    )


def resolve_kept(settings: SettingsView) -> KeptStages:
    """The stages of a picture that are kept beside it."""
    return KeptStages(
        before_faces=settings.get("save_images_before_face_restoration"),
        before_hires=settings.get("save_images_before_highres_fix"),
        before_colours=settings.get("save_images_before_color_correction"),
        masks=any(settings.get(key) for key in ("save_mask", "save_mask_composite", "return_mask", "return_mask_composite")),
    )


def resolve_options(request: Txt2ImgRequest | Img2ImgRequest, settings: SettingsView) -> SamplingOptions:
    """The sampling options: settings, and what the request itself says over them. A request's eta replaces both etas."""
    values = {name: settings.get(key) for name, key in _OPTION_KEYS.items()}
    own = request.noise
    asked = {"eta_ancestral": own.eta, "eta_ddim": own.eta, "s_min_uncond": own.s_min_uncond, "tiling": request.features.tiling}
    for name in CHURN_SETTINGS:  # here a setting that was moved wins over the request, as in A1111
        if values[name] == getattr(SamplingOptions, name):
            asked[name] = getattr(own, name)
    values |= {name: value for name, value in asked.items() if value is not None}
    values["img2img_upscaler"] = values["img2img_upscaler"] or "None"
    if isinstance(request, Img2ImgRequest):
        values["token_merging_ratio"] = settings.get("token_merging_ratio_img2img") or values["token_merging_ratio"]
        if request.init.initial_noise_multiplier is not None:
            values["initial_noise_multiplier"] = request.init.initial_noise_multiplier
    return SamplingOptions(**values)


def _hires(request: Txt2ImgRequest | Img2ImgRequest, upscalers: KnownUpscalers) -> ResolvedHires:
    if not isinstance(request, Txt2ImgRequest) or not request.hires.enabled:
        return ResolvedHires()
    hires = request.hires
    sampler, schedule = _named(hires.sampler_name, SAME_SAMPLER), _named(hires.scheduler, SAME_SCHEDULER)
    if sampler:
        sampler, inside = split_sampler_and_schedule(sampler, schedule)
        sampler = find_sampler(sampler).name
        schedule = inside if schedule or inside != AUTOMATIC else ""    # another sampler alone keeps the first pass's schedule
    old_form = any(_first_pass_size(request))
    return ResolvedHires(
        enabled=True,
        upscaler=upscalers.find(hires.upscaler or "Latent").name,
        scale=hires.scale,
        resize_width=request.size.width if old_form else hires.resize_width,
        resize_height=request.size.height if old_form else hires.resize_height,
        steps=hires.second_pass_steps,
        sampler_name=sampler,
        schedule_name=find_schedule(schedule).label if schedule else "",
        prompt=hires.prompt,
        negative_prompt=hires.negative_prompt,
        checkpoint_name=_named(hires.checkpoint_name, SAME_CHECKPOINT),
        first_pass=opened(request.first_pass.firstpass_image, "firstpass_image") if request.first_pass.firstpass_image else None,
    )


def _face_restoration(request: Txt2ImgRequest | Img2ImgRequest, settings: SettingsView) -> str:
    own = request.features.restore_faces
    wanted = settings.get("face_restoration") if own is None else own
    return str(settings.get("face_restoration_model") or "") if wanted else ""


def _first_pass_size(request: Txt2ImgRequest | Img2ImgRequest) -> tuple[int, int]:
    """The oldest form of hires fix named the first pass's size, and width and height were the second's; (0, 0) otherwise."""
    if not isinstance(request, Txt2ImgRequest) or not request.hires.enabled:
        return 0, 0
    return request.hires.firstphase_width, request.hires.firstphase_height


def _strength(asked: float | None) -> float:
    """How far into noise, 0 to 1. Programs send 100 for all of it, and sums such as 1.0000000000000002."""
    return USUAL_STRENGTH if asked is None else min(asked, 1.0)


def _named(name: str | None, same: str = "None") -> str:
    """A name, or "" where nothing, or the same as before, is meant."""
    return "" if name in (None, "", "None", same) else str(name)


def _preview(settings: SettingsView) -> PreviewOptions:
    every = settings.get("show_progress_every_n_steps") if settings.get("live_previews_enable") else 0
    return PreviewOptions(
        every_steps=max(0, every), method=settings.get("show_progress_type"), file_format=settings.get("live_previews_image_format"),
        content=settings.get("live_preview_content"), of_batch=settings.get("show_progress_grid"), for_interrupted=settings.get("live_preview_fast_interrupt"))


def _tiles(settings: SettingsView, part: str) -> TileChoice:
    return TileChoice(
        is_on=settings.get(f"hypertile_enable_{part}"), max_depth=settings.get(f"hypertile_max_depth_{part}"),
        max_tile=settings.get(f"hypertile_max_tile_{part}"), swap_size=settings.get(f"hypertile_swap_size_{part}"))
