"""Scripts' controls on a tab that an extension builds, as ``ScriptRunner.setup_ui`` puts them there."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import gradio as gr

from modules.a1111.script import Script
from modules.a1111.script_runner import ScriptRunner
from modules.gradio_ui.gradio3_words import UNSHOWN

NONE = "None"


class ScriptPanels:
    """The rows of scripts: each in a group, unless the script wants none."""

    def section(self, runner: ScriptRunner, section: str | None, scripts: Iterable[Script]) -> None:
        for script in scripts:
            if script.alwayson and script.section != section:
                continue
            group = gr.Column(visible=bool(script.alwayson), min_width=0) if script.create_group else None
            with group or nullcontext():
                runner.create_script_ui(script)
            script.group = group

    def chooser(self, runner: ScriptRunner) -> Any:
        """The Script list, which shows the controls of the chosen one below itself."""
        chooser = gr.Dropdown([NONE, *runner.titles], value=NONE, type="index", label="Script", elem_id="script_list", interactive=True)
        runner.setup_ui_for_section(None, runner.selectable_scripts)
        groups = [script.group for script in runner.selectable_scripts]
        shown = [place for place, group in enumerate(groups, 1) if group is not None]

        def begin(title: str) -> None:
            group = groups[runner.titles.index(title)] if title in runner.titles else None
            if group is not None:
                group.visible, group.elem_classes = True, [each for each in group.elem_classes if each != UNSHOWN]

        def show(chosen: int | None) -> Any:
            updates = [gr.update(visible=place == chosen) for place in shown]
            return updates if len(updates) > 1 else updates[0]

        chooser.init_field = begin  # type: ignore[attr-defined]
        if shown:
            chooser.change(show, inputs=[chooser], outputs=[group for group in groups if group is not None], show_progress="hidden")
        return chooser
