"""What a checkpoint asks to be drawn with, put into the fields when the page's bar says so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import gradio as gr

from modules.application.app import App
from modules.application.checkpoint_wishes import known
from modules.gradio_ui.components import bridge_button, bridge_text
from modules.gradio_ui.events import QUICK
from modules.gradio_ui.form import Form
from modules.gradio_ui.quicksettings import TOLD
from modules.gradio_ui.setting_changes import store_settings

_EVERYWHERE = ("sampler_name", "scheduler", "steps", "cfg_scale")
_FIRST_TAB = ("width", "height")            # img2img's size may be that of its picture
_CLIP_SKIP = "CLIP_stop_at_last_layers"


def wire_wishes(app: App, forms: Sequence[Form], answer: gr.Textbox) -> None:
    """forms: of txt2img and img2img. answer: ``store_settings``' JSON for the scripts."""
    asked, button = bridge_text("checkpoint_wishes"), bridge_button("apply_checkpoint_wishes")
    places = [(form.component(name), name) for number, form in enumerate(forms) for name in _EVERYWHERE + (_FIRST_TAB if number == 0 else ())]

    def apply(text: str) -> list[Any]:
        try:
            sent = json.loads(text)
        except (ValueError, RecursionError):
            sent = {}
        values = known(sent if isinstance(sent, dict) else {})
        stored = store_settings(app, {_CLIP_SKIP: values["clip_skip"]} if "clip_skip" in values else {})
        return [stored, *(gr.update(value=values[name]) if name in values else gr.skip() for _, name in places)]

    applied = button.click(apply, inputs=[asked], outputs=[answer, *(component for component, _ in places)], js="() => { webui.settingSent(); return [webui.takeWishes()]; }", **QUICK)
    applied.then(None, inputs=[answer], js=TOLD, **QUICK)
