"""The buttons that describe the picture of img2img in words or tags, and put them into its prompt (describe.js)."""

from __future__ import annotations

from modules.application.describing import CLIP, DEEPDANBOORU
from modules.gradio_ui.components import form_tool
from modules.gradio_ui.events import QUICK

BUTTONS = (("interrogate", "📎", CLIP), ("deepbooru", "📦", DEEPDANBOORU))      # elem_id, what stands on it, by what


def build_interrogate_buttons() -> None:
    """The buttons, inside the current block."""
    for elem_id, icon, name in BUTTONS:
        form_tool(icon, elem_id).click(None, js=f"() => {{ webui.describePicture({elem_id!r}, {name!r}); }}", **QUICK)
