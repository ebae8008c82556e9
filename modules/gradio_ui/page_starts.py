"""What ui-config.json says of a page's controls, those of scripts and extensions too, reaches them once the page is built."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import gradio as gr
from gradio.blocks import Blocks
from gradio.components import Component

from modules.a1111.script_controls import OWN_START
from modules.gradio_ui.gradio3_words import UNSHOWN
from modules.gradio_ui.page_keys import Keyed, keyed_controls
from modules.gradio_ui.ui_config import UiConfig
from modules.schema.errors import shortened

log = logging.getLogger(__name__)
_BOUNDS = ("minimum", "maximum")


def start_as_configured(page: Blocks, config: UiConfig) -> None:
    """Set what the file says on the controls of ``page``; what does not fit is passed over, with a line in the log.

    What programs are told of a script's controls, and what its arguments are where none are sent, stays: the file is about the page.
    """
    taken: set[str] = set()
    refused: dict[str, Any] = {}
    for each in list(keyed_controls(page)):
        wanted = {name: config.values.get(f"{each.path}/{name}") for name in each.names}
        wanted = {name: value for name, value in wanted.items() if value is not None}
        fit = fitting(each.component, wanted) if wanted else {}
        taken.update(f"{each.path}/{name}" for name in fit)
        refused |= {f"{each.path}/{name}": value for name, value in wanted.items() if name not in fit}
        if "value" in fit and _is_number(wanted["value"]) and _is_number(fit["value"]) and abs(fit["value"] - wanted["value"]) >= 1:
            log.warning("%s: %s/value cannot be %s; the nearest, %s, is taken", config.path.name, each.path, wanted["value"], fit["value"])
        _set(each, {name: value for name, value in fit.items() if value != each.own(name)})
    for key in (key for key in refused if key not in taken):     # else another of that name took it
        log.warning("%s: %s cannot be %s, which is passed over", config.path.name, key, shortened(ascii(refused[key])))


def fitting(component: Component, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``wanted`` that the component can have, in the form in which it has them."""
    found = {name: _taken(component, name, value) for name, value in wanted.items()}
    found = {name: value for name, value in found.items() if value is not None}
    if not isinstance(component, gr.Slider):
        return found
    own = {name: getattr(component, name, None) for name in ("value", *_BOUNDS)}
    if "maximum" in found and found.get("value") == own["value"] and _in_order(**own):
        found["maximum"] = max(found["maximum"], own["value"])      # the page has made room for it
    without: tuple[tuple[str, ...], ...] = ((), ("value",), _BOUNDS)    # the value is what is wrong, or else the bounds
    tried = (_within({name: value for name, value in found.items() if name not in left}, own) for left in without)
    return next((each for each in tried if _in_order(**{**own, **_only(each, own)})), _only(found, ("step", "visible")))


def _within(found: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """With the nearest value where it lies beyond the bounds; A1111's sliders took more than they showed."""
    low, high = (found.get(name, own[name]) for name in _BOUNDS)
    if "value" not in found or not (_is_number(low) and _is_number(high) and low < high):
        return found
    return found | {"value": min(max(found["value"], low), high)}


def _only(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in names}


def _in_order(value: Any, minimum: Any, maximum: Any) -> bool:
    return _is_number(minimum) and _is_number(maximum) and minimum < maximum and (not _is_number(value) or minimum <= value <= maximum)


def _taken(component: Component, name: str, value: Any) -> Any:
    """``value`` for ``name``; None for what does not fit."""
    if name == "visible":
        return value if isinstance(value, bool) else None
    if name != "value":
        return value if _is_number(value) and (name != "step" or value > 0) else None
    match component:
        case gr.Checkbox():
            return value if isinstance(value, bool) else None
        case gr.Slider():
            return value if _is_number(value) else None
        case gr.Number():
            return _number(component, value)
        case gr.Textbox():
            return str(value) if isinstance(value, str) or _is_number(value) else None
        case gr.Dropdown(multiselect=True):
            chosen = [_choice(component, each) for each in value] if isinstance(value, list) else [None]
            return None if None in chosen else chosen
        case gr.Dropdown() | gr.Radio():
            return _choice(component, value)
    return None


def _number(field: gr.Number, value: Any) -> int | float | None:
    if not _is_number(value):
        return None
    value = min(max(value, _or(field.minimum, value)), _or(field.maximum, value))
    return value if field.precision is None else int(value) if field.precision == 0 else round(value, field.precision)


def _or(bound: float | None, value: float) -> float:
    return value if bound is None else bound


def _choice(component: gr.Dropdown | gr.Radio, wanted: Any) -> Any:
    """The value of a choice that is called so, or is this value itself."""
    own = next((value for _, value in component.choices if value == wanted and type(value) is type(wanted)), None)
    return own if own is not None else next((value for name, value in component.choices if name == wanted), None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e100     # not NaN either, which Python reads in JSON


def _set(control: Keyed, changed: Mapping[str, Any]) -> None:
    component: Any = control.component
    own = {name: getattr(component, name, None) for name in changed}
    if changed:
        setattr(component, OWN_START, own | getattr(component, OWN_START, {}))
    for name, value in changed.items():
        if name == "visible":
            _hide(component)
            continue
        setattr(component, name, value)
        component.constructor_args[name] = value     # from which Gradio makes it anew when an event updates it
    begin = getattr(component, "init_field", None)
    if "value" in changed and callable(begin):      # A1111's word, for what hangs on the value
        try:
            begin(changed["value"])
        except Exception:
            log.exception("%s: what hangs on its value could not be set", control.path)


def _hide(component: Any) -> None:
    """With the fold that it heads, where it is A1111's InputAccordion; in the page all the same, for scripts look for it."""
    component.visible = "hidden"
    fold = getattr(component, "accordion", None)
    if fold is not None:
        fold.visible = "hidden"
        fold.elem_classes = [*(fold.elem_classes or []), UNSHOWN]
