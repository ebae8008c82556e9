"""img2img alternative test: the noise is found from which the picture would have been drawn, and drawn from again, with other words perhaps."""

from __future__ import annotations

from typing import Any

from modules.a1111.process_images import process_images
from modules.a1111.processed import Processed
from modules.a1111.script import Script as ScriptBase
from modules.engine.inversion import FoundNoise, Inversion
from modules.schema.errors import InvalidValue

HINT = "* `CFG Scale` should be 2 or lower."
MOST_STEPS = 150                # as the slider has it


class Script(ScriptBase):
    def __init__(self) -> None:
        self.found = FoundNoise()

    def title(self) -> str:
        return "img2img alternative test"

    def show(self, is_img2img: bool) -> bool:
        return is_img2img

    def ui(self, is_img2img: bool) -> list[Any]:
        import gradio as gr

        def switch(label: str, name: str, *, on: bool = True) -> Any:
            return gr.Checkbox(on, label=label, elem_id=self.elem_id(name))

        info = gr.Markdown(HINT)
        sampler = switch("Override `Sampling method` to Euler?(this method is built for it)", "override_sampler")
        prompt = switch("Override `prompt` to the same value as `original prompt`?(and `negative prompt`)", "override_prompt")
        original = gr.Textbox(label="Original prompt", lines=1, elem_id=self.elem_id("original_prompt"))
        negative = gr.Textbox(label="Original negative prompt", lines=1, elem_id=self.elem_id("original_negative_prompt"))
        same_steps = switch("Override `Sampling Steps` to the same value as `Decode steps`?", "override_steps")
        steps = gr.Slider(label="Decode steps", minimum=1, maximum=MOST_STEPS, step=1, value=50, elem_id=self.elem_id("st"))
        strength = switch("Override `Denoising strength` to 1?", "override_strength")
        scale = gr.Slider(label="Decode CFG scale", minimum=0.0, maximum=15.0, step=0.1, value=1.0, elem_id=self.elem_id("cfg"))
        randomness = gr.Slider(label="Randomness", minimum=0.0, maximum=1.0, step=0.01, value=0.0, elem_id=self.elem_id("randomness"))
        adjusted = switch("Sigma adjustment for finding noise for image", "sigma_adjustment", on=False)
        return [info, sampler, prompt, original, negative, same_steps, steps, strength, scale, randomness, adjusted]

    def run(
        self, p: Any, _info: Any, sampler: bool, prompt: bool, original: str, negative: str, same_steps: bool, steps: int, strength: bool,
        scale: float, randomness: float, adjusted: bool,
    ) -> Processed:  # fmt: skip
        steps = int(_number("Decode steps", steps, 1, MOST_STEPS))
        if sampler:
            p.sampler_name = "Euler"
        if prompt:
            p.prompt, p.negative_prompt = original, negative
        if same_steps:
            p.steps = steps
        if strength:
            p.denoising_strength = 1.0
        p.inversion = Inversion(
            prompt=str(original), negative_prompt=str(negative), guidance_scale=_number("Decode CFG scale", scale, 0, 100), steps=steps,
            randomness=_number("Randomness", randomness, 0, 1), by_sigma=bool(adjusted), found=self.found)
        p.extra_generation_params |= {
            "Decode prompt": original, "Decode negative prompt": negative, "Decode CFG scale": scale, "Decode steps": steps, "Randomness": randomness,
            "Sigma Adjustment": bool(adjusted),
        }  # fmt: skip
        return process_images(p)


def _number(label: str, value: Any, least: float, most: float) -> float:
    """Raises InvalidValue."""
    if not isinstance(value, int | float) or not least <= value <= most:
        raise InvalidValue(f"{label} cannot be {str(value)[:40]!r}: it is a number from {least} to {most}.", field="script_args")
    return value
