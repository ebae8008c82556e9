"""What other extensions import of ControlNet: units in and out of a job's script arguments, and the lists of models and modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from internal_controlnet import models, panel_values
from internal_controlnet.args import ControlNetUnit
from internal_controlnet.enums import BatchOption, ControlMode, HiResFixOption, InputMode, PuLIDMode, ResizeMode, resize_mode_from_value
from internal_controlnet.hints import mask_shown as visualize_inpaint_mask
from internal_controlnet.hints import pixel_perfect_resolution
from internal_controlnet.pictures import as_array
from internal_controlnet.preprocessors import all_preprocessors
from internal_controlnet.settings import setting
from modules.schema.errors import WebuiError

__all__ = [
    "BatchOption", "ControlMode", "ControlNetUnit", "HiResFixOption", "InputMode", "PuLIDMode", "ResizeMode", "find_cn_script", "get_all_units",
    "get_all_units_from", "get_all_units_in_processing", "get_api_version", "get_max_models_num", "get_models", "get_modules", "get_modules_detail",
    "get_single_unit_from", "is_cn_script", "pixel_perfect_resolution", "resize_mode_from_value", "to_base64_nparray", "to_processing_unit",
    "update_cn_script", "update_cn_script_in_place", "update_cn_script_in_processing", "visualize_inpaint_mask",
]  # fmt: skip


def get_api_version() -> int:
    return 3


def to_base64_nparray(encoding: str) -> np.ndarray:
    """A picture in base64 as an array."""
    return as_array(encoding, "image")


def get_models(update: bool = False) -> list[str]:
    """Titles of the control models; the folders are looked at each time."""
    return models.model_titles()


def get_modules(alias_names: bool = False) -> list[str]:
    """The preprocessors' keys, or their labels."""
    return [each.label if alias_names else each.key for each in all_preprocessors()]


def get_modules_detail(alias_names: bool = False) -> dict[str, Any]:
    return {each.label if alias_names else each.key: each.described() for each in all_preprocessors()}


def get_max_models_num() -> int:
    return int(setting("control_net_unit_count"))


def find_cn_script(script_runner: Any) -> Any:
    """ControlNet's script in a runner, or None."""
    return next((script for script in getattr(script_runner, "alwayson_scripts", ()) if is_cn_script(script)), None)


def is_cn_script(script: Any) -> bool:
    return script.title().lower() == "controlnet"


def get_all_units_in_processing(p: Any) -> list[ControlNetUnit]:
    return get_all_units(p.scripts, p.script_args)


def get_all_units(script_runner: Any, script_args: Sequence[Any]) -> list[ControlNetUnit]:
    """The units in a job's whole argument list."""
    script = find_cn_script(script_runner)
    return get_all_units_from(script_args[script.args_from : script.args_to]) if script is not None else []


def get_all_units_from(script_args: Sequence[Any]) -> list[ControlNetUnit]:
    """The units in ControlNet's own arguments: units, dictionaries, objects with a unit's fields, and what stands in the page's fields."""
    return [to_processing_unit(each) for each in panel_values.with_units(script_args) if is_unit(each)]


def get_single_unit_from(script_args: Sequence[Any], index: int = 0) -> ControlNetUnit | None:
    units = list(panel_values.with_units(script_args))
    return to_processing_unit(units[index]) if 0 <= index < len(units) and is_unit(units[index]) else None


def settle(script: Any, p: Any) -> None:
    """What stands in the page's fields becomes units among ``p.script_args``, where other scripts look for them.

    Fields that cannot be meant stay as they are, for the job to say so.
    """
    args = list(p.script_args or ())
    mine = args[script.args_from : script.args_to]
    given = mine[: panel_values.page_places(mine)]
    if all(each is not None for each in given):
        return
    try:
        units = [old if old is not None else to_processing_unit(new) for old, new in zip(given, panel_values.with_units(mine))]
    except WebuiError:
        return
    args[script.args_from : script.args_from + len(units)] = units
    p.script_args = args


def is_unit(value: Any) -> bool:
    return isinstance(value, dict | ControlNetUnit) or all(hasattr(value, name) for name in ("enabled", "module", "model", "weight"))


def to_processing_unit(unit: Any) -> ControlNetUnit:
    """Raises what ControlNetUnit raises."""
    if isinstance(unit, ControlNetUnit):
        return unit
    return ControlNetUnit.from_dict(unit if isinstance(unit, dict) else vars(unit))


def update_cn_script_in_processing(p: Any, cn_units: Sequence[Any], **_more: Any) -> None:
    """Let ``p`` run with these units in place of those it has."""
    p.script_args = update_cn_script(p.scripts, p.script_args_value, cn_units)


def update_cn_script(script_runner: Any, script_args: Sequence[Any], cn_units: Sequence[Any]) -> Sequence[Any]:
    """``script_args`` with these units in ControlNet's place; the places of later scripts move where there is no room for them."""
    found = list(script_args)
    update_cn_script_in_place(script_runner, found, cn_units)
    return type(script_args)(found) if isinstance(script_args, tuple | list) else found


def update_cn_script_in_place(script_runner: Any, script_args: list[Any], cn_units: Sequence[Any], **_more: Any) -> None:
    script = find_cn_script(script_runner)
    if script is None or len(script_args) < script.args_from:
        return
    units: list[Any] = [*cn_units, *(ControlNetUnit() for _ in range(get_max_models_num() - len(cn_units)))]
    first, room = script.args_from, script.args_to - script.args_from
    units += [None] * (room - len(units))           # the page's fields: the places of other scripts stay what they are for later jobs
    script_args[first : script.args_to] = units
    script.args_to = first + len(units)
    for other in (*script_runner.alwayson_scripts, *script_runner.selectable_scripts):
        if other is not script and other.args_from is not None and other.args_from > first:
            other.args_from += len(units) - room
            other.args_to += len(units) - room
