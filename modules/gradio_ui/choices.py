"""Where dropdowns get their texts: the sources named in the tables ("samplers", "checkpoints"), asked anew each time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modules.a1111.attention_choice import titles as optimizer_titles
from modules.a1111.infotext_names import get_infotext_names
from modules.a1111.postprocessing_scripts import PostprocessingScripts
from modules.a1111.unet_choice import unet_labels
from modules.application.app import App
from modules.application.compute_settings import attention_titles
from modules.application.extras_operations import NAMES
from modules.application.training import hypernetwork_widths
from modules.application.training_templates import templates
from modules.application.translations import translation_names
from modules.compute.openvino_calls import target_names
from modules.engine.emphasis import MODES
from modules.engine.sampler_registry import samplers, schedules
from modules.engine.upscale import LATENT_UPSCALERS
from modules.gradio_ui.checkpoint_choice import shown_title
from modules.gradio_ui.prompt_styles import known_styles
from modules.gradio_ui.theme import theme_names, themes_folder
from modules.loading.hypernetwork import activations

# What ui_reorder_list orders, by A1111's names; the scripts know their elem_ids.
GENERATION_BLOCKS = (
    "prompt",
    "image",
    "inpaint",
    "sampler",
    "accordions",
    "dimensions",
    "cfg",
    "denoising",
    "seed",
    "batch",
    "override_settings",
    "scripts",
)

MAIN_OPERATIONS = ("Upscale", "GFPGAN", "CodeFormer")     # of ours, those that fit a picture that has just been drawn

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChoiceSources:
    """source name -> the texts now. A source that nothing feeds yet is empty."""

    app: App
    sources: dict[str, Callable[[], Sequence[str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, app: App) -> ChoiceSources:
        return cls(
            app,
            {
                "all_samplers": lambda: [each.name for each in samplers()],      # also those that are left out, for who wants them back
                "samplers": lambda: [each.name for each in samplers() if each.name not in app.settings.get("hide_samplers")],
                "hires_upscalers": lambda: [*(each.name for each in LATENT_UPSCALERS), *app.upscalers.offered(app.settings)],
                "face_restorers": app.faces.names,
                "postprocessing_operations": lambda: list(NAMES),
                "main_operations": lambda: [*MAIN_OPERATIONS, *_foreign_operations(app)],
                "upscalers": lambda: app.upscalers.offered(app.settings),
                "attentions": lambda: [*attention_titles(app), *optimizer_titles()],
                "openvino_devices": target_names,
                "interrogate_categories": app.describer.category_names,
                "schedulers": lambda: [each.label for each in schedules()],
                "checkpoints": lambda: [shown_title(app, each) for each in app.catalogue.checkpoints()],
                "hypernetworks": lambda: [each.stem for each in app.catalogue.hypernetworks()],
                "embeddings": lambda: sorted({each.stem for each in app.catalogue.embeddings()}),
                "activations": lambda: ["linear", *activations()],
                "hypernetwork_widths": lambda: hypernetwork_widths(app),
                "training_templates": lambda: sorted(templates(Path(app.flags.textual_inversion_templates_dir))),
                "unets": unet_labels,
                "emphasis_modes": lambda: [str(each.name) for each in MODES],
                "vaes": lambda: [each.name for each in app.catalogue.vaes()],
                "styles": lambda: list(known_styles(app)),
                "localizations": lambda: translation_names(app),
                "generation_blocks": lambda: list(GENERATION_BLOCKS),
                "loras": lambda: [each.stem for each in app.catalogue.loras()],
                "infotext_keys": get_infotext_names,
                "themes": lambda: theme_names(themes_folder(app)),
                "settings": lambda: [each.key for each in app.settings.table],
                "setting_labels": lambda: [each.label for each in app.settings.table],
            },
        )

    def __call__(self, source: str) -> Sequence[str]:
        find = self.sources.get(source) or self.app.extensions.choices.get(source)
        if find is None:
            return []
        try:
            return list(find())
        except Exception:
            if source in self.sources:
                raise
            log.exception("%s: its choices could not be had", source)
            return []


def _foreign_operations(app: App) -> list[str]:
    host = app.postprocessing.host
    return [str(each.name) for each in host.ordered()] if isinstance(host, PostprocessingScripts) else []
