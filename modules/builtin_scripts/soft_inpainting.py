"""Soft inpainting's place in the API's list of scripts; the engine does the work, and the page has fields of its own for it."""

from __future__ import annotations

from typing import Any

from modules.a1111.script import AlwaysVisible
from modules.a1111.script import Script as ScriptBase
from modules.application.init_inputs import SOFT_INPAINTING

# (label, start, smallest, largest, step), in the order of the arguments
SLIDERS = (
    ("Schedule bias", 1, 0, 8, 0.1),
    ("Preservation strength", 0.5, 0, 8, 0.05),
    ("Transition contrast boost", 4, 1, 32, 0.5),
    ("Mask influence", 0, 0, 1, 0.05),
    ("Difference threshold", 0.5, 0, 8, 0.25),
    ("Difference contrast", 2, 0, 8, 0.25),
)


class Script(ScriptBase):
    in_request = SOFT_INPAINTING
    page_has_it = True
    page_fields = ("soft_inpainting_enabled", "mask_blend_power", "mask_blend_scale", "inpaint_detail_preservation", "composite_mask_influence",
                   "composite_difference_threshold", "composite_difference_contrast")  # fmt: skip

    def title(self) -> str:
        return "Soft inpainting"

    def show(self, is_img2img: bool) -> Any:
        return AlwaysVisible if is_img2img else False

    def ui(self, is_img2img: bool) -> list[Any]:
        import gradio as gr

        enabled = gr.Checkbox(False, label="Soft inpainting")
        return [enabled, *(gr.Slider(minimum=least, maximum=most, step=step, value=start, label=label) for label, start, least, most, step in SLIDERS)]
