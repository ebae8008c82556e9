"""Which checkpoint is used while the settings name none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from modules.families.table import family_named
from modules.library.model_file import ModelFile


class DefaultCheckpoint:
    """The first of a kind that we can run, and from then on that one while it is there: a new file whose name comes before does not change anybody's pictures."""

    def __init__(self) -> None:
        self._path: Path | None = None

    def among(self, available: Sequence[ModelFile]) -> ModelFile:
        """One of ``available``, which are some; the first where none can be run."""
        running = [model for model in available if _runs(model)]
        if not running:
            return available[0]
        found = next((model for model in running if model.path == self._path), running[0])
        self._path = found.path
        return found


def _runs(model: ModelFile) -> bool:
    family = family_named(model.family_name) if model.family_name else None
    return family is not None and family.runs
