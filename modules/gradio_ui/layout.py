"""Which parameters stand where on a generation tab: A1111's order, as data. ``form_builder`` builds what this says.

A plain text is a parameter's API name. "{tab}" in an elem_id stands for txt2img or img2img.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tool:
    """A small button; what it does stands in static/form_tools.js, its words in button_titles.py."""

    elem_id: str
    icon: str


@dataclass(frozen=True)
class Toggle:
    """A checkbox that shows or hides a ``Stack``, and is itself part of no request."""

    elem_id: str
    label: str


@dataclass(frozen=True)
class Caption:
    """A line of text: ``words``, or what a script of the page writes there."""

    elem_id: str
    words: str = ""


@dataclass(frozen=True)
class Line:
    """Items side by side. shown_by: key of the setting that must be on for the line to be seen; it is in the page all the same."""

    elem_id: str | None
    items: tuple[Item, ...]
    classes: tuple[str, ...] = ()
    shown_by: str | None = None


@dataclass(frozen=True)
class Stack:
    """Items one below the other; ``scale`` is the share of the line they stand in.

    toggle: elem_id of a ``Toggle`` above. While it is off the items do not count.
    """

    elem_id: str | None
    items: tuple[Item, ...]
    scale: int = 1
    classes: tuple[str, ...] = ()
    toggle: str | None = None


@dataclass(frozen=True)
class Fold:
    """A box that opens with its checkbox, as A1111's InputAccordion. While it is closed its items are not asked for.

    toggle: API name of the parameter behind the checkbox; None: the checkbox only says whether the items count.
    source: the script's file by which A1111 keeps the values of all this, where it has a script for it.
    """

    elem_id: str
    label: str
    toggle: str | None
    items: tuple[Item, ...]
    is_open: bool = False
    source: str = ""


@dataclass(frozen=True)
class Part:
    """Something of its own that stands here; ``FormBuilder.parts`` says what builds it."""

    name: str


Item = str | Tool | Toggle | Caption | Line | Stack | Fold | Part

HIRES_FIX = Fold(
    "{tab}_hr",
    "Hires. fix",
    "enable_hr",
    (
        Caption("txtimg_hr_finalres"),
        Line("{tab}_hires_fix_row1", ("hr_upscaler", "hr_second_pass_steps", "denoising_strength")),
        Line("{tab}_hires_fix_row2", ("hr_scale", "hr_resize_x", "hr_resize_y")),
        Line(
            "{tab}_hires_fix_row3",
            ("hr_checkpoint_name", Tool("hr_checkpoint_refresh", "🔄"), "hr_sampler_name", "hr_scheduler"),
            shown_by="hires_fix_show_sampler",
        ),
        Line("{tab}_hires_fix_row4", ("hr_prompt", "hr_negative_prompt"), shown_by="hires_fix_show_prompts"),
    ),
)
REFINER = Fold(
    "{tab}_enable", "Refiner", None, (Line(None, ("refiner_checkpoint", Tool("{tab}_checkpoint_refresh", "🔄"), "refiner_switch_at")),)
)
CHECKPOINT_FIELDS = {"hr_checkpoint_name": "hr_checkpoint_refresh", "refiner_checkpoint": "{tab}_checkpoint_refresh"}  # with their refresh buttons

SAMPLING = Line("sampler_selection_{tab}", ("sampler_name", "scheduler", "steps"))
SIZE_AND_BATCH = Line(
    "{tab}_size_and_batch",
    (
        Stack("{tab}_column_size", ("width", "height"), scale=4),
        Stack("{tab}_dimensions_row", (Tool("{tab}_res_switch_btn", "⇅"),), scale=0, classes=("dimensions-tools",)),
        Stack("{tab}_column_batch", ("n_iter", "batch_size"), scale=2),
    ),
)
SEED = Line(
    "{tab}_seed_row",
    ("seed", Tool("{tab}_random_seed", "🎲️"), Tool("{tab}_reuse_seed", "♻️"), Toggle("{tab}_subseed_show", "Extra")),
)
SEED_EXTRAS = Stack(
    "{tab}_seed_extras",
    (
        Line(
            "{tab}_subseed_row",
            ("subseed", Tool("{tab}_random_subseed", "🎲️"), Tool("{tab}_reuse_subseed", "♻️"), "subseed_strength"),
        ),
        Line("{tab}_seed_resize_from_row", ("seed_resize_from_w", "seed_resize_from_h")),
    ),
    toggle="{tab}_subseed_show",
)

TXT2IMG_SECTIONS: tuple[Item, ...] = (
    SAMPLING,
    Line("{tab}_accordions", (HIRES_FIX, REFINER), classes=("accordions",)),
    SIZE_AND_BATCH,
    "cfg_scale",
    SEED,
    SEED_EXTRAS,
)

INPAINT_CONTROLS = Stack(
    "inpaint_controls",
    (
        Line(None, ("mask_blur", Part("mask_alpha"))),
        "inpainting_mask_invert",
        "inpainting_fill",
        Line(None, ("inpaint_full_res", "inpaint_full_res_padding")),
        Part("soft_inpainting"),
    ),
    classes=("inpaint-controls",),
)
RESIZE_AND_BATCH = Line(
    "{tab}_size_and_batch",
    (Part("resize"), Stack("{tab}_column_batch", ("n_iter", "batch_size"), scale=2)),
)
IMG2IMG_SECTIONS: tuple[Item, ...] = (
    Part("modes"),
    Part("depth_map"),
    Part("further"),
    "resize_mode",
    INPAINT_CONTROLS,
    SAMPLING,
    Line("{tab}_accordions", (REFINER,), classes=("accordions",)),
    RESIZE_AND_BATCH,
    Line(None, ("cfg_scale", Part("image_cfg_scale"))),
    "denoising_strength",
    SEED,
    SEED_EXTRAS,
)

SECTIONS = {"txt2img": TXT2IMG_SECTIONS, "img2img": IMG2IMG_SECTIONS}
