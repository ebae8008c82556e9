"""Checkpoints that extensions make in memory and draw with unsaved. Each lies in a temporary file for as long as it is chosen or a job needs it."""
from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from modules.files.atomic import discard_temporary, write_bytes, write_temporary
from modules.library.facts import read_facts
from modules.library.model_file import ModelFile
from modules.schema.errors import CannotLoad

if TYPE_CHECKING:
    from modules.application.settings_store import SettingsStore
    from modules.jobs.job import Job
    from modules.jobs.queue import JobQueue
    from modules.library.catalogue import Catalogue
    from modules.loading.checkpoints import Checkpoints

log = logging.getLogger(__name__)
_CHOSEN = "sd_model_checkpoint"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Unsaved:
    """job: the one that made it. instead: the title that was chosen before."""

    model: ModelFile
    job: Job | None
    instead: str | None
    when_gone: Callable[[ModelFile], None]


class UnsavedCheckpoints:
    """All of one server, on its worker. Files, not memory, so that they are read, let go and read again as any other, with other VAEs and refiners between."""

    def __init__(self, folder: Path, *, settings: SettingsStore, catalogue: Catalogue, checkpoints: Checkpoints, jobs: JobQueue) -> None:
        self._folder, self._settings, self._catalogue, self._checkpoints, self._jobs = folder, settings, catalogue, checkpoints, jobs
        self._all: list[_Unsaved] = []
        checkpoints.when_loaded(self._sweep)

    def add(
        self, write: Callable[[BinaryIO], object], *, name: str, called: str, sha256: str | None = None, config: Path | None = None,
        when_gone: Callable[[ModelFile], None] = lambda model: None,
    ) -> ModelFile:
        """What ``write`` writes, a safetensors file, is a checkpoint called ``name`` from now on; no list of models shows it.

        called: the name in infotexts. sha256: what stands for its hash. config: a .yaml that holds for it. Raises StorageError, CannotLoad.
        """
        path = write_temporary(self._folder, ".safetensors", write)
        facts, status = read_facts(path), path.stat()
        if facts.family_name is None:
            discard_temporary(path)
            raise CannotLoad(path, f"what was made as {name} is no checkpoint of a kind that this program knows", "Choose other models for the merge.")
        if config is not None and config.is_file():
            write_bytes(path.with_suffix(config.suffix), config.read_bytes(), lasting=False)
        if any(name in (each.name, each.title) for each in self._catalogue.checkpoints()):
            name = f"{name.removesuffix('.safetensors')} (not saved).safetensors"
        model = ModelFile(
            path=path, name=name, called=called, kind="checkpoint", size=status.st_size, modified=status.st_mtime, created=status.st_ctime,
            family_name=facts.family_name, native_size=facts.native_size, sha256=sha256)
        self._catalogue.lend(model)
        former = self._settings.get(_CHOSEN)
        instead = next((each.instead for each in self._all if each.model.title == former), former)
        self._all.append(_Unsaved(model=model, job=self._jobs.running(), instead=instead, when_gone=when_gone))
        log.info("%s is drawn with unsaved: %.0f MB in %s until another checkpoint is chosen", name, status.st_size / 1e6, path)
        return model

    def _sweep(self) -> None:
        """Let go of those that are not chosen any more, and that no job needs: none was asked for meanwhile, and the running one did not make it last."""
        chosen, running = self._settings.get(_CHOSEN), self._jobs.running()
        needed = {each.payload.get("checkpoint") for each in (*self._jobs.pending(), *([running] if running else ()))}
        needed |= {each.model.name for each in self._all if each.model.title == chosen}
        if self._all and running is not None and self._all[-1].job is running:
            needed.add(self._all[-1].model.name)
        newest = {each.model.name: each for each in self._all}      # the same merge again has the same name
        for each in self._all[:]:
            if each.model.name not in needed or newest[each.model.name] is not each:
                self._drop(each)

    def close(self) -> None:
        """With the server. What was chosen before is chosen again: the next one would look for a file that is gone."""
        for each in self._all[:]:
            if each.model.title == self._settings.get(_CHOSEN):
                self._settings.set(_CHOSEN, each.instead)
                self._settings.save()
            self._all.remove(each)
            _discard(each.model.path)

    def drop(self, model: ModelFile) -> None:
        """Let go of ``model``; the checkpoint that was chosen before it is chosen again."""
        for each in [each for each in self._all if each.model is model]:
            if self._settings.get(_CHOSEN) == model.title:
                self._settings.set(_CHOSEN, each.instead)
            self._drop(each)

    def _drop(self, unsaved: _Unsaved) -> None:
        self._all.remove(unsaved)
        self._catalogue.take_back(unsaved.model)
        self._checkpoints.forget(unsaved.model.path)
        _discard(unsaved.model.path)
        unsaved.when_gone(unsaved.model)
        log.info("%s, which was not saved, is gone", unsaved.model.name)


def folder_of_unsaved(data_dir: Path) -> Path:
    """Where they lie. What a killed server leaves there, the next one sweeps away."""
    return data_dir / "tmp"


def _discard(path: Path) -> None:
    discard_temporary(path)
    discard_temporary(path.with_suffix(".yaml"))
