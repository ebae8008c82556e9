"""The Settings tab: search, apply, reload; the form itself is ``settings_form``."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial

import gradio as gr

from modules.application.app import App
from modules.application.settings_rules import is_frozen
from modules.gradio_ui.components import bridge_button, bridge_text
from modules.gradio_ui.events import QUICK
from modules.gradio_ui.param_component import Choices, choices_of
from modules.gradio_ui.quicksettings import look_again
from modules.gradio_ui.setting_changes import store_settings
from modules.gradio_ui.settings_extra_pages import policy_html
from modules.gradio_ui.settings_form import settings_form_html


def build_settings_tab(app: App, choices: Choices, *, reload: Callable[[], Awaitable[str]]) -> str:
    """The tab's content, inside the current block, with its events. Returns the form, HTML for the place "settings_form".

    reload: builds the page anew; its words are an error.
    """
    with gr.Row(elem_id="settings_head", elem_classes=["gradio-row"]):
        submit = gr.Button("Apply settings", elem_id="settings_submit", variant="primary", scale=0)
        restart = gr.Button("Reload UI", elem_id="settings_restart_gradio", scale=0)
        gr.Textbox(
            elem_id="settings_search",
            placeholder="Search in all settings",
            label="Search in all settings",
            show_label=False,
            container=False,
            interactive=True,
            scale=2,
        )
        gr.Checkbox(
            False, label="Changed only", elem_id="settings_changed_only", elem_classes=["toggle"], interactive=True, min_width=0, scale=0
        )
        gr.Button("Show all pages", elem_id="settings_show_all_pages", scale=0)
        gr.Button("Show one page", elem_id="settings_show_one_page", visible="hidden", scale=0)
    gr.HTML("", elem_id="settings_result")
    gr.HTML("", elem_id="settings_form")
    changes, answer = bridge_text("settings_changes"), bridge_text("settings_answer")
    stored = submit.click(partial(_store, app), inputs=[changes], outputs=[answer], js="() => [webui.changedSettingsText()]", **QUICK)
    stored.then(None, inputs=[answer], js="(answer) => { webui.settingsStored(answer, true); }", **QUICK)
    reloaded = restart.click(reload, outputs=[answer], js="() => { webui.reloadBegins(); }", **QUICK)
    reloaded.then(None, inputs=[answer], js="(words) => { webui.reloadEnds(words); }", **QUICK)
    _wire_choices(app, choices)
    return settings_form_html(app.settings.table, choices, partial(is_frozen, app.flags), elsewhere=app.settings.get("quicksettings_list"), policy=policy_html(app.policy))


def _wire_choices(app: App, choices: Choices) -> None:
    """What dropdowns of the form offer, asked anew: the page tells the key, the answer is {"key", "choices"} as JSON."""
    key, answer, button = bridge_text("settings_refresh_key"), bridge_text("settings_refresh_answer"), bridge_button("settings_refresh_run")

    def again(name: str) -> str:
        if name not in app.settings.table:
            return "{}"
        look_again(app, name)
        return json.dumps({"key": name, "choices": choices_of(app.settings.table.find(name).widget, choices)})

    told = button.click(again, inputs=[key], outputs=[answer], js="() => [webui.choicesWanted]", **QUICK)
    told.then(None, inputs=[answer], js="(answer) => { webui.choicesArrived(answer); }", **QUICK)


def _store(app: App, changes: str) -> str:
    return store_settings(app, json.loads(changes or "{}"))
