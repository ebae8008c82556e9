"""Larger pieces of A1111's page that extensions put into their own tabs: an output panel, refresh buttons, words as HTML."""

from __future__ import annotations

import csv
import io
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from modules.a1111.app_slot import current
from modules.application.version import VERSION
from modules.gradio_ui.foreign_components import ToolButton

folder_symbol = "\U0001f4c2"
refresh_symbol = "\U0001f504"


def create_refresh_button(
    refresh_component: Any, refresh_method: Callable[[], Any], refreshed_args: Callable[[], dict[str, Any]] | dict[str, Any], elem_id: str
) -> ToolButton:
    """A button that calls ``refresh_method`` and then shows ``refreshed_args`` in the component, or components."""
    targets = refresh_component if isinstance(refresh_component, list) else [refresh_component]

    def refresh() -> Any:
        refresh_method()
        arguments = refreshed_args() if callable(refreshed_args) else refreshed_args
        for each in targets:
            for name, value in arguments.items():
                setattr(each, name, value)
        return [gr.update(**arguments) for _ in targets] if len(targets) > 1 else gr.update(**arguments)

    button = ToolButton(value=refresh_symbol, elem_id=elem_id)
    button.click(fn=refresh, inputs=[], outputs=targets, show_progress="hidden")
    return button


def setup_dialog(button_show: Any, dialog: Any, *, button_close: Any = None) -> None:
    """``dialog`` shows at a click on one button and goes at a click on the other."""
    dialog.visible = "hidden"
    button_show.click(fn=lambda: gr.update(visible=True), inputs=[], outputs=[dialog])
    if button_close is not None:
        button_close.click(fn=lambda: gr.update(visible="hidden"), inputs=[], outputs=[dialog])


def gr_show(visible: bool = True) -> dict[str, Any]:
    return {"visible": visible or "hidden", "__type__": "update"}


def versions_html() -> str:
    import torch

    return f"version: {VERSION}&#x2000;•&#x2000;python: {platform.python_version()}&#x2000;•&#x2000;torch: {torch.__version__}&#x2000;•&#x2000;gradio: {gr.__version__}"


def update_logfile(logfile_path: str, fields: list[str]) -> None:
    """Bring an older log.csv to the present columns; others stay as they are."""
    from modules.files.atomic import write_text

    with open(logfile_path, encoding="utf8", newline="") as file:
        rows = list(csv.reader(file))
    if not rows or len(rows[0]) >= len(fields):
        return
    text = io.StringIO()
    csv.writer(text).writerows([fields, *rows[1:]])
    write_text(Path(logfile_path), text.getvalue())


def create_setting_component(key: str, is_quicksettings: bool = False) -> Any:
    """A component for one setting, inside the current block, that stores what is chosen."""
    from modules.gradio_ui.choices import ChoiceSources
    from modules.gradio_ui.param_component import build_component
    from modules.gradio_ui.setting_changes import store_settings

    app = current()
    setting = app.settings.table.find(key)
    component = build_component(setting.widget, ChoiceSources.of(app), label=setting.label, value=app.settings.get(key), elem_id=setting.elem_id)
    component.input(lambda value: store_settings(app, {key: value}) and None, inputs=[component], outputs=[])  # type: ignore[attr-defined, func-returns-value]
    return component


def get_value_for_setting(key: str) -> Any:
    return gr.update(value=current().settings.get(key))


def webpath(fn: str) -> str:
    """The URL of one of our or an extension's files."""
    path = os.path.relpath(fn, current().paths.script_dir) if str(fn).startswith(str(current().paths.script_dir)) else os.path.abspath(fn)
    return f"file={path}?{os.path.getmtime(fn)}"


def javascript_html() -> str:
    """The page's head is made by the page itself."""
    return ""


css_html = javascript_html
