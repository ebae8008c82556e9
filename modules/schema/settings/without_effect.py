"""Settings of A1111 that mean nothing in this program, each with its reason: the Settings page says it. They are kept all the same."""

from __future__ import annotations

from collections.abc import Mapping

_TRAINING = "All of the model stays on its device while something is trained."
_CONSOLE = "This program lets its libraries print nothing into the console."
_LDSR = "LDSR is not among the upscalers that this program can read."

WITHOUT_EFFECT: Mapping[str, str] = {
    "sd_checkpoint_cache": "An older form: how many checkpoints stay loaded is said by the setting above it.",
    "enable_batch_seeds": "A batch always gives the same pictures as single images, as in A1111 since 1.6.",
    "sd3_enable_t5": "T5 is read wherever its weights are in the checkpoint or beside it.",
    "sd_vae_checkpoint_cache": "A VAE is read in less than a second; the operating system keeps its file in memory.",
    "ddim_discretize": "A1111 itself has not read it since its samplers are k-diffusion's.",
    "lora_functional": "LoRAs are always added to the weights and taken out again to the last bit.",
    "lora_not_found_warning_console": "A LoRA that is missing is always told: in the console and below the pictures.",
    "lora_not_found_gradio_warning": "A LoRA that is missing is always told: in the console and below the pictures.",
    "disable_mmap_load_safetensors": "Model files are never mapped into memory: one that is overwritten while it is loaded harms nothing.",
    "cache_fp16_weight": "LoRAs are added in full precision and rounded to 8 bits once; without the checkbox \"FP8 weight\" nothing is rounded.",
    "memmon_poll_rate": "The device's memory is read when somebody asks (GET /sdapi/v1/memory), not by the clock.",
    "print_hypernet_extra": _CONSOLE,
    "hide_ldm_prints": _CONSOLE,
    "enable_reloading_ui_scripts": "For those who write on A1111's page. Restart the program to load its code anew.",
    "live_preview_allow_lowvram_full": "With --medvram and --lowvram a full preview would drive the model out of memory at each step: previews are coarse then, or TAESD's.",
    "canvas_hotkey_overlap": "A tool for testing A1111's canvas; this page has a canvas of its own.",
    "SWIN_torch_compile": "Upscalers are run as they are: compiling takes longer than most pictures.",
    "ldsr_steps": _LDSR,
    "ldsr_cached": _LDSR,
    **dict.fromkeys(("unload_models_when_training", "pin_memory"), _TRAINING),
    "training_image_repeats_per_epoch": "An epoch has each picture once; A1111 shows no other number either.",
    "training_xattention_optimizations": "The attention that gradients need is chosen by PyTorch.",
}  # fmt: skip
