"""Extensions' operations on the Extras tab: their controls in boxes below our own."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gradio.components import Component

from modules.a1111.postprocessing_scripts import PostprocessingScripts
from modules.a1111.script_controls import signed
from modules.application.app import App
from modules.gradio_ui.components import form_column
from modules.gradio_ui.form_builder import FormBuilder
from modules.gradio_ui.scripts_panel import received

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PostprocessPanel:
    """controls: name in the form -> (operation, argument, component)."""

    controls: dict[str, tuple[str, str, Component]] = field(default_factory=dict)

    def values(self, shown: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """What the fields ask of operations: operation -> argument -> value. Raises InvalidValue for a value that its control refuses."""
        found: dict[str, dict[str, Any]] = {}
        for name, (operation, argument, component) in self.controls.items():
            found.setdefault(operation, {})[argument] = received(component, shown.get(name))
        return found


def build_postprocess_panel(app: App, builder: FormBuilder) -> PostprocessPanel:
    """The controls, inside the current block. A script whose controls cannot be made is logged and left out."""
    host, panel = app.postprocessing.host, PostprocessPanel()
    if not isinstance(host, PostprocessingScripts):
        return panel
    disabled = app.settings.get("postprocessing_disable_in_extras")
    for script in host.ordered():
        if script.name in disabled:
            continue
        with form_column(None, "script-box") as group:
            try:
                with host.speaking():
                    script.controls = script.ui() or {}
            except Exception:
                log.exception("the controls of %s (%s) could not be made", script.name, script.filename)
                continue
        script.group = group
        signed(script.controls.values(), str(script.filename or ""))
        for argument, component in script.controls.items():
            name = f"postprocessing {script.name} {argument}"
            builder.own(name, component)
            panel.controls[name] = (str(script.name), argument, component)
    return panel
