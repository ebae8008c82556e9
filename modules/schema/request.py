"""What was asked for, frozen, as it was typed: seed -1, styles not applied, sizes not rounded.

Inside, parameters stand in groups; on the wire they are flat, under A1111's names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modules.schema.errors import InvalidValue
from modules.schema.flat import FlatRequest
from modules.schema.param import group, param
from modules.schema.params_hires import FirstPass, Hires, Refiner
from modules.schema.params_img2img import InitImages, Inpaint
from modules.schema.params_sampling import (
    Batch,
    Features,
    NoiseOptions,
    Output,
    Overrides,
    Prompt,
    Sampling,
    Scripting,
    Seed,
    Size,
    Task,
)
from modules.schema.widgets import Slider

STRENGTHS = (0.0, 1e6)    # A1111 takes any, and 100 for all of it is in many programs; what is beyond 1 acts as 1
HIRES_SIDE_LIMIT = 16_384  # pixels; a picture of that side alone takes 0.8 GB as floats


@dataclass(frozen=True, kw_only=True)
class _Common(FlatRequest):
    """What both kinds of request can say. Group defaults are the API's."""

    prompt: Prompt = group(Prompt)
    sampling: Sampling = group(Sampling)
    size: Size = group(Size)
    batch: Batch = group(Batch)
    seed: Seed = group(Seed)
    noise: NoiseOptions = group(NoiseOptions)
    refiner: Refiner = group(Refiner)
    features: Features = group(Features)
    first_pass: FirstPass = group(FirstPass)
    output: Output = group(Output)
    overrides: Overrides = group(Overrides)
    scripting: Scripting = group(Scripting)
    task: Task = group(Task)

    def check_whole(self) -> None:
        check_together(self)


@dataclass(frozen=True, kw_only=True)
class Txt2ImgRequest(_Common):
    """A picture from words."""

    hires: Hires = group(Hires)
    denoising_strength: float | None = param(
        None,
        label="Denoising strength",
        infotext="Denoising strength",
        axis="Denoising",
        widget=Slider(0.0, 1.0, 0.01),
        accepts=STRENGTHS,
        ui_default=0.7,
        description="How far the hires pass may move from the first pass: 0 not at all, 1 freely. None: 0.75.",
    )


@dataclass(frozen=True, kw_only=True)
class Img2ImgRequest(_Common):
    """A picture from a picture and words."""

    init: InitImages = group(InitImages)
    inpaint: Inpaint = group(Inpaint)
    denoising_strength: float = param(
        0.75,
        label="Denoising strength",
        infotext="Denoising strength",
        axis="Denoising",
        widget=Slider(0.0, 1.0, 0.01),
        accepts=STRENGTHS,
        description="How far the result may move from the picture: 0 not at all, 1 freely.",
    )


Request = Txt2ImgRequest | Img2ImgRequest


def check_together(request: Any) -> None:
    """Refuse values that are fine alone but not together. Raises InvalidValue."""
    hires = request.hires if isinstance(request, Txt2ImgRequest) else None
    if hires is None or not hires.enabled or hires.resize_width or hires.resize_height:
        return
    if hires.scale < 0.05:          # 0 is what programs send that name a size instead, or want none of it
        raise InvalidValue(f"Upscale by (hr_scale) cannot be {hires.scale:g}: it must be between 0.05 and 16.",
                           "Raise it, or name a size with hr_resize_x and hr_resize_y.", field="hr_scale")
    longest = max(request.size.width, request.size.height) * hires.scale
    if longest > HIRES_SIDE_LIMIT:
        raise InvalidValue(
            f"{request.size.width}x{request.size.height} upscaled by {hires.scale:g} is {longest:.0f} pixels long;"
            f" at most {HIRES_SIDE_LIMIT} are accepted.",
            "Lower Upscale by (hr_scale), Width or Height.",
            field="hr_scale",
        )

