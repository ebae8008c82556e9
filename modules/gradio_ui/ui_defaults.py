"""The Defaults page: what the fields hold now, against what the page opens with; written into ui-config.json when asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from gradio import Checkbox

from modules.files.storage import StorageError
from modules.gradio_ui.form import Form
from modules.gradio_ui.form_memory import fits
from modules.gradio_ui.ui_config import UiConfig
from modules.schema.errors import WebuiError


@dataclass(frozen=True, kw_only=True)
class Change:
    """A field whose value is not what the page opens with. key: its key in ui-config.json."""

    key: str
    before: Any
    now: Any


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """The two buttons. config_file: read anew each time, as it may be edited by hand meanwhile."""

    forms: Sequence[Form]
    config_file: Path

    def view(self, values_text: str) -> str:
        """The changes as a table. values_text: JSON of the page's values by elem_id."""
        return _table(list(self._changes(values_text)))

    def apply(self, values_text: str) -> str:
        """Write them. Returns what was done, as HTML."""
        changes = list(self._changes(values_text))
        if not changes:
            return _table(changes)
        try:
            UiConfig.read(self.config_file).changed({each.key: each.now for each in changes}).save()
        except (WebuiError, StorageError, OSError) as error:
            return f'<p class="error">{escape(str(error))}</p>'
        number = f"{len(changes)} values were" if len(changes) > 1 else "One value was"
        return f"<p>{number} written to {escape(self.config_file.name)}: the page opens with them after Reload UI.</p>{_table(changes)}"

    def _changes(self, values_text: str) -> Iterator[Change]:
        try:
            values = json.loads(values_text or "{}")
            values = values if isinstance(values, dict) else {}
        except ValueError:
            values = {}
        config = UiConfig.read(self.config_file)
        for form in self.forms:
            known = {entry.api_name for entry in form.table}
            guards = {each.guard for each in form.fields}
            for place, field in enumerate(form.fields):
                component = field.component
                elem_id, label = component.elem_id or "", getattr(component, "label", None)
                opens_more = isinstance(component, Checkbox) and (place in guards or elem_id.endswith("-checkbox"))
                if not (field.name in known or opens_more) or elem_id not in values or not label:
                    continue
                key = f"{form.table.tab}/{label}/value"
                before = config.values.get(key, getattr(component, "value", None))
                now = values[elem_id]
                if fits(component, now) and now != before and not (now in ("", [], None) and before in ("", [], None)):
                    yield Change(key=key, before=before, now=now)


def _table(changes: Sequence[Change]) -> str:
    if not changes:
        return "<p>No field differs from what the page opens with.</p>"
    rows = "".join(f"<tr><td>{escape(each.key)}</td><td>{_shown(each.before)}</td><td>{_shown(each.now)}</td></tr>" for each in changes)
    return f"<table><thead><tr><th>Path</th><th>Old value</th><th>New value</th></tr></thead><tbody>{rows}</tbody></table>"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return escape(text if len(text) <= 300 else text[:300] + "...")
