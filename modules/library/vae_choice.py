"""Which VAE file a checkpoint draws with: A1111's rules."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from modules.library.card import read_card
from modules.library.catalogue import Catalogue
from modules.library.model_file import ModelFile
from modules.schema.errors import UnknownName

AUTOMATIC, OWN = "Automatic", "None"


def choose_vae(
    catalogue: Catalogue,
    checkpoint: ModelFile,
    setting: str = AUTOMATIC,
    *,
    fixed: Path | None = None,
    setting_beats_card: bool = True,
) -> ModelFile | None:
    """The VAE file to use, or None for the checkpoint's own.

    setting: ``sd_vae``: "Automatic" (the one its card names, else the one that begins with its name), "None", or a file.
    fixed: the file of --vae-path, which ends the discussion.
    setting_beats_card: ``sd_vae_overrides_per_model_preferences``; False lets a checkpoint's card win over the setting.
    Raises UnknownName when the setting names a VAE that is not there.
    """
    if fixed is not None:
        return ModelFile(path=fixed, name=fixed.name, kind="vae")
    explicit = setting.strip() not in ("", AUTOMATIC, "auto")
    if not (explicit and setting_beats_card):
        preferred = read_card(checkpoint.path).preferred_vae
        if preferred == OWN:
            return None
        if preferred not in ("", AUTOMATIC):
            with suppress(UnknownName):         # gone: as in A1111 the card has said nothing
                return catalogue.find_vae(preferred)
    if explicit:
        return None if setting.strip() == OWN else catalogue.find_vae(setting)
    return vae_beside(catalogue.vaes(), checkpoint)


def vae_beside(vaes: Sequence[ModelFile], checkpoint: ModelFile) -> ModelFile | None:
    """The first VAE whose name begins with the checkpoint's: ``model.vae.pt`` for ``model.safetensors``."""
    return next((vae for vae in vaes if vae.path.name.startswith(f"{checkpoint.stem}.")), None) or next(
        (vae for vae in vaes if vae.path.name.startswith(checkpoint.stem)), None
    )
