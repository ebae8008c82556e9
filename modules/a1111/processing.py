"""``p``: a job as A1111's scripts see and change it. Mutable; made from our request, and made into one again before each run."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from modules.a1111 import prompts_of_p
from modules.a1111.app_slot import is_occupied
from modules.a1111.cond_parts import img2img_image_conditioning, txt2img_image_conditioning
from modules.a1111.model_view import sd_model
from modules.a1111.network_types import parse_prompts
from modules.a1111.running import by_hand
from modules.a1111.sampler_list import all_samplers, request_name
from modules.a1111.state import state
from modules.schema.param import ParamEntry
from modules.schema.request import Request
from modules.schema.table import IMG2IMG, TXT2IMG, ParameterTable

# names that mean one thing in a request and another on ``p``
OWN_MEANING = frozenset({"mask", "sampler_index", "comments", "script_args", "scripts"})
opt_C = 4
opt_f = 8


@dataclass(repr=False)
class StableDiffusionProcessing:
    """Every field by A1111's name. Lists that begin with ``all_`` hold one entry for each picture of the run and count from ``process`` on.

    prompt and seed may be lists too: then one for each picture.
    """

    table: ClassVar[ParameterTable] = TXT2IMG       # no property: extensions put back what they found of ``dir(p)``
    sd_model: Any = None
    outpath_samples: str | None = None
    outpath_grids: str | None = None
    prompt: Any = ""
    prompt_for_display: str | None = None
    negative_prompt: Any = ""
    styles: list[str] | None = None
    seed: Any = -1
    subseed: Any = -1
    subseed_strength: float = 0
    seed_resize_from_h: int = -1
    seed_resize_from_w: int = -1
    seed_enable_extras: bool = True
    sampler_name: str | None = None
    scheduler: str | None = None
    batch_size: int = 1
    n_iter: int = 1
    steps: int = 50
    cfg_scale: float = 7.0
    width: int = 512
    height: int = 512
    restore_faces: bool | None = None
    tiling: bool | None = None
    do_not_save_samples: bool = False
    do_not_save_grid: bool = False
    extra_generation_params: dict[str, Any] = None  # type: ignore[assignment]  # A1111's default; never None afterwards
    overlay_images: list[Any] | None = None
    eta: float | None = None
    do_not_reload_embeddings: bool = False
    denoising_strength: float | None = None
    ddim_discretize: str | None = None
    s_min_uncond: float | None = None
    s_churn: float | None = None
    s_tmax: float | None = None
    s_tmin: float | None = None
    s_noise: float | None = None
    override_settings: dict[str, Any] = None  # type: ignore[assignment]
    override_settings_restore_afterwards: bool = True
    sampler_index: Any = None
    refiner_checkpoint: str | None = None
    refiner_switch_at: float | None = None
    token_merging_ratio: float = 0
    token_merging_ratio_hr: float = 0
    disable_extra_networks: bool = False
    firstpass_image: Any = None

    scripts_value: Any = field(default=None, init=False)
    script_args_value: Any = field(default=None, init=False)
    scripts_setup_complete: bool = field(default=False, init=False)

    cached_uc: list[Any] = field(default_factory=lambda: [None, None], init=False)
    cached_c: list[Any] = field(default_factory=lambda: [None, None], init=False)
    comments: dict[str, Any] = field(default_factory=dict, init=False)
    sampler: Any = field(default=None, init=False)
    is_using_inpainting_conditioning: bool = field(default=False, init=False)
    paste_to: Any = field(default=None, init=False)
    mask_for_overlay: Any = field(default=None, init=False)
    is_hr_pass: bool = field(default=False, init=False)
    c: Any = field(default=None, init=False)
    uc: Any = field(default=None, init=False)
    sampler_noise_scheduler_override: Any = field(default=None, init=False)
    rng: Any = field(default=None, init=False)
    step_multiplier: int = field(default=1, init=False)
    color_corrections: Any = field(default=None, init=False)
    all_prompts: Any = field(default=None, init=False)
    all_negative_prompts: Any = field(default=None, init=False)
    all_seeds: Any = field(default=None, init=False)
    all_subseeds: Any = field(default=None, init=False)
    drawn_subseed: Any = field(default=None, init=False)                        # ours: the variation seed, where nobody asked for one
    iteration: int = field(default=0, init=False)
    batch_index: int = field(default=0, init=False)
    main_prompt: Any = field(default=None, init=False)
    main_negative_prompt: Any = field(default=None, init=False)
    prompts: Any = field(default=None, init=False)
    negative_prompts: Any = field(default=None, init=False)
    seeds: Any = field(default=None, init=False)
    subseeds: Any = field(default=None, init=False)
    extra_network_data: Any = field(default=None, init=False)
    lora_hashes: dict[str, str] = field(default_factory=dict, init=False)
    refiner_checkpoint_info: Any = field(default=None, init=False)
    user: Any = field(default=None, init=False)
    sd_model_name: str | None = field(default=None, init=False)
    sd_model_hash: str | None = field(default=None, init=False)
    sd_vae_name: str | None = field(default=None, init=False)
    sd_vae_hash: str | None = field(default=None, init=False)
    is_api: bool = field(default=False, init=False)
    latents_after_sampling: list[Any] = field(default_factory=list, init=False)
    pixels_after_sampling: list[Any] = field(default_factory=list, init=False)
    writer: Any = field(default=None, init=False)                               # of the last run: writes its texts
    changes: Any = field(default=None, init=False)                              # of the last run: what scripts changed in it
    last_facts: Any = field(default=None, init=False)
    inversion: Any = field(default=None, init=False)                            # ours: an Inversion, where img2img's noise is found in its input
    job_timestamp: str = field(default="", init=False)
    saved_elsewhere: set[str] = field(default_factory=set, init=False)          # paths that a replaced save_image gave
    names_at_work: Any = field(default=None, init=False)                        # what the picture's name is made from, while one of them saves
    own_params: set[str] = field(default_factory=set, init=False)               # what the last run put into extra_generation_params

    def __post_init__(self) -> None:
        if self.sd_model is None and is_occupied():
            self.sd_model = sd_model()
        self.styles = self.styles if self.styles is not None else []
        self.extra_generation_params = self.extra_generation_params or {}
        self.override_settings = self.override_settings or {}               # some hand over [] for none
        if not self.seed_enable_extras:
            self.subseed, self.subseed_strength, self.seed_resize_from_h, self.seed_resize_from_w = -1, 0, 0, 0

    @property
    def scripts(self) -> Any:
        return self.scripts_value

    @scripts.setter
    def scripts(self, value: Any) -> None:
        self.scripts_value = value
        self._set_up_scripts()

    @property
    def script_args(self) -> Any:
        return self.script_args_value

    @script_args.setter
    def script_args(self, value: Any) -> None:
        self.script_args_value = value
        self._set_up_scripts()

    def _set_up_scripts(self) -> None:
        """Once, when both the scripts and their arguments are there."""
        if self.scripts_value is not None and self.script_args_value is not None and not self.scripts_setup_complete:
            self.scripts_setup_complete = True
            self.scripts_value.setup_scrips(self, is_ui=not self.is_api)

    def setup_scripts(self) -> None:
        self._set_up_scripts()

    def fill_fields_from_opts(self) -> None:
        """The noise of samplers where nobody chose it; A1111 says infinity for no end."""
        prompts_of_p.fill_from_settings(self)

    def comment(self, text: str) -> None:
        """A sentence for the user."""
        self.comments[text] = 1

    def get_token_merging_ratio(self, for_hr: bool = False) -> float:
        return self.token_merging_ratio_hr or self.token_merging_ratio if for_hr else self.token_merging_ratio

    def clear_prompt_cache(self) -> None:
        """Encoded prompts are kept by what they depend on; there is nothing to clear by hand."""
        self.cached_c, self.cached_uc = [None, None], [None, None]

    def setup_prompts(self) -> None:
        """Called once a run; extensions put theirs around it."""
        prompts_of_p.set_up_prompts(self)

    def parse_extra_network_prompts(self) -> None:
        self.prompts, self.extra_network_data = parse_prompts(self.prompts)

    def cached_params(self, required_prompts: Any, steps: int, extra_network_data: Any, hires_steps: int | None = None,
                      use_old_scheduling: bool = False) -> tuple[Any, ...]:  # fmt: skip
        return prompts_of_p.cached_params(self, required_prompts, steps, extra_network_data, hires_steps, use_old_scheduling)

    def get_conds_with_caching(self, function: Any, required_prompts: Any, steps: int, caches: Any, extra_network_data: Any,
                               hires_steps: int | None = None) -> Any:  # fmt: skip
        return prompts_of_p.conds_with_caching(self, function, required_prompts, steps, caches, extra_network_data, hires_steps)

    def setup_conds(self) -> None:
        prompts_of_p.set_up_conds(self)

    def get_conds(self) -> tuple[Any, Any]:
        return self.c, self.uc

    def txt2img_image_conditioning(self, x: Tensor, width: int | None = None, height: int | None = None) -> Tensor:
        return txt2img_image_conditioning(self.sd_model, x, width or self.width, height or self.height)

    def img2img_image_conditioning(self, source_image: Tensor, latent_image: Tensor, image_mask: Any = None, round_image_mask: bool = True) -> Tensor:
        """What a model that also reads a picture is shown: nothing (B, 5, 1, 1) for the others."""
        return img2img_image_conditioning(self.sd_model, source_image, latent_image, image_mask, round_image_mask, getattr(self, "depth_map", None), self.denoising_strength or 0.0)

    def depth2img_image_conditioning(self, source_image: Tensor) -> Tensor:
        return self.img2img_image_conditioning(source_image, source_image.new_zeros(len(source_image), 4, *(side // 8 for side in source_image.shape[-2:])))

    edit_image_conditioning = depth2img_image_conditioning
    inpainting_image_conditioning = img2img_image_conditioning

    def unclip_image_conditioning(self, source_image: Tensor) -> Tensor:
        """Of models that are told a picture as words; there are none here. Raises AttributeError where A1111 does."""
        return self.sd_model.embedder(source_image)

    def init(self, all_prompts: Any, all_seeds: Any, all_subseeds: Any) -> None:
        """Called once a run where an extension put its own around it; what A1111 does here is done by then."""

    def sample(
        self, conditioning: Any, unconditional_conditioning: Any, seeds: Any = None, subseeds: Any = None, subseed_strength: Any = None, prompts: Any = None,
    ) -> Any:  # fmt: skip
        """One batch's latents, for an extension that put something around this. Raises NotHere outside of a run."""
        return by_hand(self).whole(conditioning, unconditional_conditioning, seeds, subseeds)

    def save_samples(self) -> bool:
        """Whether the run's pictures are written to the disk."""
        stopped = state.interrupted or state.skipped
        settings = prompts_of_p.settings_of(self)
        return bool(settings.get("samples_save")) and not self.do_not_save_samples and (bool(settings.get("save_incomplete_images")) or not stopped)

    def close(self) -> None:
        """The job is over: let go of what is large."""
        self.sampler = self.c = self.uc = None

    def to_request(self, extra_scripts: dict[str, Any] | None = None) -> Request:
        """What the engine is asked for; each value is checked. extra_scripts: arguments of scripts that the engine itself carries out.

        Raises InvalidValue.
        """
        values = {entry.api_name: getattr(self, entry.api_name) for entry in self.table if hasattr(self, entry.api_name) and entry.api_name not in OWN_MEANING}
        if isinstance(self, StableDiffusionProcessingImg2Img):
            mask = None if isinstance(self.mask, Tensor) else self.mask     # the last run's mask, in the latent
            values |= {"mask": self.image_mask if self.image_mask is not None else mask, "mask_blur": None}
        values |= {
            "prompt": first_of(self.prompt, ""), "negative_prompt": first_of(self.negative_prompt, ""), "seed": first_of(self.seed, -1),
            "sampler_name": request_name(self.sampler_name or all_samplers[0].name), "subseed": first_of(self.subseed, -1), "save_images": True, "alwayson_scripts": extra_scripts or {},
        }  # fmt: skip
        if self.s_tmax == math.inf:                 # ours says 0 for no end
            values["s_tmax"] = 0.0
        for name in values.keys() & {"hr_prompt", "hr_negative_prompt"}:        # a prompt for each picture, as Prompt matrix has them, is also the hires pass's
            values[name] = first_of(values[name], "")
        if "hr_sampler_name" in values:
            values["hr_sampler_name"] = request_name(values["hr_sampler_name"])
        return self.table.request_class.from_flat({entry.api_name: _loose(entry, values[entry.api_name]) for entry in self.table if entry.api_name in values})


@dataclass(repr=False)
class StableDiffusionProcessingTxt2Img(StableDiffusionProcessing):
    enable_hr: bool = False
    denoising_strength: float | None = 0.75
    firstphase_width: int = 0
    firstphase_height: int = 0
    hr_scale: float = 2.0
    hr_upscaler: str | None = None
    hr_second_pass_steps: int = 0
    hr_resize_x: int = 0
    hr_resize_y: int = 0
    hr_checkpoint_name: str | None = None
    hr_sampler_name: str | None = None
    hr_scheduler: str | None = None
    hr_prompt: Any = ""
    hr_negative_prompt: Any = ""
    force_task_id: str | None = None

    cached_hr_uc: list[Any] = field(default_factory=lambda: [None, None], init=False)
    cached_hr_c: list[Any] = field(default_factory=lambda: [None, None], init=False)
    hr_checkpoint_info: Any = field(default=None, init=False)
    hr_upscale_to_x: int = field(default=0, init=False)
    hr_upscale_to_y: int = field(default=0, init=False)
    truncate_x: int = field(default=0, init=False)
    truncate_y: int = field(default=0, init=False)
    applied_old_hires_behavior_to: Any = field(default=None, init=False)
    latent_scale_mode: Any = field(default=None, init=False)
    hr_c: Any = field(default=None, init=False)
    hr_uc: Any = field(default=None, init=False)
    all_hr_prompts: Any = field(default=None, init=False)
    all_hr_negative_prompts: Any = field(default=None, init=False)
    hr_prompts: Any = field(default=None, init=False)
    hr_negative_prompts: Any = field(default=None, init=False)
    hr_extra_network_data: Any = field(default=None, init=False)

    def setup_prompts(self) -> None:
        super().setup_prompts()
        if self.enable_hr:
            prompts_of_p.set_up_hires_prompts(self)

    def get_conds(self) -> tuple[Any, Any]:
        return (self.hr_c, self.hr_uc) if self.is_hr_pass else super().get_conds()

    def calculate_hr_conds(self) -> None:
        by_hand(self).encode_hires()

    def calculate_target_resolution(self) -> None:
        """How far the first pass's picture is enlarged, and how many latent cells are cut off then."""
        prompts_of_p.set_up_hires_size(self)

    def sample_hr_pass(
        self, samples: Any, decoded_samples: Any, seeds: Any = None, subseeds: Any = None, subseed_strength: Any = None, prompts: Any = None,
    ) -> Any:  # fmt: skip
        """The pictures of the hires pass, (3, H, W) in -1 .. 1 each. Raises NotHere outside of a run."""
        return by_hand(self).hires(samples, decoded_samples, seeds, subseeds)


@dataclass(repr=False)
class StableDiffusionProcessingImg2Img(StableDiffusionProcessing):
    table: ClassVar[ParameterTable] = IMG2IMG
    init_images: list[Any] | None = None
    resize_mode: int = 0
    denoising_strength: float = 0.75
    image_cfg_scale: float | None = None
    mask: Any = None
    mask_blur_x: int = 4
    mask_blur_y: int = 4
    mask_blur: int | None = None
    mask_round: bool = True
    inpainting_fill: int = 0
    inpaint_full_res: Any = True
    inpaint_full_res_padding: int = 0
    inpainting_mask_invert: int = 0
    initial_noise_multiplier: float | None = None
    latent_mask: Any = None
    force_task_id: str | None = None
    depth_map: Any = None
    further_images: list[Any] | None = None

    image_mask: Any = field(default=None, init=False)
    nmask: Any = field(default=None, init=False)
    image_conditioning: Any = field(default=None, init=False)
    init_img_hash: str | None = field(default=None, init=False)
    init_latent: Any = field(default=None, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.image_mask = self.mask
        self.mask = None
        if self.initial_noise_multiplier is None and is_occupied():
            self.initial_noise_multiplier = float(prompts_of_p.settings_of(self).get("initial_noise_multiplier"))

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "mask_blur" and value is not None:       # one number for both directions, as in A1111
            self.mask_blur_x = self.mask_blur_y = value


def first_of(value: Any, otherwise: Any) -> Any:
    """The value, or the first of several."""
    if isinstance(value, list | tuple):
        return value[0] if value else otherwise
    return value


def _loose(entry: ParamEntry, value: Any) -> Any:
    """``value`` as A1111's own arithmetic would have taken it: scripts reckon sizes with floats, numbers come from numpy, and False is 0."""
    if hasattr(value, "item") and not hasattr(value, "shape"):
        value = value.item()
    if getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, float | bool if entry.type is int else bool) and entry.type in (int, float):
        return int(value)
    if entry.type is bool and isinstance(value, int | float):
        return bool(value)
    if entry.api_name == "denoising_strength" and isinstance(value, int | float):      # a curve of an animation overshoots
        return min(max(value, 0.0), 1.0)
    return value
