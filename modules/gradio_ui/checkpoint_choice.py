"""The checkpoints that are chosen: the main one, with the picture size the page starts with because of it; those of refiner and hires fix."""

from __future__ import annotations

import gradio as gr

from modules.application import generation
from modules.application.app import App
from modules.gradio_ui.events import QUICK
from modules.gradio_ui.form_builder import FormBuilder
from modules.gradio_ui.layout import CHECKPOINT_FIELDS
from modules.gradio_ui.param_component import choices_of
from modules.gradio_ui.ui_config import UiConfig
from modules.library.model_file import ModelFile
from modules.schema.errors import NoCheckpoint
from modules.schema.params_sampling import SIDE_LIMIT, SIDE_SMALLEST

CHECKPOINT = generation.CHECKPOINT_KEY
USUAL_SIZE = (512, 512)  # pixels; A1111's


def chosen_checkpoint(app: App) -> ModelFile | None:
    """The checkpoint that a job without overrides would take; None when there is none at all."""
    try:
        return generation.chosen_checkpoint(app, app.settings.get(CHECKPOINT), looks=False)
    except NoCheckpoint:
        return None


def shown_title(app: App, model: ModelFile) -> str:
    """What lists call a checkpoint: its title, by ``sd_checkpoint_dropdown_use_short`` without folders and suffix, as A1111."""
    return model.short_title if app.settings.get("sd_checkpoint_dropdown_use_short") and not model.called else model.title


def start_size(model: ModelFile | None, ui_config: UiConfig, tab: str = "txt2img") -> tuple[int, int]:
    """Width and height in pixels that the page shows for ``model`` as long as nobody has set others."""
    native = (model.native_size if model else None) or USUAL_SIZE
    stored = (ui_config.user_value(tab, "Width"), ui_config.user_value(tab, "Height"))
    width, height = (min(max(own, SIDE_SMALLEST), SIDE_LIMIT) if isinstance(own, int) else usual for own, usual in zip(stored, native))
    return width, height


def wire_checkpoint_fields(app: App, page: gr.Blocks | None, builder: FormBuilder) -> None:
    """The refresh buttons of a tab's second checkpoints; a page that is opened (``page``) lists the files that are there then."""
    fields = {each.name: each.component for each in builder.fields if each.name in CHECKPOINT_FIELDS}
    widgets = {name: builder.table.by_api_name(name).info.widget for name in fields}

    def listed() -> object:
        updates = [gr.update(choices=choices_of(widget, builder.choices)) for widget in widgets.values()]
        return updates if len(updates) > 1 else updates[0]      # Gradio takes a list for the value of a single output

    def refreshed() -> object:
        app.catalogue.refresh()
        return listed()

    components = list(fields.values())
    for name in fields:
        builder.tools[CHECKPOINT_FIELDS[name].replace("{tab}", builder.table.tab)].click(refreshed, outputs=components, **QUICK)
    if page is not None and components:
        page.load(listed, outputs=components, **QUICK)
