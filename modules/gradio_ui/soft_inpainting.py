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
    """One slider. name: of the field in the form; its infotext key is "Soft inpainting " and ``key``. info: what it does; low, high: what such values do."""

    name: str
    label: str
    key: str
    start: float
    bounds: tuple[float, float, float]  # smallest, largest, step
    info: str
    low: str
    high: str


SOFT_FIELDS = (  # in the order of the script's arguments, after the switch
    SoftField(
        "mask_blend_power", "Schedule bias", "schedule bias", 1, (0, 8, 0.1), "When the original is kept: early or late in the steps.",
        "below 1, the last steps keep more of the original", "above 1, the first steps do; at 1 all keep it in proportion to the noise",
    ),
    SoftField(
        "mask_blend_scale", "Preservation strength", "preservation strength", 0.5, (0, 8, 0.05), "How much of the original stays where the mask is half opaque.",
        "more of what is drawn anew", "more of the original",
    ),
    SoftField(
        "inpaint_detail_preservation", "Transition contrast boost", "transition contrast boost", 4, (1, 32, 0.5),
        "Gives back the contrast that mixing takes away where the mask is half opaque.", "soft transitions, fine details may fade", "more contrast, colours may become too strong",
    ),
    SoftField(
        "composite_mask_influence", "Mask influence", "mask influence", 0, (0, 1, 0.05), "How far the mask, too, decides which pixels of the original come back.",
        "at 0 only how much the picture changed decides", "at 1 the mask is followed, however much changed",
    ),
    SoftField(
        "composite_difference_threshold", "Difference threshold", "difference threshold", 0.5, (0, 8, 0.25), "How much a place may change and still get its original pixels back.",
        "only where next to nothing changed", "also where much changed",
    ),
    SoftField(
        "composite_difference_contrast", "Difference contrast", "difference contrast", 2, (0, 8, 0.25), "How sharp the border is between original and new pixels.",
        "long, gradual transitions, where both may show through each other", "abrupt ones, without such ghosts",
    ),
)  # fmt: skip
_INTRODUCTION = "Mixes what is drawn anew with the original by how opaque the mask is, without a seam. **It wants a high Mask blur.**"
_COMPOSITE = "After the steps: which of the original's pixels come back"
_FIRST_OF_COMPOSITE = "composite_mask_influence"


def _help() -> str:
    return "\n".join(f"- **{each.label}** – {each.info} Low: {each.low}. High: {each.high}." for each in SOFT_FIELDS)


def build_soft_inpainting(builder: FormBuilder) -> None:
    """The fold, inside the current block."""
    with builder.own_fold(ENABLED, "Soft inpainting", infotext="Soft inpainting enabled") as guard:
        gr.Markdown(_INTRODUCTION)
        for each in SOFT_FIELDS:
            if each.name == _FIRST_OF_COMPOSITE:
                gr.Markdown(_COMPOSITE)
            low, high, step = each.bounds
            slider = gr.Slider(
                low,
                high,
                each.start,
                step=step,
                label=each.label,
                info=each.info,
                elem_id=each.name,
                elem_classes=["gradio-slider"],
                interactive=True,
                buttons=[],
                min_width=0,
            )
            builder.own(each.name, slider, guard=guard, infotext=f"Soft inpainting {each.key}")
        with gr.Accordion("Help", open=False, elem_id="soft_inpainting_help"):
            gr.Markdown(_help())


def soft_arguments(values: Mapping[str, Any]) -> dict[str, Any]:
    """``alwayson_scripts`` of the request; empty while the fold is closed. values: of the form, by field name."""
    if not values.get(ENABLED):
        return {}
    return {SOFT_INPAINTING: {"args": [True, *(values.get(each.name) for each in SOFT_FIELDS)]}}
