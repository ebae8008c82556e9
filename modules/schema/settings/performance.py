"""Speed, memory, the machine."""

from __future__ import annotations

from modules.schema.setting import RELOAD_PAGE, section, setting
from modules.schema.widgets import Checkbox, CheckboxGroup, Dropdown, Radio, Slider, TextArea

OPTIMIZATIONS = section(
    "Optimizations",
    "optimizations",
    "sd",
    setting("cross_attention_optimization", "Automatic", "Cross attention optimization", Dropdown("attentions", first=("Automatic",))),
    setting(
        "s_min_uncond",
        0.0,
        "Negative Guidance minimum sigma",
        Slider(0.0, 15.0, 0.01),
        infotext="NGMS",
        description="Below it the negative prompt is skipped every second step.",
    ),
    setting("s_min_uncond_all", False, "Skip the negative prompt at all such steps", Checkbox(), infotext="NGMS all steps"),
    setting(
        "token_merging_ratio", 0.0, "Token merging ratio", Slider(0.0, 0.9, 0.1), infotext="Token merging ratio", axis="Token merging ratio"
    ),
    setting("token_merging_ratio_img2img", 0.0, "Token merging ratio for img2img", Slider(0.0, 0.9, 0.1)),
    setting(
        "token_merging_ratio_hr",
        0.0,
        "Token merging ratio for high-res pass",
        Slider(0.0, 0.9, 0.1),
        infotext="Token merging ratio hr",
        axis="Token merging ratio high-res",
    ),
    setting(
        "pad_cond_uncond",
        False,
        "Pad prompt/negative prompt",
        Checkbox(),
        infotext="Pad conds",
        description="To equal length, so that both run in one batch; changes pictures.",
    ),
    setting(
        "pad_cond_uncond_v0",
        False,
        "Pad prompt/negative prompt (v0)",
        Checkbox(),
        infotext="Pad conds v0",
        description="Older form, which cuts the longer negative prompt.",
    ),
    setting("persistent_cond_cache", True, "Keep encoded prompts between jobs", Checkbox()),
    setting(
        "cuda_graphs", True, "Record and replay the model's steps on NVIDIA GPUs", Checkbox(),
        description="CUDA graphs: the same pictures, sooner, for some memory. Not used where that is short, with --lowvram, or where an extension changed the model.",
    ),
    setting(
        "compile_model", False, "Compile the model with torch.compile on GPUs", Checkbox(),
        description="In the background, once for each picture size, which takes a minute or more; pictures are drawn the usual way until then, and differ in the last digits. Needs Triton and a C compiler.",
    ),
    setting(
        "openvino", "Off", "Compute the model with OpenVINO", Dropdown("openvino_devices", first=("Off",)),
        description="Offers something once the package openvino is installed (see the README) and the program started anew, on computers without another graphics card: Intel's graphics as GPU, and "
        "the processor; in bfloat16 that is up to twice as fast where it has instructions for it, and changes pictures a little. It translates the model in the background, "
        "for as much memory again as the model takes; pictures are drawn the usual way until then.",
    ),
    setting("batch_cond_uncond", True, "Prompt and negative prompt in one batch", Checkbox()),
    setting("fp8_storage", "Disable", "FP8 weight", Radio(("Disable", "Enable for SDXL", "Enable")), axis="FP8 mode"),
    setting(
        "cache_fp16_weight", False, "Cache FP16 weight for LoRA", Checkbox(), description="Exact LoRA on 8-bit weights, for more memory."
    ),
)

HYPERTILE = section(
    "Hypertile",
    "hypertile",
    "sd",
    setting("hypertile_enable_unet", False, "Hypertile on the UNet", Checkbox(), infotext="Hypertile U-Net"),
    setting("hypertile_enable_unet_secondpass", False, "Hypertile on the UNet, hires pass", Checkbox(), infotext="Hypertile U-Net second pass"),
    setting("hypertile_max_depth_unet", 3, "Hypertile UNet: depth", Slider(0, 3, 1), infotext="Hypertile U-Net max depth"),
    setting("hypertile_max_tile_unet", 256, "Hypertile UNet: largest tile", Slider(0, 512, 16), infotext="Hypertile U-Net max tile size"),
    setting("hypertile_swap_size_unet", 3, "Hypertile UNet: swap size", Slider(0, 64, 1), infotext="Hypertile U-Net swap size"),
    setting("hypertile_enable_vae", False, "Hypertile on the VAE", Checkbox(), infotext="Hypertile VAE"),
    setting("hypertile_max_depth_vae", 3, "Hypertile VAE: depth", Slider(0, 3, 1), infotext="Hypertile VAE max depth"),
    setting("hypertile_max_tile_vae", 128, "Hypertile VAE: largest tile", Slider(0, 512, 16), infotext="Hypertile VAE max tile size"),
    setting("hypertile_swap_size_vae", 3, "Hypertile VAE: swap size", Slider(0, 64, 1), infotext="Hypertile VAE swap size"),
)

SYSTEM = section(
    "System",
    "system",
    "system",
    setting("auto_launch_browser", "Local", "Open a browser at start", Radio(("Disable", "Local", "Remote"))),
    setting("enable_console_prompts", False, "Write prompts to the console", Checkbox()),
    setting("show_warnings", False, "Show warnings in console", Checkbox(), needs=RELOAD_PAGE, description="Python warnings."),
    setting("show_gradio_deprecation_warnings", True, "Show Gradio deprecation warnings in the console", Checkbox(), needs=RELOAD_PAGE),
    setting("memmon_poll_rate", 8, "GPU memory readings per second; 0 for none", Slider(0, 40, 1)),
    setting("samples_log_stdout", False, "Write generation parameters to the console", Checkbox()),
    setting("multiple_tqdm", True, "Second console bar for the whole job", Checkbox()),
    setting("enable_upscale_progressbar", True, "Console bar for tiled upscaling", Checkbox()),
    setting("print_hypernet_extra", False, "Hypernetwork details in the console", Checkbox()),
    setting("list_hidden_files", True, "Models in hidden directories are listed", Checkbox()),
    setting("disable_mmap_load_safetensors", False, "Read .safetensors files without memory mapping; for network drives", Checkbox()),
    setting("hide_ldm_prints", True, "Silence messages of model libraries", Checkbox()),
    setting("dump_stacks_on_signal", False, "Write stack traces when ended by Ctrl+C", Checkbox()),
)

PROFILER = section(
    "Profiler",
    "profiler",
    "system",
    setting("profiling_enable", False, "Enable profiling", Checkbox(), description="Torch profiler around each generation."),
    setting("profiling_activities", ("CPU",), "Activities", CheckboxGroup(("CPU", "CUDA"))),
    setting("profiling_record_shapes", True, "Record shapes", Checkbox()),
    setting("profiling_profile_memory", True, "Profile memory", Checkbox()),
    setting("profiling_with_stack", True, "Include Python stack", Checkbox()),
    setting("profiling_filename", "trace.json", "Profile filename", TextArea()),
)

SECTIONS = (OPTIMIZATIONS, HYPERTILE, SYSTEM, PROFILER)
