"""Styles on the page: the dropdown's names, and the button that writes them into the prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from modules.application.app import App
from modules.application.paths import styles_files
from modules.engine.styles import Style, apply_styles, read_styles
from modules.gradio_ui.events import QUICK, fill_on_click
from modules.gradio_ui.form import Form

if TYPE_CHECKING:
    from modules.gradio_ui.toprow import Toprow


def known_styles(app: App) -> dict[str, Style]:
    """Styles by name, as the files say now."""
    return read_styles(styles_files(app.paths))


def wire_styles(app: App, form: Form, toprow: Toprow) -> None:
    """Connect the buttons of one tab's styles."""
    fields = [form.component(name) for name in ("prompt", "negative_prompt", "styles")]

    def write_into_prompts(prompt: str, negative_prompt: str, names: Sequence[str]) -> tuple[str, str, list[str]]:
        prompt, negative_prompt, _unknown = apply_styles(prompt, negative_prompt, names or (), known_styles(app))
        return prompt, negative_prompt, []

    def refresh(chosen: Sequence[str]) -> Any:
        names = list(known_styles(app))
        return gr.update(choices=names, value=[each for each in chosen or () if each in names])

    fill_on_click(toprow.style_apply, form.table.tab, write_into_prompts, inputs=fields, outputs=fields)
    toprow.styles_refresh.click(refresh, inputs=[fields[2]], outputs=[fields[2]], **QUICK)
