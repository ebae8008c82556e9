"""Which checkpoint is used while the settings name none."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from modules.library.model_file import ModelFile

log = logging.getLogger(__name__)


class DefaultCheckpoint:
    """The first of a kind that we can run, and from then on that one while it is there: a new file whose name comes before does not change anybody's pictures."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._told: tuple[str, str] | None = None

    def among(self, available: Sequence[ModelFile]) -> ModelFile:
        """One of ``available``, which are some; the first where none can be run."""
        running = [model for model in available if _runs(model)]
        if not running:
            return available[0]
        found = next((model for model in running if model.path == self._path), running[0])
        self._path = found.path
        return found

    def in_place_of(self, gone: str, available: Sequence[ModelFile]) -> ModelFile:
        """``among`` where ``gone`` was chosen and is not there: the log is told, once for each such pair in a row."""
        found = self.among(available)
        if self._told != (gone, found.name):
            self._told = gone, found.name
            log.warning("the checkpoint %r of the settings is gone; %s is used instead", gone, found.name)
        return found


def _runs(model: ModelFile) -> bool:
    return model.family is not None and model.family.runs
