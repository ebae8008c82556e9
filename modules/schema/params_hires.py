"""The groups of a second look at the picture: hires fix, and a refiner that takes over part-way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modules.schema.param import param
from modules.schema.params_sampling import NAME_LIMIT, PROMPT_LIMIT, SIDE_LIMIT
from modules.schema.widgets import Checkbox, Dropdown, Slider, TextArea

SAME_CHECKPOINT = "Use same checkpoint"
SAME_SAMPLER = "Use same sampler"
SAME_SCHEDULER = "Use same scheduler"


@dataclass(frozen=True, kw_only=True)
class Hires:
    """A second pass on an enlarged picture. None and "Use same ..." take the first pass's; 0 steps the same number.

    ``resize_width`` and ``resize_height`` (pixels) beat ``scale``; with one of them 0 the other decides the factor.
    """

    enabled: bool = param(False, label="Hires. fix", api_name="enable_hr", widget=Checkbox(), elem_id="{tab}_hr")
    upscaler: str | None = param(
        None,
        label="Upscaler",
        api_name="hr_upscaler",
        infotext="Hires upscaler",
        axis="Hires upscaler",
        widget=Dropdown("hires_upscalers"),
        ui_default="Latent",
        max_length=NAME_LIMIT,
    )
    second_pass_steps: int = param(
        0,
        label="Hires steps",
        api_name="hr_second_pass_steps",
        infotext="Hires steps",
        axis="Hires steps",
        widget=Slider(0, 150, 1),
        elem_id="{tab}_hires_steps",
        accepts=(0, 1000),
    )
    scale: float = param(
        2.0, label="Upscale by", api_name="hr_scale", infotext="Hires upscale", widget=Slider(1.0, 4.0, 0.05), accepts=(0.0, 16.0)
    )
    resize_width: int = param(
        0,
        label="Resize width to",
        api_name="hr_resize_x",
        infotext="Hires resize-1",
        widget=Slider(0, 2048, 8),
        accepts=(0, SIDE_LIMIT),
    )
    resize_height: int = param(
        0,
        label="Resize height to",
        api_name="hr_resize_y",
        infotext="Hires resize-2",
        widget=Slider(0, 2048, 8),
        accepts=(0, SIDE_LIMIT),
    )
    checkpoint_name: str | None = param(
        None,
        label="Checkpoint",
        api_name="hr_checkpoint_name",
        infotext="Hires checkpoint",
        widget=Dropdown("checkpoints", first=(SAME_CHECKPOINT,)),
        ui_default=SAME_CHECKPOINT,
        elem_id="hr_checkpoint",
        max_length=NAME_LIMIT,
    )
    sampler_name: str | None = param(
        None,
        label="Hires sampling method",
        api_name="hr_sampler_name",
        infotext="Hires sampler",
        axis="Hires sampler",
        widget=Dropdown("samplers", first=(SAME_SAMPLER,)),
        ui_default=SAME_SAMPLER,
        elem_id="hr_sampler",
        max_length=NAME_LIMIT,
    )
    scheduler: str | None = param(
        None,
        label="Hires schedule type",
        api_name="hr_scheduler",
        infotext="Hires schedule type",
        widget=Dropdown("schedulers", first=(SAME_SCHEDULER,)),
        ui_default=SAME_SCHEDULER,
        elem_id="hr_scheduler",
        max_length=NAME_LIMIT,
    )
    prompt: str = param(
        "",
        label="Hires prompt",
        api_name="hr_prompt",
        infotext="Hires prompt",
        widget=TextArea(3, "Left empty: the prompt above"),
        elem_id="hires_prompt",
        max_length=PROMPT_LIMIT,
    )
    negative_prompt: str = param(
        "",
        label="Hires negative prompt",
        api_name="hr_negative_prompt",
        infotext="Hires negative prompt",
        widget=TextArea(3, "Left empty: the negative prompt above"),
        elem_id="hires_neg_prompt",
        max_length=PROMPT_LIMIT,
    )
    firstphase_width: int = param(0, label="First pass width (old form)", accepts=(0, SIDE_LIMIT))
    firstphase_height: int = param(0, label="First pass height (old form)", accepts=(0, SIDE_LIMIT))


@dataclass(frozen=True, kw_only=True)
class Refiner:
    """A second checkpoint that finishes the picture. ``switch_at``: share of the steps done by the first one."""

    checkpoint: str | None = param(
        None,
        label="Checkpoint",
        api_name="refiner_checkpoint",
        infotext="Refiner",
        axis="Refiner checkpoint",
        widget=Dropdown("checkpoints"),
        ui_default="",
        elem_id="{tab}_checkpoint",
        max_length=NAME_LIMIT,
    )
    switch_at: float | None = param(
        None,
        label="Switch at",
        api_name="refiner_switch_at",
        infotext="Refiner switch at",
        axis="Refiner switch at",
        widget=Slider(0.01, 1.0, 0.01),
        ui_default=0.8,
        elem_id="{tab}_switch_at",
        accepts=(0.0, 1.0),
    )


@dataclass(frozen=True, kw_only=True)
class FirstPass:
    """The first pass's picture, made elsewhere: hires fix starts from it. An image, or base64 on the wire."""

    firstpass_image: Any = param(None, label="First pass image")
