"""What a script's control says of itself; it is a Gradio component, but nothing here needs Gradio."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

OWN_START = "own_start"     # attribute of a control whose start on the page is the user's: what it had before, by name


def signed(controls: Iterable[Any], file: str) -> None:
    """They say whose they are: their keys of ui-config.json begin with the name of the script's file."""
    for each in controls:
        each.custom_script_source = os.path.basename(file)


def default_value(control: Any) -> Any:
    """What a script is handed where nothing was sent: the control's value, or its position for controls of the type "index"."""
    value = _first_value(control)
    if getattr(control, "type", None) == "index":
        names = choice_names(control) or []
        return names.index(str(value)) if str(value) in names else None
    return value


def _first_value(control: Any) -> Any:
    """Made anew where a function makes it: gr.State(lambda: {...})."""
    value = own_start(control, "value")
    return value() if callable(value) else value


def own_start(control: Any, name: str) -> Any:
    """What its script made the control with: programs are told that, whatever the user's page opens with."""
    kept = getattr(control, OWN_START, {})
    return kept[name] if name in kept else getattr(control, name, None)


def choice_names(control: Any) -> list[str] | None:
    """The texts that a control offers; None for one without choices."""
    choices = getattr(control, "choices", None)
    if choices is None:
        return None
    return [str(each[0]) if isinstance(each, list | tuple) else str(each) for each in choices]


def described(control: Any) -> dict[str, Any]:
    """A control as /sdapi/v1/script-info tells it."""
    return {
        "label": getattr(control, "label", None) or "",
        "value": _as_json(_first_value(control)),
        "minimum": own_start(control, "minimum"),
        "maximum": own_start(control, "maximum"),
        "step": own_start(control, "step"),
        "choices": choice_names(control),
    }


def _as_json(value: Any) -> Any:
    """So that a program may send it back as the argument."""
    if isinstance(value, dict):
        return {str(key): _as_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def title_of(script: Any) -> str:
    """How the page and programs call it: by its file where it says nothing, or what means "no script" in the list."""
    file = os.path.basename(getattr(script, "filename", None) or type(script).__name__)
    try:
        title = script.title()
    except Exception:
        return file
    return file if title in (None, "", "None") else str(title)


def checked(controls: Sequence[Any]) -> list[Any]:
    """What a script's ``ui`` gave, if all of it can be an argument: components of the page. Raises TypeError."""
    for place, each in enumerate(controls):
        if isinstance(each, type) or not (hasattr(each, "value") or hasattr(each, "preprocess")):
            raise TypeError(f"ui() gave {str(each)[:80]!r} ({type(each).__name__}) as argument {place + 1}, which is no component of Gradio")
    return list(controls)


def infotext_fields_of(script: Any) -> list[Any]:
    """Its fields that pictures tell, without what is no pair of a component and a name or function."""
    return [each for each in script.infotext_fields or () if hasattr(each, "component") or (isinstance(each, list | tuple) and len(each) > 1 and callable(getattr(each[0], "preprocess", None)))]
