"""A1111's checkpoint list and VAE list, over the model manager."""
from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modules.a1111.app_slot import current
from modules.a1111.live import LiveDict
from modules.application import generation
from modules.library.hashes import old_hash
from modules.library.header import read_header
from modules.library.model_file import ModelFile
from modules.loading.weights import open_weights, stored_dtype
from modules.schema.errors import WebuiError

checkpoints_loaded: dict[Any, Any] = {}
told_as: dict[Path, CheckpointInfo] = {}        # of those that were never saved: as the extension that made them describes them


class CheckpointInfo:
    """A checkpoint by A1111's names. hash: the old one of eight digits; shorthash: ten digits of the SHA-256."""

    def __init__(self, filename: str, model: ModelFile | None = None) -> None:
        model = model or _listed(filename) or ModelFile(path=Path(filename), name=Path(filename).name, kind="checkpoint")
        self._model = model
        self.filename = str(model.path)
        self.name = model.name
        self.name_for_extra = model.path.stem
        self.model_name = model.model_name
        self.sha256 = model.sha256
        self.shorthash = model.short_hash
        self.title = model.title
        self.short_title = f"{self.name_for_extra} [{self.shorthash}]" if self.shorthash else self.name_for_extra
        self.is_safetensors = model.path.suffix.lower() == ".safetensors"
        self.modelspec_thumbnail = None
        ids = [self.model_name, self.title, model.name, self.name_for_extra, f"{model.name} [{self.hash}]"]
        self.ids = [*ids, *(each for each in (self.shorthash, self.sha256, f"{self.name_for_extra} [{self.shorthash}]") if each)]

    @cached_property
    def hash(self) -> str | None:
        return old_hash(self._model.path) or "NOFILE"

    @cached_property
    def metadata(self) -> dict[str, Any]:
        return read_metadata(self.filename)

    def register(self) -> None:
        """It is in the list from now on: mergers and trainers call this for the file that they have just written."""
        if _listed(self.filename) is None and Path(self.filename).is_file():
            current().catalogue.add_checkpoint(Path(self.filename))

    def calculate_shorthash(self) -> str | None:
        digest = current().catalogue.hash_of(self._model)
        self.sha256, self.shorthash = digest or None, digest[:10] or None
        return self.shorthash

    def __eq__(self, other: object) -> bool:
        """Mergers give a copy another name; it keeps the file that it was made from, or gets another one later."""
        return isinstance(other, CheckpointInfo) and (other.filename, other.name) == (self.filename, self.name)

    def __hash__(self) -> int:
        return hash(self.name)


def _listed(filename: str) -> ModelFile | None:
    return next((each for each in current().catalogue.checkpoints() if str(each.path) == filename), None)


def info_of(model: ModelFile) -> CheckpointInfo:
    return told_as.get(model.path) or CheckpointInfo(str(model.path), model)


def read_metadata(filename: str) -> dict[str, Any]:
    """The notes in a safetensors file's header; {} for other files."""
    try:
        return dict(read_header(Path(filename)).metadata)
    except (WebuiError, OSError, ValueError):
        return {}


checkpoints_list = LiveDict(lambda: {each.title: info_of(each) for each in current().catalogue.checkpoints()})
checkpoint_aliases = LiveDict(lambda: {one: info for info in checkpoints_list.values() for one in info.ids})
vae_dict = LiveDict(lambda: {each.path.name: str(each.path) for each in current().catalogue.vaes()})


def list_models() -> None:
    """Look through the folders anew. As in A1111, what extensions put into the list is out of it."""
    current().catalogue.refresh()
    checkpoints_list.clear()
    checkpoint_aliases.clear()


def checkpoint_tiles(use_short: bool = False) -> list[str]:
    return [info.short_title if use_short else info.title for info in checkpoints_list.values()]


def get_closet_checkpoint_match(search_string: str) -> CheckpointInfo | None:
    """The checkpoint that ``search_string`` means: a title, name, hash, or a part of a title. (A1111's spelling.)"""
    if not search_string:
        return None
    text = re.sub(r"\s*\[[^\]]*\]\s*$", "", search_string)
    for wanted in dict.fromkeys((search_string, text)):
        try:
            return info_of(current().catalogue.find_checkpoint(wanted))
        except WebuiError:
            continue
    return None


def select_checkpoint() -> CheckpointInfo:
    """The chosen checkpoint. Raises NoCheckpoint when there is none at all."""
    app = current()
    return info_of(generation.checkpoint_now(app))


def model_hash(filename: str) -> str:
    return old_hash(Path(filename)) or "NOFILE"


def read_state_dict(checkpoint_file: str, print_global_state: bool = False, map_location: Any = None) -> dict[str, Tensor]:
    """All tensors of a file, as they are stored. Raises CannotLoad."""
    weights = open_weights(Path(checkpoint_file))
    try:
        device = torch.device(map_location or "cpu")
        return {name: weights.read(name, stored_dtype(weights, name) or torch.float32, device) for name in weights.header.names}
    finally:
        weights.close()


def load_chosen() -> None:
    """Load the chosen checkpoint, on the worker. Raises WebuiError."""
    app = current()
    run_on_worker(lambda: generation.load_checkpoint_now(app))


def unload_model_weights(sd_model: Any = None, info: Any = None) -> Any:
    """Free the memory of the loaded checkpoint; the next job loads it again."""
    run_on_worker(current().checkpoints.unload)
    return sd_model


def run_on_worker(function: Any) -> Any:
    """``function()`` on the one thread that works with models; at once when this is that thread."""
    return current().jobs.call(function)
