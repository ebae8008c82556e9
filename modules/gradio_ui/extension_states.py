"""Backup and restore on the Extensions tab: which extensions there were at which commits, under A1111's ids."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from modules.application.app import App
from modules.extension_host.states import FOLDER, SavedState, restore, save_state, saved_states
from modules.files.storage import StorageError
from modules.gradio_ui.available_extensions import installed_now
from modules.gradio_ui.components import tool_button
from modules.gradio_ui.events import QUICK, SLOW
from modules.gradio_ui.messages import message_html
from modules.gradio_ui.program_version import program_facts, wish_for
from modules.gradio_ui.who_installs import install_refused
from modules.schema.errors import WebuiError

NOW = "Current"
KINDS = EXTENSIONS, WEBUI, _BOTH = "extensions", "webui", "both"


def build_states(app: App, *, applied: Callable[[list[str]], str]) -> None:
    """Inside the Extensions tab. applied: stores which extensions are switched off; its answer is HTML."""
    words: dict[str, Any] = {"interactive": True, "min_width": 0}
    gr.HTML("<h3>Backup and restore</h3>", elem_id="extensions_backup_title")
    with gr.Row(elem_id="extensions_backup_top_row", elem_classes=["gradio-row"]):
        saved = gr.Dropdown(
            [NOW, *_titles(app)], value=NOW, label="Saved Configs", elem_id="extension_backup_saved_configs", elem_classes=["gradio-dropdown"], scale=3, interactive=True, min_width=200)
        refresh = tool_button("🔄", "refresh_config_states")
        kind = gr.Radio(KINDS, value=KINDS[0], label="State to restore", elem_id="extension_backup_restore_type", elem_classes=["gradio-radio"], interactive=True, min_width=290, scale=0)
        back = gr.Button("Restore Selected Config", elem_id="extension_backup_restore", scale=0)
    with gr.Row(elem_id="extensions_backup_top_row2", elem_classes=["gradio-row"]):
        name = gr.Textbox(label="Config Name", placeholder="Config Name", elem_id="extension_backup_name", elem_classes=["gradio-textbox"], scale=3, **words)
        save = gr.Button("Save Current Config", elem_id="extension_backup_save", scale=0)
    told = gr.HTML("", elem_id="extension_backup_result")
    shown = gr.HTML("", elem_id="extension_backup_table")
    refresh.click(lambda: gr.update(choices=[NOW, *_titles(app)]), outputs=[saved], **QUICK)
    saved.change(lambda title: _table(_found(app, title)), inputs=[saved], outputs=[shown], **QUICK)
    save.click(lambda text: _save(app, text), inputs=[name], outputs=[told, saved], **QUICK)
    back.click(lambda title, wanted: _restore(app, title, wanted, applied), inputs=[saved, kind], outputs=[told], **SLOW)


def _titles(app: App) -> list[str]:
    return [each.title for each in saved_states(app.paths.data_dir / FOLDER)]


def _found(app: App, title: str) -> SavedState | None:
    return next((each for each in saved_states(app.paths.data_dir / FOLDER) if each.title == title), None)


def _save(app: App, name: str) -> tuple[str, Any]:
    try:
        path = keep_state(app, name or "")
    except (WebuiError, StorageError) as error:
        return message_html(str(error), "error"), gr.skip()
    titles = _titles(app)
    return message_html(f"Saved as {path.name}."), gr.update(choices=[NOW, *titles], value=titles[0] if titles else NOW)


def keep_state(app: App, name: str) -> Path:
    """What is now, as a saved config. Raises InvalidValue, StorageError."""
    off = app.settings.get("disabled_extensions") or ()
    return save_state(app.paths.data_dir / FOLDER, name, installed_now(app), disabled=off, program=program_facts(app))


def _restore(app: App, title: str, wanted: str, applied: Callable[[list[str]], str]) -> str:
    refused = install_refused(app.flags)
    state = _found(app, title)
    if refused or state is None:
        return message_html(refused or "Choose a saved config first.", "error")
    answer = ""
    if wanted != WEBUI:
        off, told = restore(state, installed_now(app))
        answer = applied(off) + "".join(message_html(each) for each in told)
    return answer if wanted == EXTENSIONS else answer + _program_restored(app, state)


def _program_restored(app: App, state: SavedState) -> str:
    if not state.commit:
        return message_html("That config does not say which version of the program there was: choose another one, or restore the extensions alone.", "error")
    try:
        return message_html(wish_for(app, state.commit))
    except StorageError as error:
        return message_html(f"The program stays as it is: {error}", "error")


def _table(state: SavedState | None) -> str:
    if state is None:
        return ""
    program = f"<tr><td>The program itself</td><td></td><td>{escape(state.commit[:8])}</td><td></td></tr>" if state.commit else ""
    rows = program + "".join(
        f"<tr><td>{escape(name)}</td><td>{'on' if facts.get('enabled', True) else 'off'}</td><td>{escape(str(facts.get('branch') or ''))} "
        f"{escape(str(facts.get('commit_hash') or '')[:8])}</td><td>{_date(facts.get('commit_date'))}</td></tr>"
        for name, facts in sorted(state.extensions.items(), key=lambda each: each[0].casefold())
    )
    return f'<table class="extensions-table"><thead><tr><th>Extension</th><th></th><th>Version</th><th>Date</th></tr></thead><tbody>{rows}</tbody></table>'


def _date(seconds: Any) -> str:
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d}" if isinstance(seconds, int | float) and seconds > 0 else ""
