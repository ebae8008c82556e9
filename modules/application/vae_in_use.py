"""The VAE that settings, card and file names choose for a checkpoint: where it cannot be used, the checkpoint draws with its own, and that is said."""
from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from modules.application.app import App
from modules.application.engine_inputs import SettingsView
from modules.library.model_file import ModelFile
from modules.library.vae_choice import AUTOMATIC, OWN, choose_vae
from modules.schema.errors import CannotLoad, UnknownName

if TYPE_CHECKING:
    from modules.loading.components import Components

log = logging.getLogger(__name__)


def with_vae(app: App, model: ModelFile, settings: SettingsView, load: Callable[[str, bool], Components]) -> Components:
    """What ``load(sd_vae, setting_beats_card)`` gives. A VAE that is damaged, or of another kind of model, is left out as one that is gone is.

    That of --vae-path is not: who names it there wants no other. Raises what ``load`` does.
    """
    setting, beats_card = _setting(app, settings), settings.get("sd_vae_overrides_per_model_preferences")
    try:
        return load(setting, beats_card)
    except CannotLoad as error:
        chosen = None if app.flags.vae_path else choose_vae(app.catalogue, model, setting, setting_beats_card=beats_card)
        if chosen is None or Path(error.path) != chosen.path:
            raise
        log.warning("%s The checkpoint's own VAE is used.", error)
        return load(OWN, True)


def vae_left_out(app: App, model: ModelFile, settings: SettingsView, loaded: Components) -> str:
    """A sentence where the VAE of the settings is gone, or the one chosen for ``model`` is not in what was ``loaded``; else ""."""
    if app.flags.vae_path:
        return ""
    gone = _gone(app, settings)
    if gone:
        return f"{gone} The checkpoint's own VAE was used."
    chosen = choose_vae(app.catalogue, model, _setting(app, settings), setting_beats_card=settings.get("sd_vae_overrides_per_model_preferences"))
    if chosen is None or (loaded.vae_file is not None and loaded.vae_file.path == chosen.path):
        return ""
    return f"The VAE {chosen.path.name!r} cannot be used with this checkpoint: it is damaged, or of another kind of model. The checkpoint's own VAE was used."


def _setting(app: App, settings: SettingsView) -> str:
    return AUTOMATIC if _gone(app, settings) else settings.get("sd_vae")


def _gone(app: App, settings: SettingsView) -> str:
    """What is said of a VAE that the settings name and that is not there; "" where it is, or none is named."""
    name = settings.get("sd_vae")
    if name in (AUTOMATIC, OWN, "") or app.flags.vae_path:
        return ""
    try:
        app.catalogue.find_vae(name)
    except UnknownName as error:
        return str(error)
    return ""
