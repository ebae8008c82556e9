"""The order of ControlNet's script arguments: one place per unit, for API clients and other extensions; then the page's fields, unit by unit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from internal_controlnet.pictures import opened
from modules.schema.errors import InvalidValue

BATCH, SEVERAL = "1", "2"                           # the unit's tabs, as the page's script tells them

# the fields of a unit on the page, in the order of the arguments
PAGE_FIELDS = (
    "image", "mask", "effective_region_mask", "enabled", "low_vram", "pixel_perfect", "inpaint_crop_input_image", "module", "model", "weight", "guidance_start",
    "guidance_end", "processor_res", "threshold_a", "threshold_b", "control_mode", "resize_mode", "hr_option", "own_picture", "union_control_type",
    "input_mode", "batch_images", "batch_files", "loopback", "several_files", "generated_image", "use_preview_as_input",
)  # fmt: skip


def with_units(args: Sequence[Any]) -> list[Any]:
    """One entry per unit: what stands in its place, or else a dictionary of the page's fields. Units of an API client beyond the last place count for nothing."""
    count = page_places(args)
    if not count:
        return list(args)
    found = []
    for number, given in enumerate(args[:count]):
        start = count + number * len(PAGE_FIELDS)
        found.append(given if given is not None else _of_page(dict(zip(PAGE_FIELDS, args[start : start + len(PAGE_FIELDS)]))))
    return found


def page_places(args: Sequence[Any]) -> int:
    """How many units have a place and fields among ``args``; 0 where another extension has put units into all of it."""
    count, rest = divmod(len(args), len(PAGE_FIELDS) + 1)
    more = args[count:]
    return 0 if rest or (any(map(_is_object, more)) and all(each is None or _is_object(each) for each in more)) else count


def _is_object(value: Any) -> bool:
    return hasattr(value, "guidance_end") or (isinstance(value, dict) and "module" in value)


def _of_page(values: dict[str, Any]) -> dict[str, Any]:
    values = dict(values)
    own, tab, batch, several = (values.pop(name, None) for name in ("own_picture", "input_mode", "batch_files", "several_files"))
    preview, is_preview = values.pop("generated_image", None), values.pop("use_preview_as_input", False)
    if not values.get("enabled"):
        return {}
    region = picture_of(values["effective_region_mask"])
    found = {**values, "mask": None, "effective_region_mask": region["image"] if isinstance(region, dict) else region, "is_ui": True}
    if own is False:                                # without its own picture it takes img2img's
        return {**found, "image": None, "loopback": False, "batch_images": None}
    if str(tab) == BATCH:
        return {**found, "image": None, "input_mode": "batch", "batch_images": str(values["batch_images"] or "").strip() or uploaded(batch)}
    found |= {"batch_images": None, "loopback": False}
    if str(tab) == SEVERAL:
        return {**found, "input_mode": "merge", "image": [{"image": opened(path)} for path in uploaded(several)] or None}
    if is_preview and preview:                      # what a preprocessor made, or a person drew, is taken as it is
        return {**found, "image": opened(made_here(preview)), "module": "none"}
    return {**found, "image": picture_of(values["image"])}


def made_here(given: Any) -> Path:
    """The file of a picture that this server put on the page. Raises InvalidValue for any other file."""
    from modules.gradio_ui.uploads import is_upload

    path = Path(str(given))
    if not is_upload(str(path)):
        raise InvalidValue("ControlNet: the preview is no picture of this page.", "Run the preprocessor once more.", field="image")
    return path


def uploaded(given: Any) -> list[Path]:
    """What a field for files holds. Raises InvalidValue for any other file of the server."""
    from modules.gradio_ui.uploads import is_upload

    paths = [Path(str(each)) for each in (given if isinstance(given, list) else [given] if given else [])]
    if not all(is_upload(str(path)) for path in paths):
        raise InvalidValue("ControlNet: one of the files was not uploaded from the page.", "Choose the files once more.", field="image")
    return paths


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
