"""The program itself on the Extensions tab: which version it is, whether there are newer ones, and going to another at the next start."""

from __future__ import annotations

from datetime import datetime
from html import escape

from modules.application.app import App
from modules.application.version import VERSION
from modules.files.git_facts import git_facts
from modules.files.git_updates import Standing
from modules.launching.new_version import NEWEST, NewVersion

PROGRAM = "."               # among the names of extensions' folders, none of which is called so


def program_row(app: App, found: Standing | None) -> str:
    """Above the extensions; nothing where the program is no git clone, which nobody could update."""
    facts = git_facts(app.paths.script_dir)
    if facts is None:
        return ""
    version = f"{escape(facts.branch)} {facts.commit[:8]}<br>{datetime.fromtimestamp(facts.commit_date):%Y-%m-%d}"
    if found is not None:
        tick = f'<input type="checkbox" class="gr-check-radio" data-update="{PROGRAM}" aria-label="Update the program" checked> ' if found.behind else ""
        version += f'<br><label class="extension-standing">{tick}{escape(found.sentence)}</label>'
    last = NewVersion(app.paths.script_dir, app.paths.data_dir).book.last
    words = f"the version before this one was {last[:8]}" if last else ""
    return f'<tr id="program_version"><td></td><td><b>The program itself</b><br><small>version {VERSION}</small></td><td class="extension_status">{version}</td><td>{words}</td></tr>'


def wish_for(app: App, target: str) -> str:
    """Have the next start go to ``target``, a commit or NEWEST; what was done, in words. Raises StorageError."""
    NewVersion(app.paths.script_dir, app.paths.data_dir).wish(target)
    where = "its newest version" if target == NEWEST else target[:8]
    return f"The program goes to {where} at its restart; should that not start, it comes back to the one of now by itself."


def program_facts(app: App) -> dict[str, object]:
    """For a saved state, in A1111's form."""
    facts = git_facts(app.paths.script_dir)
    if facts is None:
        return {"version": VERSION}
    return {"version": VERSION, "remote": facts.remote, "commit_hash": facts.commit, "commit_date": facts.commit_date, "branch": facts.branch}
