"""The settings of the ControlNet section, under the extension's keys."""

from __future__ import annotations

from typing import Any

from modules import shared

SECTION = ("control_net", "ControlNet")
# key: (default, words, (least, most) for sliders)
OPTIONS: dict[str, tuple[Any, str, tuple[int, int] | None]] = {
    "control_net_detectedmap_dir": ("detected_maps", "Directory for detected maps auto saving", None),
    "control_net_models_path": ("", "Extra path to scan for ControlNet models (e.g. training output directory)", None),
    "control_net_modules_path": ("", "Path to directory containing annotator model directories (overrides corresponding command line flag)", None),
    "control_net_unit_count": (3, "Multi-ControlNet: ControlNet unit number", (1, 10)),
    "control_net_model_cache_size": (2, "Model cache size", (1, 10)),
    "control_net_inpaint_blur_sigma": (7, "ControlNet inpainting Gaussian blur sigma", (0, 64)),
    "control_net_no_detectmap": (False, "Do not append detectmap to output", None),
    "control_net_detectmap_autosaving": (False, "Allow detectmap auto saving", None),
    "control_net_allow_script_control": (False, "Allow other script to control this extension", None),
    "control_net_sync_field_args": (True, "Paste ControlNet parameters in infotext", None),
    "controlnet_show_batch_images_in_ui": (False, "Show batch images in gradio gallery output", None),
    "controlnet_increment_seed_during_batch": (False, "Increment seed after each controlnet batch iteration", None),
    "controlnet_disable_openpose_edit": (False, "Disable openpose edit", None),
    "controlnet_disable_photopea_edit": (False, "Disable photopea edit", None),
    "controlnet_photopea_warning": (True, "Photopea popup warning", None),
    "controlnet_ignore_noninpaint_mask": (False, "Ignore mask on ControlNet input image if control type is not inpaint", None),
    "controlnet_clip_detector_on_cpu": (False, "Load CLIP preprocessor model on CPU", None),
    "controlnet_control_type_dropdown": (False, "Display control type as dropdown", None),
}
_NEED_RELOAD = ("control_net_unit_count", "controlnet_control_type_dropdown")


def slider(**keywords: Any) -> Any:
    """Gradio's, which is not loaded before somebody wants to see one."""
    import gradio as gr

    return gr.Slider(**keywords)


def add_settings() -> None:
    """Told when the settings page is made."""
    for key, (default, words, bounds) in OPTIONS.items():
        if bounds is None:
            option = shared.OptionInfo(default, words, None, section=SECTION)
        else:
            option = shared.OptionInfo(default, words, slider, {"minimum": bounds[0], "maximum": bounds[1], "step": 1}, section=SECTION)
        shared.opts.add_option(key, option.needs_reload_ui() if key in _NEED_RELOAD else option)


def setting(key: str, p: Any = None) -> Any:
    """The value that holds now, within its slider; for a job ``p``, its own override of it."""
    value = (p.override_settings if p is not None else {}).get(key)
    value = getattr(shared.opts, key, None) if value is None else value
    default, _, bounds = OPTIONS[key]
    if value is None or (isinstance(default, str) and not isinstance(value, str)):
        return default                              # config.json may hold a list, which extensions' settings may be
    if bounds is None or not isinstance(value, int | float):
        return value
    return min(max(value, bounds[0]), bounds[1])    # a page of thousands of units never comes
