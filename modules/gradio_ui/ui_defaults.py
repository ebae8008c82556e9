"""The Defaults page: what the fields hold now, against what the page opens with; written into ui-config.json when asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from gradio.blocks import Blocks
from gradio.components import Component

from modules.files.storage import StorageError
from modules.gradio_ui.components import bridge_button, bridge_text
from modules.gradio_ui.events import QUICK
from modules.gradio_ui.page_keys import keyed_controls, with_values
from modules.gradio_ui.page_starts import fitting
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
    """The two buttons. components: by key, "txt2img/Width/value", those of scripts and extensions too. config_file: read anew each time, as it may be edited by hand meanwhile."""

    components: Mapping[str, Component]
    config_file: Path

    @classmethod
    def of(cls, page: Blocks, config_file: Path) -> Defaults:
        """All controls of ``page`` that have a key; of several with one key the first, as in A1111."""
        return cls(components=with_values(keyed_controls(page)), config_file=config_file)

    def view(self, values_text: str) -> str:
        """The changes as a table. values_text: JSON list of the values that ``components`` have in the page."""
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
            values = json.loads(values_text or "[]")
        except ValueError:
            return
        if not isinstance(values, list) or len(values) != len(self.components):
            return
        config = UiConfig.read(self.config_file)
        for (key, component), now in zip(self.components.items(), values):
            before = fitting(component, {"value": config.values.get(key)}).get("value", getattr(component, "value", None))
            fit = fitting(component, {"value": now})
            if fit and fit["value"] != before and not (now in ("", []) and before in ("", [], None)):
                yield Change(key=key, before=before, now=fit["value"])


def wire_defaults(page: Blocks, config_file: Path) -> None:
    """Inside ``page``, all of which is built: HTML buttons press the hidden ones that are made here, the answer goes where the page shows it."""
    defaults = Defaults.of(page, config_file)
    values, answer = bridge_text("ui_defaults_values"), bridge_text("ui_defaults_answer")
    for name, act in (("view", defaults.view), ("apply", defaults.apply)):
        button = bridge_button(f"ui_defaults_{name}_run")
        gathered = button.click(None, inputs=list(defaults.components.values()), outputs=[values], js="(...values) => JSON.stringify(values)", **QUICK)
        told = gathered.then(act, inputs=[values], outputs=[answer], **QUICK)
        told.then(None, inputs=[answer], js="(html) => { webui.showDefaults(html); }", **QUICK)


def _table(changes: Sequence[Change]) -> str:
    if not changes:
        return "<p>No field differs from what the page opens with.</p>"
    rows = "".join(f"<tr><td>{escape(each.key)}</td><td>{_shown(each.before)}</td><td>{_shown(each.now)}</td></tr>" for each in changes)
    return f"<table><thead><tr><th>Path</th><th>Old value</th><th>New value</th></tr></thead><tbody>{rows}</tbody></table>"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return escape(text if len(text) <= 300 else text[:300] + "...")
