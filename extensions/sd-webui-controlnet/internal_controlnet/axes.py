"""The axes of X/Y/Z plot for units, under the original's names. "[0.5, 1]" as a value has one for each unit; a blank leaves that unit as it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from internal_controlnet import models
from internal_controlnet.enums import ControlMode, ResizeMode, control_mode_from_value, resize_mode_from_value
from internal_controlnet.preprocessors import find_preprocessor, of_type
from modules.builtin_scripts.xyz.axes import AxisOption, axis_options, boolean_choice
from modules.builtin_scripts.xyz.values import split_values, typed_values
from modules.schema.errors import WebuiError

ASKED = "control_axes"                              # on ``p``: the units' values there count, whatever the settings allow others
_BEGINNING = "[ControlNet] "
_VALUE = re.compile(r"""\s*(\[[^\]]*\](?=\s*(?:,|$))|"[^"]*"|[^,]*)\s*(?:,|$)""")
Read = Callable[[str], Any]


def add_axes() -> None:
    """To the plot's list; those of an earlier load go."""
    axis_options[:] = [each for each in axis_options if not each.label.startswith(_BEGINNING)]
    axis_options.extend([
        _axis("Enabled", "enabled", _bool, choices=boolean_choice(reverse=True)),
        _axis("Model", "model", _model, choices=models.model_titles, cost=0.9),
        _axis("Weight", "weight", float),
        _axis("Guidance Start", "guidance_start", float),
        _axis("Guidance End", "guidance_end", float),
        _axis("Control Mode", "control_mode", lambda text: control_mode_from_value(text).value, choices=lambda: [each.value for each in ControlMode]),
        _axis("Resize Mode", "resize_mode", lambda text: resize_mode_from_value(text).value, choices=lambda: [each.value for each in ResizeMode]),
        _axis("Preprocessor", "module", _module, choices=lambda: [each.key for each in of_type("All")]),
        _axis("Pre Resolution", "pres", int),
        _axis("Pre Threshold A", "pthr_a", float),
        _axis("Pre Threshold B", "pthr_b", float),
    ])  # fmt: skip


def _axis(name: str, attribute: str, read: Read, **more: Any) -> AxisOption:
    """attribute: of ``p``, behind "control_net_"."""
    label = _BEGINNING + name

    def apply(p: Any, value: Any, _values: Any) -> None:
        setattr(p, f"control_net_{attribute}", value)
        setattr(p, ASKED, True)

    return AxisOption(label, lambda text: _value(text, read), apply, prepare=lambda text: _texts(label, text, read), **more)


def _texts(label: str, text: str, read: Read) -> list[Any]:
    """The values as texts; ranges of numbers are spread out."""
    found: list[Any] = []
    for each in _VALUE.findall(text or ""):
        each = each.strip().strip('"')
        if each and not _is_list(each) and read in (int, float):
            found += typed_values(label, read, [each])
        elif each:
            found.append(each)
    return found


def _is_list(text: str) -> bool:
    return text.startswith("[") and text.endswith("]")


def _value(text: Any, read: Read) -> Any:
    if not _is_list(str(text).strip()):
        return read(text)
    return [None if each in ("", "None") else read(each) for each in split_values(str(text).strip()[1:-1], blanks=True)]


def _bool(text: str) -> bool:
    if str(text).strip().lower() not in ("true", "1", "false", "0"):
        raise ValueError("True or False")
    return str(text).strip().lower() in ("true", "1")


def _model(text: str) -> str:
    try:
        if text != models.NONE:
            models.model_file(text)
    except WebuiError as error:
        raise ValueError(str(error)) from error
    return text


def _module(text: str) -> str:
    if find_preprocessor(text) is None:
        raise ValueError("the name of a preprocessor")
    return text
