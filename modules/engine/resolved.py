"""The request as the engine takes it: every setting merged in, nothing left to look up.

Fields that A1111 reads from its settings stand in the option records; each default is A1111's default setting.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

NoiseSourceName = Literal["CPU", "GPU", "NV"]
RANDOM_SEED = -1
FIRST_PASS, SECOND_PASS, BOTH_PASSES = "first pass", "second pass", "both passes"


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How prompts are read, noise is drawn and the sampler steps; together with the checkpoint it fixes the picture."""

    # Prompt language (read by the prompt rooms)
    clip_skip: int = 1
    emphasis: str = "Original"                      # None, Ignore, Original, No norm
    use_old_emphasis_implementation: bool = False
    comma_padding_backtrack: int = 20               # tokens; 0 switches it off
    use_old_scheduling: bool = False                # prompt editing as before A1111 1.6
    sdxl_clip_l_skip: bool = False
    sdxl_crop_top: int = 0
    sdxl_crop_left: int = 0
    refiner_high_aesthetic_score: float = 6.0       # what SDXL's refiner is told of the prompt
    refiner_low_aesthetic_score: float = 2.5        # and of the negative prompt

    # Noise
    noise_source: NoiseSourceName = "GPU"           # A1111's "Random number generator source"
    ensd: int = 0                                   # eta noise seed delta
    eta_ancestral: float = 1.0                      # a request's own eta replaces both of these
    eta_ddim: float = 0.0
    s_churn: float = 0.0
    s_tmin: float = 0.0
    s_tmax: float = 0.0                             # 0 means no upper end
    s_noise: float = 1.0
    sgm_noise_multiplier: bool = False
    no_dpmpp_sde_batch_determinism: bool = False

    # Schedule
    sigma_min: float = 0.0                          # 0: the model's own
    sigma_max: float = 0.0
    rho: float = 0.0                                # 0: the schedule's own
    use_old_karras_sigmas: bool = False             # 0.1 .. 10 instead of the model's range
    discard_penultimate_sigma: bool = False
    noise_schedule: str = "Default"                 # or "Zero Terminal SNR"
    use_downcasted_alpha_bar: bool = False
    quantize_timesteps: bool = False                # A1111's enable_quantization
    beta_alpha: float = 0.6
    beta_beta: float = 0.6
    unipc_variant: str = "bh1"                      # bh1, bh2, vary_coeff
    unipc_skip_type: str = "time_uniform"           # time_uniform, time_quadratic, logSNR
    unipc_order: int = 3
    unipc_lower_order_final: bool = True

    # Guidance
    s_min_uncond: float = 0.0                       # below this sigma every other step skips uncond (NGMS)
    s_min_uncond_all: bool = False
    skip_early_cond: float = 0.0                    # fraction of the steps without guidance
    pad_cond_uncond: bool = False
    pad_cond_uncond_v0: bool = False
    batch_cond_uncond: bool = True

    # Model
    tiling: bool = False
    token_merging_ratio: float = 0.0                # 0 .. 0.9, of the pass that the request runs
    token_merging_ratio_hires: float = 0.0

    # img2img and hires
    initial_noise_multiplier: float = 1.0
    extra_noise: float = 0.0
    img2img_fix_steps: bool = False
    colour_correction: bool = False
    inpainting_mask_weight: float = 1.0
    bundled_in_text: bool = True                    # embeddings inside a LoRA among the texts' "TI hashes"
    background_colour: str = "#ffffff"              # put behind transparent input pictures
    img2img_upscaler: str = "None"                  # what enlarges input pictures that are too small
    overlay_original: bool = True                   # paste the untouched part back after inpainting
    hires_use_first_pass_conds: bool = False
    use_old_hires_size: bool = False                # width and height are those of the second pass


@dataclass(frozen=True, kw_only=True)
class ResolvedHires:
    """The second, larger pass. Empty names mean: as in the first pass.

    checkpoint_title: what pictures' texts call the checkpoint. first_pass: the picture (PIL) to begin with instead of drawing one.
    stretched: not None where both sides asked for are what the first picture is enlarged to, whatever its proportions; then so many latent cells are cut.
    """

    enabled: bool = False
    upscaler: str = "Latent"
    scale: float = 2.0
    resize_width: int = 0                           # pixels; 0 with resize_height 0 means: use scale
    resize_height: int = 0
    steps: int = 0                                  # 0: as many as the first pass
    sampler_name: str = ""
    schedule_name: str = ""
    prompt: str = ""
    negative_prompt: str = ""
    checkpoint_name: str = ""
    checkpoint_title: str = ""
    first_pass: Any = None
    stretched: tuple[int, int] | None = None        # columns, rows


@dataclass(frozen=True, kw_only=True)
class ResolvedRefiner:
    """The checkpoint that takes over at a fraction of the way; "" means none. title: what pictures' texts call it.

    hires_pass: with hires fix, the pass in which it does: FIRST_PASS, SECOND_PASS or BOTH_PASSES.
    """

    checkpoint_name: str = ""
    title: str = ""
    switch_at: float = 0.8
    switch_by_sample_steps: bool = False
    hires_pass: str = SECOND_PASS


@dataclass(frozen=True, kw_only=True)
class ResolvedInpaint:
    """The masked part of an img2img request. ``mask`` is a PIL picture: white is painted.

    latent_mask: a PIL picture that decides in its place what is filled and kept in the latent; seldom given.
    """

    mask: Any = None
    latent_mask: Any = None
    blur_x: int = 4                                 # standard deviation in pixels
    blur_y: int = 4
    invert: bool = False
    fill: int = 0                                   # 0 fill, 1 original, 2 latent noise, 3 latent nothing
    only_masked: bool = False
    padding: int = 0                                # pixels around the masked area
    round_mask: bool = True                         # the latent mask is 0 or 1, nothing between
    soft: SoftInpaint | None = None


@dataclass(frozen=True, kw_only=True)
class SoftInpaint:
    """A1111's soft inpainting: how gradually the original gives way."""

    schedule_bias: float = 1.0
    preservation_strength: float = 0.5
    transition_contrast_boost: float = 4.0
    mask_influence: float = 0.0
    difference_threshold: float = 0.5
    difference_contrast: float = 2.0


@dataclass(frozen=True, kw_only=True)
class ResolvedInit:
    """Pictures to start from (PIL). None of them means txt2img. further: what models that take several pictures are shown besides."""

    pictures: tuple[Any, ...] = ()
    further: tuple[Any, ...] = ()
    resize_mode: int = 0                            # 0 just resize, 1 crop, 2 fill, 3 latent upscale
    image_guidance_scale: float = 1.0               # pix2pix models only; 1 is guidance by words alone
    depth_map: Any = None                           # of the picture (PIL), bright is near, or its edges; models that draw by one
    inpaint: ResolvedInpaint = field(default_factory=ResolvedInpaint)


@dataclass(frozen=True, kw_only=True)
class PreviewOptions:
    """When a preview is offered; what makes it is decided when somebody looks.

    content: which prediction it shows: Combined, Prompt, Negative prompt. of_batch: all pictures of a batch, not the first alone.
    for_interrupted: an interrupted picture is drawn as a preview is, instead of being decoded.
    """

    every_steps: int = 10                           # 0 or less: never during a pass
    content: str = "Prompt"
    of_batch: bool = True
    for_interrupted: bool = False
    method: str = "Approx NN"                       # Full, Approx NN, Approx cheap, TAESD: the closest we have
    file_format: str = "png"                        # png, jpeg, webp


@dataclass(frozen=True, kw_only=True)
class TileChoice:
    """Attention on tiles. max_depth: 0 .. 3, how deep in the model; max_tile: pixels; swap_size: among how many tile sizes one is drawn."""

    is_on: bool = False
    max_depth: int = 3
    max_tile: int = 256
    swap_size: int = 3


@dataclass(frozen=True, kw_only=True)
class Hypertile:
    """See ``engine/hypertile.py``. unet_in_hires: in the hires pass, instead of what ``unet`` says of the first one."""

    unet: TileChoice = field(default_factory=TileChoice)
    vae: TileChoice = field(default_factory=lambda: TileChoice(max_tile=128))
    unet_in_hires: bool = False

    @property
    def is_on(self) -> bool:
        return self.unet.is_on or self.vae.is_on or self.unet_in_hires


@dataclass(frozen=True, kw_only=True)
class KeptStages:
    """Which pictures on the way are handed over beside the finished one."""

    before_faces: bool = False
    before_hires: bool = False
    before_colours: bool = False
    masks: bool = False


@dataclass(frozen=True, kw_only=True)
class ResolvedRequest:
    """One job for the engine.

    width, height: as asked, in pixels; the engine floors them to multiples of 8.
    prompt, negative_prompt: styles already applied, extra-network tags still inside. use_networks: False leaves the tags without effect.
    seed, variation_seed: ``-1`` draws a random one; image i of the job uses seed + i (variation off) as in A1111.
    schedule_name: as asked; "Automatic" becomes the sampler's own schedule.
    """

    prompt: str = ""
    negative_prompt: str = ""
    width: int = 512
    height: int = 512
    steps: int = 20
    guidance_scale: float = 7.0
    sampler_name: str = "DPM++ 2M"
    schedule_name: str = "Automatic"
    batch_size: int = 1
    batch_count: int = 1
    seed: int = RANDOM_SEED
    variation_seed: int = RANDOM_SEED
    variation_strength: float = 0.0
    seed_resize_width: int = 0                      # 0 or less: off
    seed_resize_height: int = 0
    denoising_strength: float = 0.75
    use_networks: bool = True
    options: SamplingOptions = field(default_factory=SamplingOptions)
    hires: ResolvedHires = field(default_factory=ResolvedHires)
    refiner: ResolvedRefiner = field(default_factory=ResolvedRefiner)
    init: ResolvedInit = field(default_factory=ResolvedInit)
    preview: PreviewOptions = field(default_factory=PreviewOptions)
    vae_types: tuple[str, ...] = ("float32",)       # tried in this order where the VAE's own type is too narrow
    hypertile: Hypertile = field(default_factory=Hypertile)
    kept: KeptStages = field(default_factory=KeptStages)
    face_restoration: str = ""                      # the restorer that every finished picture goes through; "" for none

    @property
    def is_img2img(self) -> bool:
        return bool(self.init.pictures)

    @property
    def strength_used(self) -> float | None:
        """``denoising_strength`` where something is drawn over; None where nothing is."""
        return self.denoising_strength if self.hires.enabled or self.is_img2img else None
