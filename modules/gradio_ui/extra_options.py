"""Settings that the user wants on a generation tab (A1111's "Settings in UI"): their values hold for what this tab asks for, and change no setting."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import gradio as gr

from modules.application.app import App
from modules.application.settings_rules import PLACES, is_frozen
from modules.gradio_ui.components import form_column, form_row, tool_button
from modules.gradio_ui.events import QUICK
from modules.gradio_ui.form_builder import FormBuilder
from modules.gradio_ui.param_component import build_component, choices_of
from modules.gradio_ui.quicksettings import QuickSetting, look_again, offered_by_program, shown_value
from modules.schema.setting import Setting
from modules.schema.widgets import Hidden


def build_extra_options(app: App, builder: FormBuilder) -> tuple[QuickSetting, ...]:
    """The fields, inside the current block. Keys that nothing knows, and those that no request may change, are passed over."""
    tab = builder.table.tab
    known = [app.settings.table.by_key[key] for key in app.settings.get(f"extra_options_{tab}") if key in app.settings.table]
    wanted = [each for each in known if not isinstance(each.widget, Hidden) and each.key not in PLACES and not is_frozen(app.flags, each)]
    if not wanted:
        return ()
    columns = max(1, int(app.settings.get("extra_options_cols")))
    if app.settings.get("extra_options_accordion"):
        with gr.Accordion("Options", open=False, elem_id=f"extra_options_{tab}", elem_classes=["gradio-accordion"]):
            return _rows(app, builder, wanted, columns)
    with form_column(f"extra_options_{tab}"):
        return _rows(app, builder, wanted, columns)


def _rows(app: App, builder: FormBuilder, wanted: list[Setting], columns: int) -> tuple[QuickSetting, ...]:
    made: list[QuickSetting] = []
    for first in range(0, len(wanted), columns):
        with form_row(None):
            made += [_field(app, builder, setting) for setting in wanted[first : first + columns]]
    return tuple(made)


def _field(app: App, builder: FormBuilder, setting: Setting) -> QuickSetting:
    elem_id = f"extra_options_{builder.table.tab}_{setting.key}"
    by_program = offered_by_program(setting)
    with form_row() if by_program else nullcontext():
        component = build_component(setting.widget, builder.choices, label=setting.label, value=shown_value(app, setting), elem_id=elem_id)
        refresh = tool_button("🔄", f"refresh_{elem_id}") if by_program else None
    builder.own(elem_id, component, infotext=setting.infotext, setting=setting.key)
    if refresh is not None:
        refresh.click(lambda: _offered_now(app, builder, setting), outputs=[component], **QUICK)
    return QuickSetting(setting=setting, component=component, refresh=refresh)


def _offered_now(app: App, builder: FormBuilder, setting: Setting) -> Any:
    """What was chosen on the tab stays."""
    look_again(app, setting.key)
    return gr.update(choices=choices_of(setting.widget, builder.choices))
