"""Localisation files in A1111's format: {"English text": "text in another language"}, of the program's folder, the user's and extensions'."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modules.application.app import App
from modules.files.names import is_macs_note

log = logging.getLogger(__name__)
NONE = "None"


def translation_names(app: App) -> list[str]:
    """What the setting ``localization`` offers beside "None": names of files without ".json"."""
    return sorted({path.stem for path in _files(app)}, key=str.casefold)


def read_translation(app: App, name: str) -> dict[str, Any]:
    """All texts of that name, of all files that bear it; later files add to earlier ones. Empty for "None" or a name that is gone."""
    found: dict[str, Any] = {}
    for path in _files(app):
        if name in ("", NONE) or path.stem != name:
            continue
        try:
            texts = json.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            log.warning("%s is passed over: it cannot be read (%s)", path, error)
            continue
        if isinstance(texts, dict):
            found |= {key: text for key, text in texts.items() if isinstance(text, str | bool)}
    return found


def _files(app: App) -> Iterator[Path]:
    own = dict.fromkeys((Path(app.flags.localizations_dir), app.paths.data_dir / "localizations"))     # the latter: of an A1111 folder that --data-dir names
    folders = [*own, *(each.path / "localizations" for each in app.extensions.enabled)]
    for folder in folders:
        try:
            yield from sorted(path for path in folder.iterdir() if path.suffix.lower() == ".json" and path.is_file() and not is_macs_note(path.name))
        except OSError:
            continue
