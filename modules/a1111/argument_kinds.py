"""A program's arguments for our own scripts, by the controls that they stand for: a value of the wrong kind is refused before its job waits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from modules.a1111.script_controls import choice_names, default_value
from modules.schema.errors import InvalidValue, shortened

MOST = 2**31    # what pictures' sizes and numbers of them never reach; beyond it Pillow's C numbers end


def fitting(control: Any, value: Any) -> Any:
    """``value`` as the control would have handed it to its script: "8" is 8, null what stood there. Raises InvalidValue."""
    if value is None:
        return default_value(control)
    kinds = {each.__name__ for each in type(control).__mro__}
    for kind, (words, take) in KINDS.items():
        if kind in kinds:
            found = take(control, value)
            if found is None:
                label = getattr(control, "label", None) or kind
                raise InvalidValue(f"{label} cannot be {shortened(ascii(value))}.", f"It is {words}.", field="script_args")
            return found
    return value


def _number(control: Any, value: Any) -> int | float | None:
    if not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(found) or abs(found) >= MOST:
        return None
    return value if not isinstance(value, str) else int(found) if found.is_integer() else found


def _text(control: Any, value: Any) -> str | None:
    return str(value) if isinstance(value, str) or _number(control, value) is not None else None


def _choice(control: Any, value: Any) -> Any:
    if getattr(control, "multiselect", False):
        return _choices(control, value)
    if getattr(control, "type", None) == "index" and value in (names := choice_names(control) or []):
        return names.index(value)
    return value if isinstance(value, str) else _number(control, value)


def _choices(control: Any, value: Any) -> Any:
    listed = value if isinstance(value, list | tuple) else [value]
    return value if all(isinstance(each, str) or _number(control, each) is not None for each in listed) else None


def _names(control: Any, value: Any) -> Any:
    return value if isinstance(value, str) or (isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)) else None


KINDS: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "Slider": ("a number", _number),
    "Number": ("a number", _number),
    "Textbox": ("a text", _text),
    "CheckboxGroup": ("a list of its choices", _names),
    "Radio": ("one of its choices", _choice),
    "Dropdown": ("one of its choices, or a list of them where several may be chosen", _choice),
}
