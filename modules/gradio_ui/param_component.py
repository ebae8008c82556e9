"""A declared widget -> the Gradio component that shows it, under A1111's elem_id and classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from modules.schema.widgets import (
    Checkbox,
    CheckboxGroup,
    ColorPicker,
    Dropdown,
    ImageInput,
    Number,
    Radio,
    Slider,
    TextArea,
    Widget,
)

Choices = Callable[[str], Sequence[str]]  # the name of a source ("samplers") -> the texts to choose from


def build_component(widget: Widget, choices: Choices, *, label: str, value: Any, elem_id: str, **overrides: Any) -> Component:
    """The component for ``widget``, inside the current Gradio block.

    overrides: keywords of the component that beat what the widget says (from ui-config.json, or of the place).
    Raises TypeError for a widget that has no component (Hidden).
    """
    name, make, keywords = _recipe(widget, choices, value)
    classes = [f"gradio-{name}", *overrides.pop("elem_classes", ())]
    common = {"label": label, "elem_id": elem_id, "elem_classes": classes, "interactive": True}
    return make(**(common | keywords | overrides))


def choices_of(widget: Widget, choices: Choices) -> list[str]:
    """The texts that ``widget`` offers now; empty for widgets without choices."""
    if isinstance(widget, Dropdown):
        return [*widget.first, *(choices(widget.choices) if isinstance(widget.choices, str) else widget.choices)]
    if isinstance(widget, Radio | CheckboxGroup):
        return list(choices(widget.choices) if isinstance(widget.choices, str) else widget.choices)
    return []


def _recipe(widget: Widget, choices: Choices, value: Any) -> tuple[str, Callable[..., Component], dict[str, Any]]:
    match widget:
        case Slider():
            return "slider", gr.Slider, _slider(widget, value)
        case Number():
            return "number", gr.Number, {"value": value, "precision": widget.precision, "step": widget.step, "min_width": 0}
        case Dropdown():
            return "dropdown", gr.Dropdown, _dropdown(widget, choices, value)
        case Radio():
            texts = choices_of(widget, choices)
            return "radio", gr.Radio, {"choices": texts, "value": texts[int(value)] if widget.index and value not in texts else value}    # ui-config.json says the text
        case CheckboxGroup():
            return "checkboxgroup", gr.CheckboxGroup, {"choices": choices_of(widget, choices), "value": list(value or ())}
        case Checkbox():
            return "checkbox", gr.Checkbox, {"value": bool(value), "min_width": 0}
        case TextArea():
            text = {"value": value or "", "lines": widget.lines, "placeholder": widget.placeholder or None}
            return "textbox", gr.Textbox, text
        case ColorPicker():
            return "colorpicker", gr.ColorPicker, {"value": value}
        case ImageInput():
            return "image", gr.Image, {"type": "pil"}
        case _:
            raise TypeError(f"{type(widget).__name__} is not shown on the page")


def _slider(widget: Slider, value: Any) -> dict[str, Any]:
    whole = float(widget.step).is_integer() and float(widget.minimum).is_integer()
    bounds = {"minimum": widget.minimum, "maximum": widget.maximum, "step": widget.step}
    return {"value": int(value) if whole else value, "buttons": [], "min_width": 0} | bounds


def _dropdown(widget: Dropdown, choices: Choices, value: Any) -> dict[str, Any]:
    texts = choices_of(widget, choices)
    if widget.multiple:
        return {"choices": texts, "value": list(value or ()), "multiselect": True, "min_width": 0}
    known = value if value in texts else None
    return {"choices": texts, "value": known if known is not None or not value else (texts[0] if texts else None), "min_width": 0}
