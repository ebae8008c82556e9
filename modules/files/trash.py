"""Deleting what a user made: into a trash folder, never for good."""
from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from modules.files.storage import explain


def move_to_trash(path: Path, trash: Path, *, beside: Sequence[str] = ()) -> Path:
    """Move ``path``, and files beside it that differ in these suffixes only, into a folder of this day below ``trash``.

    Returns where it lies now; a name that is taken gets a number. Raises StorageError.
    """
    folder = trash / time.strftime("%Y-%m-%d")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target = _free(folder / path.name)
        shutil.move(path, target)
        for suffix in beside:
            companion = path.with_suffix(suffix)
            if companion != path and companion.is_file():
                shutil.move(companion, target.with_suffix(suffix))
    except OSError as error:
        raise explain(error, path) from error
    return target


def _free(path: Path) -> Path:
    number, found = 1, path
    while os.path.lexists(found):
        number += 1
        found = path.with_stem(f"{path.stem}-{number}")
    return found
