"""The Extensions tab: what is installed, switched on or off, what each did at the start; and installing from an address."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gradio as gr

from modules.application.app import App
from modules.extension_host.assets import scripts
from modules.extension_host.discover import LOOSE_PAGE, Extension
from modules.extension_host.host import ExtensionHost
from modules.extension_host.install import install_from_path, install_from_repository, install_from_url, local_path
from modules.files.git_facts import git_facts
from modules.files.git_updates import GitError, Standing, standing, update
from modules.files.storage import StorageError
from modules.gradio_ui.available_extensions import build_available, installed_now
from modules.gradio_ui.components import bridge_text
from modules.gradio_ui.events import QUICK, SLOW
from modules.gradio_ui.extension_states import build_states, keep_state
from modules.gradio_ui.messages import message_html
from modules.gradio_ui.program_version import PROGRAM, program_row, wish_for
from modules.gradio_ui.setting_changes import store_settings
from modules.gradio_ui.who_installs import install_refused, restart_refused
from modules.launching.new_version import NEWEST
from modules.launching.restart import ask_for_restart, can_restart, is_safe_start
from modules.schema.errors import WebuiError


def build_extensions_tab(app: App) -> None:
    """The tab's content, inside the current block, with its events. The table is asked for when the tab is shown (extensions.js)."""
    with gr.Row(elem_id="extensions_installed_top", elem_classes=["gradio-row"]):
        apply = gr.Button("Apply", elem_id="extensions_apply", scale=0)
        restart = gr.Button("Apply and restart UI", elem_id="extensions_apply_restart", variant="primary", scale=0)
        safe = gr.Button("Restart without extensions", elem_id="extensions_safe", scale=0)
        refresh = gr.Button("Refresh", elem_id="extensions_refresh", scale=0)
        check = gr.Button("Check for updates", elem_id="extensions_check", scale=0)
        update_ticked = gr.Button("Update ticked", elem_id="extensions_update", scale=0)
        all_of = gr.Radio(
            [("none", "none"), ("those you installed", "extra"), ("all", "all")], value=lambda: app.settings.get("disable_all_extensions"),
            label="Switch off, whatever is ticked",
            elem_id="extensions_disable_all", elem_classes=["gradio-radio"], interactive=True, min_width=0,
        )  # fmt: skip
    answer = gr.HTML("", elem_id="extension_install_result")
    table = gr.HTML("", elem_id="extensions_installed_html")
    gr.HTML("<h3>Install from an address</h3>", elem_id="extensions_install_title")
    with gr.Row(elem_id="extensions_install_row", elem_classes=["gradio-row"]):
        words = {"interactive": True, "min_width": 0}
        url = gr.Textbox(label="Address of a git repository, or path of a folder or zip file on the server", elem_id="extension_to_install", elem_classes=["gradio-textbox"], scale=4, **words)
        branch = gr.Textbox(label="Branch", placeholder="the usual one", elem_id="extensions_branch", elem_classes=["gradio-textbox"], **words)
        name = gr.Textbox(label="Folder", placeholder="from the address", elem_id="extensions_name", elem_classes=["gradio-textbox"], **words)
        install = gr.Button("Install", elem_id="install_extension_button", scale=0)
    build_available(app)
    build_states(app, applied=lambda names: _apply(app, json.dumps(names)))
    standings: dict[str, Standing] = {}
    listed = bridge_text("extensions_update_list")
    chosen = bridge_text("extensions_disabled_list")
    told: dict[str, Any] = {"inputs": [chosen, all_of], "outputs": [answer], "js": "(names, allOf) => [webui.extensionsSwitchedOff(), allOf]"}
    apply.click(partial(_apply, app), **told, **QUICK)
    for button, is_safe in ((restart, False), (safe, True)):
        asked = button.click(partial(_restart, app, safe=is_safe), **told, **QUICK)
        asked.then(None, js="() => { webui.extensionsRestart(); }", **QUICK)
    refresh.click(lambda: installed_html(app, standings), outputs=[table], **QUICK)
    check.click(partial(_check, app, standings), outputs=[answer, table], **SLOW)
    update_ticked.click(partial(_update, app, standings), inputs=[listed], outputs=[answer, table], js="() => [webui.extensionsToUpdate()]", **SLOW)
    install.click(lambda *asked: _install(app, *asked), inputs=[url, branch, name], outputs=[answer, table], **QUICK)


def installed_html(app: App, standings: Mapping[str, Standing] = MappingProxyType({})) -> str:
    """The table; for each extension its report of this start. standings: what was found when somebody asked for updates, by folder name."""
    rows = "".join(_row(app, each, standings.get(each.name)) for each in (*installed_now(app), *{each.name: each for each in app.extensions.loose}.values()))
    rows = program_row(app, standings.get(PROGRAM)) + rows
    if not rows:
        return f"<p>No extension is installed. Put one into {escape(str(app.paths.data_dir / 'extensions'))}, or install it below.</p>"
    note = "<p><b>This start is without your extensions.</b> Apply and restart UI brings back those that are ticked.</p>" if is_safe_start(os.environ) else ""
    every = '<input type="checkbox" class="gr-check-radio gr-checkbox all_extensions_toggle" id="extensions_all" aria-label="All extensions">'
    head = f"<tr><th><label>{every} On</label></th><th>Extension</th><th>Version</th><th>At this start</th></tr>"
    return f'{note}<table id="extensions" class="extensions-table"><thead>{head}</thead><tbody>{rows}</tbody></table>'


def _row(app: App, each: Extension, found: Standing | None) -> str:
    off = app.settings.get("disabled_extensions") or ()
    checked = "" if each.name in off else " checked"
    facts = git_facts(each.path)
    version, link = "", ""
    if facts is not None:
        version = f"{facts.branch} {facts.commit[:8]}<br>{datetime.fromtimestamp(facts.commit_date):%Y-%m-%d}"
        if facts.remote.startswith(("https://", "http://")):
            link = f'<a href="{escape(facts.remote, quote=True)}" target="_blank" rel="noopener">{escape(facts.remote)}</a>'
    name = escape(each.name, quote=True)
    if found is not None:
        tick = f'<input type="checkbox" class="gr-check-radio" data-update="{name}" aria-label="Update {name}" checked> ' if found.behind else ""
        version += f'<br><label class="extension-standing">{tick}{escape(found.sentence)}</label>'
    box = f'<input type="checkbox" class="gr-check-radio gr-checkbox extension_toggle" name="enable_{name}" data-name="{name}" aria-label="{name}"{checked}>'
    note = "<small>came with the program</small>" if each.is_builtin else f"<small>single files in the folder {name}</small>" if each in app.extensions.loose else link
    return f'<tr><td>{box}</td><td><b>{name}</b><br>{note}</td><td class="extension_status">{version}</td><td>{_report(app, each)}</td></tr>'


def _scripts_line(count: int, seconds: float) -> str:
    return f"{count} script file{'s' if count > 1 else ''} in {seconds:.1f} s" if count else "no script files"


def _page_line(host: ExtensionHost) -> str:
    count = sum(path.parent.name == LOOSE_PAGE and host.owner_of(path) == LOOSE_PAGE for path, _ in scripts(host))
    return "1 file runs on the page" if count == 1 else f"{count} files run on the page"


def _report(app: App, each: Extension) -> str:
    """What it did at this start: loaded, registered, what failed, what it used that does nothing here."""
    if each not in (*app.extensions.extensions, *app.extensions.loose):
        return "installed; it runs after Apply and restart UI"
    if each.twin:
        return escape(f"left out: {each.twin} has the same name, {each.canonical_name}; remove one of the two")
    if not each.is_enabled:
        return "switched off"
    host = app.extensions
    facts, troubles = host.facts_of(each.canonical_name), host.troubles.of(each.canonical_name)
    hooks = sorted({category for category, listed in host.registry.categories.items() if any(one.owner == each.canonical_name for one in listed)})
    lines = [_page_line(host) if each.name == LOOSE_PAGE else _scripts_line(len(facts.scripts), facts.seconds)]
    if hooks:
        lines.append("takes part in: " + ", ".join(hooks))
    if facts.stubs:
        lines.append("asks for parts of A1111 that are not here: " + ", ".join(sorted(facts.stubs)))
    if facts.shims:
        lines.append("Gradio 3 words translated: " + ", ".join(sorted(facts.shims)))
    lines += facts.notes
    if facts.stood_in:
        lines.append(f"{', '.join(sorted(facts.stood_in))} is not installed; the program stands in for what extensions mostly use of it")
    good = "".join(f"<li>{escape(line)}</li>" for line in lines)
    bad = "".join(f'<li class="extension-trouble">{escape(one.place)}: {escape(one.sentence)}</li>' for one in troubles)
    return f"<ul>{bad}{good}</ul>"


def _apply(app: App, text: str, all_of: str | None = None) -> str:
    known = {each.name for each in (*installed_now(app), *app.extensions.loose)}
    elsewhere = [name for name in app.settings.get("disabled_extensions") or () if name not in known]
    wanted = [name for name in json.loads(text or "[]") if name in known]
    answer = json.loads(store_settings(app, {"disabled_extensions": [*elsewhere, *wanted], "disable_all_extensions": all_of or "none"}))
    if answer["errors"]:
        return message_html(" ".join(answer["errors"]), "error")
    return message_html("Stored. It takes effect at the next start of the program.")


def _restart(app: App, text: str, all_of: str | None = None, *, safe: bool) -> str:
    """Store what is ticked, except for a start without extensions, which is for this once; then begin anew."""
    refused = restart_refused(app.flags)
    if refused:
        return message_html(refused, "error")
    stored = "" if safe else _apply(app, text, all_of)
    if 'webui-message error"' in stored:
        return stored
    if not can_restart(os.environ):
        return message_html("This server was not started by launch.py, so it cannot start itself again: stop it and start it anew.", "error")
    try:
        ask_for_restart(os.environ, safe=safe)
    except OSError as error:
        return message_html(f"The restart could not be asked for: {error.strerror}. Stop the program and start it anew.", "error")
    return '<p data-restarting="1">The program is starting again; this page comes back by itself.</p>'


def _check(app: App, standings: dict[str, Standing]) -> tuple[str, str]:
    refused = install_refused(app.flags)
    if refused:
        return message_html(refused, "error"), installed_html(app, standings)
    asked = [each for each in installed_now(app) if not each.is_builtin]
    with ThreadPoolExecutor(max_workers=8) as pool:
        standings |= dict(zip((each.name for each in asked), pool.map(lambda each: standing(each.path), asked)))
    news = sum(1 for each in asked if standings[each.name].behind)
    words = "No extension of yours is installed." if not asked else f"{news} of {len(asked)} extensions have news."
    standings[PROGRAM] = standing(app.paths.script_dir)
    return message_html(f"{words} The program itself: {standings[PROGRAM].sentence}."), installed_html(app, standings)


def _update(app: App, standings: dict[str, Standing], text: str) -> tuple[str, str]:
    refused = install_refused(app.flags)
    wanted = json.loads(text or "[]")
    chosen = [each for each in installed_now(app) if each.name in wanted and not each.is_builtin]
    if refused or not (chosen or PROGRAM in wanted):
        return message_html(refused or "Nothing is ticked. Check for updates first.", "error"), installed_html(app, standings)
    told, failed = [], []
    if PROGRAM in wanted:
        try:
            keep_state(app, "before the program's update")
            told.append(wish_for(app, NEWEST))
        except StorageError as error:
            failed.append(f"The program is not updated: {error}")
    for each in chosen:
        try:
            told.append(update(each.path))
            standings.pop(each.name, None)
        except GitError as error:
            failed.append(str(error))
    if told:
        told.append("It takes effect after Apply and restart UI.")
    return message_html(" ".join([*failed, *told]), "error" if failed else "note"), installed_html(app, standings)


def _install(app: App, url: str, branch: str, name: str) -> tuple[str, str]:
    refused = install_refused(app.flags)
    if refused:
        return message_html(refused, "error"), installed_html(app)
    try:
        folder = _installed(url, app.paths.data_dir / "extensions", name=name or "", branch=branch or "")
    except WebuiError as error:
        return message_html(str(error), "error"), installed_html(app)
    return message_html(f"Installed into {folder}. It runs after Apply and restart UI."), installed_html(app)


def _installed(address: str, folder: Path, *, name: str, branch: str) -> Path:
    path = local_path(address)
    if path is None:
        return install_from_url(address, folder, name=name, branch=branch)
    install = install_from_repository if address.strip().lower().startswith("file:") else install_from_path
    return install(path, folder, name=name, branch=branch)
