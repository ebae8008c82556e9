"""The unit's fields on the page, under the elem_ids and classes that other extensions look for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from modules.ui_components import ToolButton

from internal_controlnet import models
from internal_controlnet.args import PASTED_FIELDS
from internal_controlnet.enums import ControlMode, ControlNetUnionControlType, HiResFixOption, ResizeMode, union_type_of
from internal_controlnet.panel_groups import ControlNetUiGroup
from internal_controlnet.panel_inputs import build_inputs, build_new_canvas, canvas, folded, whole_classes
from internal_controlnet.panel_pose import GROUP as POSE_GROUP
from internal_controlnet.panel_pose import build_pose
from internal_controlnet.panel_preview import Preview, wire_preview
from internal_controlnet.panel_values import PAGE_FIELDS
from internal_controlnet.preprocessors import Slider, control_types, find_preprocessor
from internal_controlnet.settings import setting

_QUICK = {"show_progress": "hidden", "queue": False}
_VERSION = "v1.1.455"


@dataclass
class Built:
    """controls: what ``Script.ui`` returns. infotext_fields: (component, key) pairs."""

    controls: list[Any] = field(default_factory=list)
    infotext_fields: list[tuple[Any, str]] = field(default_factory=list)


def build(is_img2img: bool, count: int) -> Built:
    """The accordion with ``count`` units, inside the current block."""
    tab = "img2img" if is_img2img else "txt2img"
    places: list[gr.State] = []
    units: list[dict[str, Any]] = []
    titles = models.model_titles()
    with (
        gr.Column(elem_id=f"{tab}_controlnet", elem_classes=["gradio-group"], min_width=0),
        gr.Accordion(f"ControlNet {_VERSION}", open=False, elem_id="controlnet", elem_classes=["gradio-accordion", "opened-late"]),
    ):
        def unit(base: str) -> None:
            places.append(gr.State(None))
            units.append(_unit(base, is_img2img, titles))

        if count == 1:
            unit(f"{tab}_controlnet_ControlNet")
        else:
            with gr.Tabs(elem_id=f"{tab}_controlnet_tabs", selected=0):
                for number in range(count):
                    with gr.Tab(f"ControlNet Unit {number}", id=number, elem_classes=["cnet-unit-tab"], render_children=True):
                        unit(f"{tab}_controlnet_ControlNet-{number}")
    built = Built(controls=[*places, *(unit[name] for unit in units for name in PAGE_FIELDS)])
    for number, unit in enumerate(units):
        built.infotext_fields += [(unit[name], f"ControlNet {number} {name}") for name in PASTED_FIELDS]
    return built


def _unit(base: str, is_img2img: bool, titles: list[str]) -> dict[str, Any]:
    """One unit's components by field, for PAGE_FIELDS."""
    inputs = build_inputs(base, shown=not is_img2img)
    made, preview_group = inputs.made, inputs.preview_group
    words = gr.HTML("", elem_id=f"{base}_words", elem_classes=["cnet-words"])
    with gr.Row(elem_classes=["controlnet_image_controls"]):
        new_canvas = ToolButton("\U0001f4dd", elem_id=f"{base}_controlnet_open_new_canvas_button", tooltip="Open new canvas, for scribbles")
        dimensions = ToolButton("\u2934", elem_id=f"{base}_controlnet_send_dimen_button", tooltip="Take the picture's width and height")
    build_new_canvas(base, new_canvas)
    with gr.Row(elem_classes=["controlnet_main_options"]):
        made["enabled"] = _check(f"{base}_controlnet_enable_checkbox", "Enable", "cnet-unit-enabled")
        made["low_vram"] = _check(f"{base}_controlnet_low_vram_checkbox", "Low VRAM")
        made["pixel_perfect"] = _check(f"{base}_controlnet_pixel_perfect_checkbox", "Pixel Perfect")
        allow = _check(f"{base}_controlnet_preprocessor_preview_checkbox", "Allow Preview", "cnet-allow-preview")
        region = _check(f"{base}_controlnet_mask_upload_checkbox", "Effective Region Mask", "cnet-mask-upload")
        made["own_picture"] = _check(f"{base}_controlnet_same_img2img_checkbox", "Upload independent control image", "cnet-unit-same_img2img",
                                     value=not is_img2img, shown=is_img2img)
        made["inpaint_crop_input_image"] = _check(None, "Crop input image based on A1111 mask", "cnet-crop-input-image", value=True, shown=is_img2img)
    with gr.Column(elem_classes=folded("cnet-mask-image-group", False), min_width=0) as region_group:
        made["effective_region_mask"] = canvas(f"{base}_mask_image", "Effective Region Mask", "picture", "cnet-effective-region-mask-image")
    pose = build_pose(base)
    made["mask"] = gr.State(None)
    kind = _type_filter(base)
    labels, known, _, _ = models.choices_of("All", titles)
    with gr.Row(elem_classes=["controlnet_preprocessor_model"]):
        made["module"] = gr.Dropdown(labels, value="none", label="Preprocessor", elem_id=f"{base}_controlnet_preprocessor_dropdown", elem_classes=["gradio-dropdown"],
                                     allow_custom_value=False)
        run = ToolButton("\U0001f4a5", elem_id=f"{base}_controlnet_trigger_preprocessor", elem_classes=["cnet-run-preprocessor"], tooltip="Run preprocessor")
        made["model"] = gr.Dropdown(known, value=models.NONE, label="Model", elem_id=f"{base}_controlnet_model_dropdown", elem_classes=["gradio-dropdown"],
                                    allow_custom_value=True)
        refresh = ToolButton("\U0001f504", elem_id=f"{base}_controlnet_refresh_models", tooltip="Refresh models")
    with gr.Row(elem_classes=["controlnet_weight_steps"]):
        made["weight"] = _slider(f"{base}_controlnet_control_weight_slider", "Control Weight", 1.0, 0.0, 2.0, 0.05, "controlnet_control_weight_slider")
        made["guidance_start"] = _slider(f"{base}_controlnet_start_control_step_slider", "Starting Control Step", 0.0, 0.0, 1.0, 0.01, "controlnet_start_control_step_slider")
        made["guidance_end"] = _slider(f"{base}_controlnet_ending_control_step_slider", "Ending Control Step", 1.0, 0.0, 1.0, 0.01, "controlnet_ending_control_step_slider")
    for name, ending, label in (("processor_res", "preprocessor_resolution_slider", "Preprocessor resolution"), ("threshold_a", "threshold_A_slider", "Threshold A"),
                                ("threshold_b", "threshold_B_slider", "Threshold B")):
        made[name] = gr.Slider(-1, 2048, value=-1, label=label, elem_id=f"{base}_controlnet_{ending}", elem_classes=["gradio-slider"], visible="hidden")
    for name, ending, label, choices, first in (
        ("control_mode", "control_mode_radio", "Control Mode", ControlMode, ControlMode.BALANCED),
        ("resize_mode", "resize_mode_radio", "Resize Mode", ResizeMode, ResizeMode.INNER_FIT),
        ("hr_option", "hr_option_radio", "Hires-Fix Option", HiResFixOption, HiResFixOption.BOTH),
    ):
        made[name] = gr.Radio([each.value for each in choices], value=first.value, label=label, elem_id=f"{base}_controlnet_{ending}",
                              elem_classes=["gradio-radio", f"controlnet_{ending}"], visible="hidden" if name == "hr_option" and is_img2img else True)
    made["union_control_type"] = gr.Textbox(ControlNetUnionControlType.UNKNOWN.value, label="Union Control Type", visible="hidden", max_lines=1)
    sliders = [made[name] for name in ("processor_res", "threshold_a", "threshold_b")]
    kind.input(_filtered, [kind, made["model"], made["pixel_perfect"]], [made["module"], made["model"], *sliders, made["union_control_type"], pose.group], **_QUICK)
    made["module"].input(_sliders_of, [made["module"], made["pixel_perfect"]], sliders, **_QUICK)
    made["pixel_perfect"].input(_resolution_of, [made["module"], made["pixel_perfect"]], [made["processor_res"]], **_QUICK)
    for each in (made["module"], made["pixel_perfect"]):    # pasted, or back after a reload
        each.change(_outlines_of, [made["module"], made["pixel_perfect"]], sliders, **_QUICK)
    made["own_picture"].change(lambda own: gr.update(elem_classes=whole_classes(own)), [made["own_picture"]], [inputs.whole], **_QUICK)
    refresh.click(_refreshed, [kind, made["model"]], [made["model"]], **_QUICK)
    made["model"].focus(_marked, [kind], [made["model"]], **_QUICK)
    region.change(lambda on: gr.update(elem_classes=folded("cnet-mask-image-group", on)), [region], [region_group], **_QUICK,
                  js=f"(on) => controlnetRegion({base!r}, on)")
    wire_preview(base, made, Preview(kind=kind, group=preview_group, allow=allow, run=run, words=words, pose=pose))
    dimensions.click(None, [], [], js=f"() => controlnetDimensions({base!r})")
    ControlNetUiGroup(made)
    return made


def _type_filter(base: str) -> gr.Radio | gr.Dropdown:
    listed, words, group = control_types(), "Control Type", "controlnet_control_type_filter_group"
    if setting("controlnet_control_type_dropdown"):
        return gr.Dropdown(listed, value="All", label=words, elem_id=f"{base}_controlnet_type_filter_dropdown", elem_classes=["gradio-dropdown", group])
    return gr.Radio(listed, value="All", label=words, elem_id=f"{base}_controlnet_type_filter_radio", elem_classes=["gradio-radio", group])


def _check(elem_id: str | None, label: str, *classes: str, value: bool = False, shown: bool = True) -> gr.Checkbox:
    return gr.Checkbox(value, label=label, elem_id=elem_id, elem_classes=["gradio-checkbox", *classes], visible=True if shown else "hidden", min_width=60)


def _slider(elem_id: str, label: str, value: float, least: float, most: float, step: float, *classes: str) -> gr.Slider:
    return gr.Slider(least, most, value=value, step=step, label=label, elem_id=elem_id, elem_classes=["gradio-slider", *classes], min_width=80)


def _filtered(kind: str, model: str, pixel_perfect: bool) -> list[Any]:
    files = models.model_files()
    labels, titles, label, title = models.choices_of(kind, list(files))
    chosen = title if kind != "All" else model if model in titles else models.NONE
    return [gr.update(choices=labels, value=label), gr.update(choices=models.marked(titles, files), value=chosen), *_sliders_of(label, pixel_perfect), union_type_of(kind).value,
            gr.update(elem_classes=folded(POSE_GROUP, kind == "OpenPose"))]


def _refreshed(kind: str, model: str) -> Any:
    files = models.model_files()
    titles = models.choices_of(kind, list(files))[1]
    return gr.update(choices=models.marked(titles, files), value=model if model in titles else models.NONE)


def _marked(kind: str) -> Any:
    """The list is opened: it tells which models fit the checkpoint that is chosen now."""
    files = models.model_files()
    return gr.update(choices=models.marked(models.choices_of(kind, list(files))[1], files))


def _sliders_of(label: str, pixel_perfect: bool) -> list[Any]:
    """The sliders that the preprocessor has, at its defaults; with pixel perfect, its resolution is reckoned."""
    preprocessor = find_preprocessor(label)
    if preprocessor is None:
        return [gr.update(visible="hidden")] * 3
    first, *more = (_as_update(each) for each in preprocessor.sliders)
    return [gr.update(visible="hidden") if pixel_perfect else first, *more]


def _outlines_of(label: str, pixel_perfect: bool) -> list[Any]:
    """As ``_sliders_of``, the values being what they are."""
    return [{name: value for name, value in each.items() if name != "value"} for each in _sliders_of(label, pixel_perfect)]


def _resolution_of(label: str, pixel_perfect: bool) -> Any:
    return _sliders_of(label, pixel_perfect)[0]


def _as_update(slider: Slider) -> Any:
    if not slider.shown:
        return gr.update(minimum=-1, maximum=2048, value=-1, visible="hidden")
    return gr.update(label=slider.label, minimum=slider.least, maximum=slider.most, step=slider.step, value=slider.value, visible=True)
