"""The checkpoint that is chosen, and the picture size the page starts with because of it."""

from __future__ import annotations

from modules.application import generation
from modules.application.app import App
from modules.gradio_ui.ui_config import UiConfig
from modules.library.model_file import ModelFile
from modules.schema.errors import NoCheckpoint

CHECKPOINT = generation.CHECKPOINT_KEY
USUAL_SIZE = (512, 512)  # pixels; A1111's


def chosen_checkpoint(app: App) -> ModelFile | None:
    """The checkpoint that a job without overrides would take; None when there is none at all."""
    try:
        return generation.chosen_checkpoint(app, app.settings.get(CHECKPOINT))
    except NoCheckpoint:
        return None


def start_size(model: ModelFile | None, ui_config: UiConfig, tab: str = "txt2img") -> tuple[int, int]:
    """Width and height in pixels that the page shows for ``model`` as long as nobody has set others."""
    native = (model.native_size if model else None) or USUAL_SIZE
    stored = (ui_config.user_value(tab, "Width"), ui_config.user_value(tab, "Height"))
    width, height = (own if isinstance(own, int) else usual for own, usual in zip(stored, native))
    return width, height
