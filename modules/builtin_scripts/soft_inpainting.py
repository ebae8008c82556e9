"""Soft inpainting's place on the img2img page and in the API; the engine itself does the work (engine/soft_inpaint.py)."""

from __future__ import annotations

from typing import Any

from modules.a1111.script import AlwaysVisible
from modules.a1111.script import Script as ScriptBase
from modules.application.init_inputs import SOFT_INPAINTING

# (label, elem_id, start, smallest, largest, step), in the order of the arguments
SLIDERS = (
    ("Schedule bias", "mask_blend_power", 1, 0, 8, 0.1),
    ("Preservation strength", "mask_blend_scale", 0.5, 0, 8, 0.05),
    ("Transition contrast boost", "inpaint_detail_preservation", 4, 1, 32, 0.5),
    ("Mask influence", "composite_mask_influence", 0, 0, 1, 0.05),
    ("Difference threshold", "composite_difference_threshold", 0.5, 0, 8, 0.25),
    ("Difference contrast", "composite_difference_contrast", 2, 0, 8, 0.25),
)
HINT = "The painted part fades into the rest. Use a large mask blur, and Masked content: original."


class Script(ScriptBase):
    in_request = SOFT_INPAINTING

    def title(self) -> str:
        return "Soft inpainting"

    def show(self, is_img2img: bool) -> Any:
        return AlwaysVisible if is_img2img else False

    def ui(self, is_img2img: bool) -> list[Any]:
        import gradio as gr

        with gr.Accordion("Soft inpainting", open=False, elem_id="soft_inpainting"):
            enabled = gr.Checkbox(False, label="Soft inpainting", info=HINT, elem_id="soft_inpainting_enabled")
            sliders = [
                gr.Slider(minimum=least, maximum=most, step=step, value=start, label=label, elem_id=name)
                for label, name, start, least, most, step in SLIDERS
            ]  # fmt: skip
        self.infotext_fields = [(enabled, "Soft inpainting enabled"), *((each, f"Soft inpainting {each.label.lower()}") for each in sliders)]
        self.paste_field_names = [name for _, name in self.infotext_fields]
        return [enabled, *sliders]
