"""The fields of soft inpainting on the page, and what they are in a request: the arguments of A1111's built-in always-on script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from modules.application.init_inputs import SOFT_INPAINTING
from modules.gradio_ui.form_builder import FormBuilder

ENABLED = "soft_inpainting_enabled"


@dataclass(frozen=True)
class SoftField:
    """One slider. name: of the field in the form; its infotext key is "Soft inpainting " and ``key``."""

    name: str
    label: str
    key: str
    start: float
    bounds: tuple[float, float, float]  # smallest, largest, step


SOFT_FIELDS = (  # in the order of the script's arguments, after the switch
    SoftField("mask_blend_power", "Schedule bias", "schedule bias", 1, (0, 8, 0.1)),
    SoftField("mask_blend_scale", "Preservation strength", "preservation strength", 0.5, (0, 8, 0.05)),
    SoftField("inpaint_detail_preservation", "Transition contrast boost", "transition contrast boost", 4, (1, 32, 0.5)),
    SoftField("composite_mask_influence", "Mask influence", "mask influence", 0, (0, 1, 0.05)),
    SoftField("composite_difference_threshold", "Difference threshold", "difference threshold", 0.5, (0, 8, 0.25)),
    SoftField("composite_difference_contrast", "Difference contrast", "difference contrast", 2, (0, 8, 0.25)),
)


def build_soft_inpainting(builder: FormBuilder) -> None:
    """The fold, inside the current block."""
    with builder.own_fold(ENABLED, "Soft inpainting", infotext="Soft inpainting enabled") as guard:
        for each in SOFT_FIELDS:
            low, high, step = each.bounds
            slider = gr.Slider(
                low,
                high,
                each.start,
                step=step,
                label=each.label,
                elem_id=each.name,
                elem_classes=["gradio-slider"],
                interactive=True,
                buttons=[],
                min_width=0,
            )
            builder.own(each.name, slider, guard=guard, infotext=f"Soft inpainting {each.key}")


def soft_arguments(values: Mapping[str, Any]) -> dict[str, Any]:
    """``alwayson_scripts`` of the request; empty while the fold is closed. values: of the form, by field name."""
    if not values.get(ENABLED):
        return {}
    return {SOFT_INPAINTING: {"args": [True, *(values.get(each.name) for each in SOFT_FIELDS)]}}
