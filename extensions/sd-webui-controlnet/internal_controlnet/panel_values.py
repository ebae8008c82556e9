"""The order of ControlNet's script arguments: one place per unit, for API clients and other extensions; then the page's fields, unit by unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# the fields of a unit on the page, in the order of the arguments
PAGE_FIELDS = (
    "image", "mask", "effective_region_mask", "enabled", "low_vram", "pixel_perfect", "inpaint_crop_input_image", "module", "model", "weight", "guidance_start",
    "guidance_end", "processor_res", "threshold_a", "threshold_b", "control_mode", "resize_mode", "hr_option", "own_picture", "union_control_type",
)  # fmt: skip


def with_units(args: Sequence[Any]) -> list[Any]:
    """One entry per unit: what stands in its place, or else a dictionary of the page's fields."""
    count, rest = divmod(len(args), len(PAGE_FIELDS) + 1)
    if rest or not count or any(_is_object(each) for each in args[count:]):
        return list(args)
    found = []
    for number, given in enumerate(args[:count]):
        start = count + number * len(PAGE_FIELDS)
        found.append(given if given is not None else _of_page(dict(zip(PAGE_FIELDS, args[start : start + len(PAGE_FIELDS)]))))
    return found


def _is_object(value: Any) -> bool:
    return hasattr(value, "guidance_end") or (isinstance(value, dict) and "module" in value)


def _of_page(values: dict[str, Any]) -> dict[str, Any]:
    own = values.pop("own_picture", True)
    if not values.get("enabled"):
        return {}
    region = picture_of(values["effective_region_mask"])
    picture = picture_of(values["image"]) if own else None      # without its own picture it takes img2img's
    return {**values, "image": picture, "mask": None, "effective_region_mask": region["image"] if isinstance(region, dict) else region, "is_ui": True}


def picture_of(content: Any) -> Any:
    """What stands on a canvas of the page, as a unit's picture: {"image": ..., "mask": ...}, or None. Other values are given back."""
    if not isinstance(content, str) or not content.lstrip().startswith("{"):
        return content or None
    from modules.gradio_ui.canvas import read_canvas

    found = read_canvas(content, "ControlNet")
    if found.picture is None:
        return None
    mask = None if found.drawing is None else found.drawing.getchannel("A").point(lambda value: 255 if value > 127 else 0)
    return {"image": found.picture, "mask": None if mask is None else mask.convert("RGB")}
