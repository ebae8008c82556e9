"""Which extensions there were, at which commits, switched on or off: written down in A1111's form, and gone back to."""
from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from modules.extension_host.discover import Extension
from modules.files.atomic import write_json
from modules.files.git_facts import git_facts
from modules.files.git_updates import GitError, go_to
from modules.files.json_object import Damaged, read_object
from modules.schema.errors import InvalidValue

FOLDER = "config_states"                # in the data folder, as in A1111


@dataclass(frozen=True, kw_only=True)
class SavedState:
    """One file. created: seconds since 1970. extensions: folder name -> what was known of it. commit: of the program; "" where nobody wrote it down."""

    path: Path
    name: str
    created: float
    extensions: dict[str, dict[str, Any]]
    commit: str = ""

    @property
    def title(self) -> str:
        return f"{datetime.fromtimestamp(self.created):%Y-%m-%d %H:%M:%S} {self.name}".strip()


def saved_states(folder: Path) -> list[SavedState]:
    """Those in ``folder``, newest first. Files that are none are passed over."""
    found = []
    for path in folder.glob("*.json"):
        try:
            content = read_object(path)
            extensions = {str(name): dict(facts) for name, facts in content["extensions"].items()}
            commit = str((content.get("webui") or {}).get("commit_hash") or "")
            found.append(SavedState(path=path, name=str(content.get("name") or ""), created=float(content["created_at"]), extensions=extensions, commit=commit))
        except (Damaged, ValueError, KeyError, TypeError, AttributeError):
            continue
    return sorted(found, key=lambda each: -each.created)


def save_state(folder: Path, name: str, extensions: Iterable[Extension], *, disabled: Iterable[str], program: dict[str, Any]) -> Path:
    """Write down what is now. disabled: folder names that are switched off. program: what is known of the program itself. Raises InvalidValue, StorageError."""
    name = name.strip() or "Config"
    if len(name) > 80 or not all(letter.isprintable() for letter in name):
        raise InvalidValue("The name of a saved state is longer than 80 letters, or has some that cannot be shown.", "Choose a plain one.")
    now, off = time.time(), set(disabled)
    plain = re.sub(r"[^\w.-]+", "_", name)
    path = folder / f"{datetime.fromtimestamp(now):%Y_%m_%d-%H_%M_%S}_{plain}.json"
    write_json(path, {"created_at": now, "name": name, "webui": program, "extensions": {each.name: _described(each, off) for each in extensions}})
    return path


def _described(each: Extension, off: set[str]) -> dict[str, Any]:
    facts = git_facts(each.path)
    return {
        "name": each.name, "path": str(each.path), "enabled": each.name not in off, "is_builtin": each.is_builtin, "have_info_from_repo": facts is not None,
        "version": facts.commit[:8] if facts else "", "commit_hash": facts.commit if facts else "", "commit_date": facts.commit_date if facts else None,
        "remote": facts.remote if facts else None, "branch": facts.branch if facts else None,
    }  # fmt: skip


def restore(state: SavedState, extensions: Iterable[Extension]) -> tuple[list[str], list[str]]:
    """Bring the commits back. Returns the folder names that are to be switched off, as they were or because they were not there, and sentences."""
    off, told, here = [], [], set()
    for each in extensions:
        here.add(each.name)
        facts = state.extensions.get(each.name)
        if facts is None and each.is_builtin:
            continue            # it came with a newer version of the program
        if facts is None:
            told.append(f"{each.name} was not there at the time: it is switched off.")
        if facts is None or not facts.get("enabled", True):
            off.append(each.name)
        now = git_facts(each.path)
        wanted = str((facts or {}).get("commit_hash") or "")
        if now is None or not wanted or wanted == now.commit:
            continue
        try:
            go_to(each.path, wanted)
            told.append(f"{each.name} went from {now.commit[:8]} to {wanted[:8]}.")
        except GitError as error:
            told.append(f"{each.name} stays at {now.commit[:8]}: {error}")
    told += [f"{name} is not installed any more{_from(facts)}." for name, facts in state.extensions.items() if name not in here]
    return off, told


def _from(facts: dict[str, Any]) -> str:
    return f"; it came from {facts['remote']}" if facts.get("remote") else ""
