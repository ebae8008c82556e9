"""What shapes the picture: models, VAE, img2img, samplers, compatibility."""

from __future__ import annotations

from modules.schema.setting import RELOAD_PAGE, section, setting
from modules.schema.widgets import Checkbox, CheckboxGroup, ColorPicker, Dropdown, Number, Radio, Slider

SD = section(
    "Stable Diffusion",
    "sd",
    "sd",
    setting(
        "sd_model_checkpoint", None, "Stable Diffusion checkpoint", Dropdown("checkpoints"), infotext="Model hash", axis="Checkpoint name"
    ),
    setting(
        "checkpoint_wishes", "Offer", "What a chosen checkpoint asks for (sampler, steps, CFG Scale, size)", Radio(("Offer", "Apply", "Ignore")),
        description="Written on its card, or known of its family.",
    ),
    setting("sd_checkpoints_limit", 1, "Number of checkpoints kept loaded", Slider(1, 10, 1)),
    setting("sd_checkpoints_keep_in_cpu", True, "Keep only the current checkpoint on the device", Checkbox()),
    setting("sd_checkpoint_cache", 0, "Checkpoints cached in RAM (older form)", Slider(0, 10, 1)),
    setting(
        "sd_unet",
        "Automatic",
        "SD Unet",
        Dropdown("unets", first=("Automatic", "None")),
        description="Automatic takes a file named like the checkpoint.",
    ),
    setting(
        "enable_quantization",
        False,
        "Round sigmas to the model's own in k-diffusion samplers; changes pictures",
        Checkbox(),
        needs=RELOAD_PAGE,
    ),
    setting(
        "emphasis",
        "Original",
        "Emphasis mode",
        Radio("emphasis_modes"),
        infotext="Emphasis",
        description="How (word:1.2) acts. Original keeps the mean of the whole prompt.",
    ),
    setting("enable_batch_seeds", True, "A batch gives the same pictures as single images", Checkbox()),
    setting(
        "comma_padding_backtrack",
        20,
        "Prompt word wrap length limit",
        Slider(0, 74, 1),
        description="Tokens looked back for a comma at a 75-token border.",
    ),
    setting("sdxl_clip_l_skip", False, "Clip skip SDXL", Checkbox(), description="Clip skip acts on SDXL's first text encoder too."),
    setting(
        "CLIP_stop_at_last_layers",
        1,
        "Clip skip",
        Slider(1, 12, 1),
        infotext="Clip skip",
        axis="Clip skip",
        description="Text encoder layers left out, counted from the end; 1 leaves none out.",
        accepts=(-1, 12),  # clients send 0 and -1 for "as usual"; both are 1
    ),
    setting("upcast_attn", False, "Attention in float32", Checkbox()),
    setting(
        "randn_source",
        "GPU",
        "Random number generator source",
        Radio(("GPU", "CPU", "NV")),
        infotext="RNG",
        axis="RNG source",
        description="NV gives the numbers of an NVIDIA GPU on any device.",
    ),
    setting("enable_prompt_comments", True, "Text after # in a prompt is a comment", Checkbox()),
    setting("tiling", False, "Tiling", Checkbox(), infotext="Tiling", description="Pictures whose opposite edges meet."),
    setting(
        "hires_fix_refiner_pass",
        "second pass",
        "Hires fix: pass that the refiner takes part in",
        Radio(("first pass", "second pass", "both passes")),
        infotext="Hires refiner",
    ),
)

SDXL = section(
    "Stable Diffusion XL",
    "sdxl",
    "sd",
    setting("sdxl_crop_top", 0, "Crop top coordinate", Number(0), description="SDXL: what the model is told of the crop."),
    setting("sdxl_crop_left", 0, "Crop left coordinate", Number(0), description="SDXL: what the model is told of the crop."),
    setting(
        "sdxl_refiner_low_aesthetic_score", 2.5, "SDXL low aesthetic score", Number(), description="For the refiner's negative prompt."
    ),
    setting("sdxl_refiner_high_aesthetic_score", 6.0, "SDXL high aesthetic score", Number(), description="For the refiner's prompt."),
)

SD3 = section(
    "Stable Diffusion 3",
    "sd3",
    "sd",
    setting("sd3_enable_t5", False, "Enable T5", Checkbox(), description="Third text encoder of SD3; needs much memory."),
)

VAE = section(
    "VAE",
    "vae",
    "sd",
    setting("sd_vae_checkpoint_cache", 0, "VAEs cached in RAM", Slider(0, 10, 1)),
    setting(
        "sd_vae",
        "Automatic",
        "SD VAE",
        Dropdown("vaes", first=("Automatic", "None")),
        infotext="VAE",
        axis="VAE",
        description="Automatic takes a file named like the checkpoint, None the checkpoint's own.",
    ),
    setting("sd_vae_overrides_per_model_preferences", True, "This choice beats the one on a model card", Checkbox()),
    setting("auto_vae_precision_bfloat16", False, "Decode again in bfloat16 when the VAE fails", Checkbox()),
    setting("auto_vae_precision", True, "Decode again in float32 when the VAE fails", Checkbox()),
    setting("sd_vae_encode_method", "Full", "VAE type for encode", Radio(("Full", "TAESD")), infotext="VAE Encoder"),
    setting("sd_vae_decode_method", "Full", "VAE type for decode", Radio(("Full", "TAESD")), infotext="VAE Decoder"),
)

IMG2IMG = section(
    "img2img",
    "img2img",
    "sd",
    setting(
        "inpainting_mask_weight",
        1.0,
        "Inpainting conditioning mask strength",
        Slider(0.0, 1.0, 0.01),
        infotext="Conditional mask weight",
        axis="Cond. Image Mask Weight",
        description="How much an inpainting model sees of the mask.",
    ),
    setting("initial_noise_multiplier", 1.0, "Noise multiplier for img2img", Slider(0.0, 1.5, 0.001), infotext="Noise multiplier"),
    setting(
        "img2img_extra_noise",
        0.0,
        "Extra noise for img2img and hires fix",
        Slider(0.0, 1.0, 0.01),
        infotext="Extra noise",
        axis="Extra noise",
    ),
    setting("img2img_color_correction", False, "img2img: match the input's colours", Checkbox()),
    setting("img2img_fix_steps", False, "img2img: do all steps whatever the strength", Checkbox()),
    setting("img2img_background_color", "#ffffff", "img2img: colour under transparent parts", ColorPicker()),
    setting("img2img_editor_height", 720, "Height of the image editor", Slider(80, 1600, 1), needs=RELOAD_PAGE),
    setting("img2img_sketch_default_brush_color", "#ffffff", "Sketch: first brush colour", ColorPicker(), needs=RELOAD_PAGE),
    setting("img2img_inpaint_mask_brush_color", "#ffffff", "Inpaint: mask brush colour", ColorPicker(), needs=RELOAD_PAGE),
    setting(
        "img2img_inpaint_sketch_default_brush_color", "#ffffff", "Inpaint sketch: first brush colour", ColorPicker(), needs=RELOAD_PAGE
    ),
    setting("return_mask", False, "Inpainting: show the mask in the results", Checkbox()),
    setting("return_mask_composite", False, "Inpainting: show the masked composite in the results", Checkbox()),
    setting("img2img_batch_show_results_limit", 32, "img2img batch: images shown; -1 for all", Slider(-1, 1000, 1)),
    setting("overlay_inpaint", True, "Inpainting: paste the untouched pixels back", Checkbox()),
)

SAMPLER_PARAMS = section(
    "Sampler parameters",
    "sampler-params",
    "sd",
    setting("hide_samplers", (), "Samplers left out of the lists", CheckboxGroup("all_samplers"), needs=RELOAD_PAGE),
    setting("eta_ddim", 0.0, "Eta for DDIM", Slider(0.0, 1.0, 0.01), infotext="Eta DDIM"),
    setting(
        "eta_ancestral",
        1.0,
        "Eta for k-diffusion samplers",
        Slider(0.0, 1.0, 0.01),
        infotext="Eta",
        description="Noise of ancestral and SDE samplers.",
    ),
    setting("ddim_discretize", "uniform", "img2img DDIM steps", Radio(("uniform", "quad"))),
    setting("s_churn", 0.0, "Sigma churn", Slider(0.0, 100.0, 0.01), infotext="Sigma churn", description="Amount of added noise."),
    setting("s_tmin", 0.0, "Sigma tmin", Slider(0.0, 10.0, 0.01), infotext="Sigma tmin", description="Noise is added from this sigma on."),
    setting(
        "s_tmax",
        0.0,
        "Sigma tmax",
        Slider(0.0, 999.0, 0.01),
        infotext="Sigma tmax",
        description="Noise is added up to this sigma; 0 for no limit.",
    ),
    setting("s_noise", 1.0, "Sigma noise", Slider(0.0, 1.1, 0.001), infotext="Sigma noise", description="Factor of the added noise."),
    setting(
        "sigma_min",
        0.0,
        "Sigma min",
        Number(),
        infotext="Schedule min sigma",
        axis="Schedule min sigma",
        description="End of the schedule; 0 for the model's own.",
    ),
    setting(
        "sigma_max",
        0.0,
        "Sigma max",
        Number(),
        infotext="Schedule max sigma",
        axis="Schedule max sigma",
        description="Start of the schedule; 0 for the model's own.",
    ),
    setting(
        "rho",
        0.0,
        "Rho",
        Number(),
        infotext="Schedule rho",
        axis="Schedule rho",
        description="Bend of the Karras and polyexponential schedules; 0 for their own.",
    ),
    setting(
        "eta_noise_seed_delta",
        0,
        "Eta noise seed delta",
        Number(0),
        infotext="ENSD",
        description="Added to the seed of the noise that samplers add (ENSD).",
    ),
    setting(
        "always_discard_next_to_last_sigma",
        False,
        "Always discard next-to-last sigma",
        Checkbox(),
        infotext="Discard penultimate sigma",
        axis="Always discard next-to-last sigma",
    ),
    setting(
        "sgm_noise_multiplier",
        False,
        "SGM noise multiplier",
        Checkbox(),
        infotext="SGM noise multiplier",
        axis="SGM noise multiplier",
        description="Initial noise as in the reference code of SDXL.",
    ),
    setting("uni_pc_variant", "bh1", "UniPC variant", Radio(("bh1", "bh2", "vary_coeff")), infotext="UniPC variant"),
    setting(
        "uni_pc_skip_type",
        "time_uniform",
        "UniPC skip type",
        Radio(("time_uniform", "time_quadratic", "logSNR")),
        infotext="UniPC skip type",
    ),
    setting("uni_pc_order", 3, "UniPC order", Slider(1, 50, 1), infotext="UniPC order", axis="UniPC Order"),
    setting("uni_pc_lower_order_final", True, "UniPC lower order final", Checkbox(), infotext="UniPC lower order final"),
    setting(
        "sd_noise_schedule", "Default", "Noise schedule for sampling", Radio(("Default", "Zero Terminal SNR")), infotext="Noise Schedule"
    ),
    setting(
        "skip_early_cond", 0.0, "Share of the first steps without the negative prompt", Slider(0.0, 1.0, 0.01), infotext="Skip Early CFG"
    ),
    setting(
        "beta_dist_alpha",
        0.6,
        "Beta scheduler - alpha",
        Slider(0.01, 1.0, 0.01),
        infotext="Beta scheduler alpha",
        axis="Beta schedule alpha",
    ),
    setting(
        "beta_dist_beta", 0.6, "Beta scheduler - beta", Slider(0.01, 1.0, 0.01), infotext="Beta scheduler beta", axis="Beta schedule beta"
    ),
)

COMPATIBILITY = section(
    "Compatibility",
    "compatibility",
    "sd",
    setting("auto_backcompat", True, "Older behaviour by the version in pasted parameters", Checkbox()),
    setting("use_old_emphasis_implementation", False, "Old emphasis", Checkbox()),
    setting("use_old_karras_scheduler_sigmas", False, "Old Karras sigmas (0.1 to 10)", Checkbox()),
    setting("no_dpmpp_sde_batch_determinism", False, "Old DPM++ SDE noise, which depends on the batch size", Checkbox()),
    setting("use_old_hires_fix_width_height", False, "Hires fix: width and height mean the final size", Checkbox()),
    setting("hires_fix_use_firstpass_conds", False, "Hires fix: second pass uses the first pass's networks", Checkbox()),
    setting("use_old_scheduling", False, "Old prompt editing timelines", Checkbox(), infotext="Old prompt editing timelines"),
    setting("use_downcasted_alpha_bar", False, "Noise schedule rounded to float16", Checkbox(), infotext="Downcast alphas_cumprod"),
    setting(
        "refiner_switch_by_sample_steps",
        False,
        "Refiner takes over by step, not by timestep",
        Checkbox(),
        infotext="Refiner switch by sampling steps",
    ),
    setting("lora_functional", False, "LoRA: slow, older way of applying", Checkbox()),
)

SECTIONS = (SD, SDXL, SD3, VAE, IMG2IMG, SAMPLER_PARAMS, COMPATIBILITY)
