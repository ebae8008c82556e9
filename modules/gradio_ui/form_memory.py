"""A reloaded tab gets its fields back: the browser remembers the values, the server checks and sets them."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
from gradio.components import Component

from modules.gradio_ui.components import bridge_button, bridge_text
from modules.gradio_ui.events import QUICK
from modules.gradio_ui.form import Form


def wire_form_memory(tab: str, form: Form, overrides: gr.Dropdown | None) -> None:
    """Inside the current block: the bridge over which static/form_memory.js sends what it remembers.

    The script sets what the server answers, but for the fields that were touched meanwhile.
    """
    remembered, button = bridge_text(f"{tab}_form_memory"), bridge_button(f"{tab}_restore_form")
    components: list[Component] = [*([overrides] if overrides is not None else []), *form.components]

    def restore(text: str) -> str:
        updates = restored(components, text, overrides)
        return json.dumps([[component.elem_id, update] if "value" in update else None for component, update in zip(components, updates, strict=True)])

    answer = bridge_text(f"restored_{tab}_form")        # not named as the tab's own fields are, which are remembered
    answered = button.click(restore, inputs=[remembered], outputs=[answer], js=f"() => [webui.takeFormChanges('{tab}')]", **QUICK)
    answered.then(None, inputs=[answer], outputs=components, js=f"(answer) => webui.untouched({tab!r}, answer)", **QUICK)


def restored(components: list[Component], text: str, chips: Component | None) -> list[Any]:
    """One update for each component: its remembered value, or none where nothing, or nothing fitting, is remembered.

    text: JSON by elem_id. chips: the component that takes any choice and is hidden while it is empty.
    """
    try:
        values = json.loads(text or "{}")
    except ValueError:
        values = {}
    updates: list[Any] = []
    for component in components:
        value = values.get(component.elem_id) if isinstance(values, dict) else None
        if component is chips and isinstance(value, list):
            updates.append(gr.update(choices=[(each, each) for each in value], value=value, visible=True if value else "hidden"))
        else:
            updates.append(gr.update(value=value) if fits(component, value) else gr.skip())
    return updates


def fits(component: Component, value: Any) -> bool:
    """Whether ``component`` may hold ``value``: its kind of value, one of its choices."""
    match component:
        case gr.Checkbox():
            return isinstance(value, bool)
        case gr.Slider() | gr.Number():
            return isinstance(value, int | float) and not isinstance(value, bool)
        case gr.Dropdown(multiselect=True):
            return isinstance(value, list) and all(each in _choices(component) for each in value)
        case gr.CheckboxGroup():
            return isinstance(value, list) and all(each in _choices(component) for each in value)
        case gr.Dropdown() | gr.Radio():
            return value in _choices(component)
        case gr.Textbox():
            return isinstance(value, str)
        case _:
            return False


def _choices(component: gr.Dropdown | gr.Radio | gr.CheckboxGroup) -> list[Any]:
    return [value for _, value in component.choices]
