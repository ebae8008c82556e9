"""The checkpoint in use: loaded when it is first needed, exchanged when another is asked for, never half there."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch

from modules.compute.policy import ComputePolicy
from modules.library.catalogue import Catalogue
from modules.library.model_file import ModelFile
from modules.library.vae_choice import AUTOMATIC, choose_vae
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.loading.vae import load_vae

log = logging.getLogger(__name__)
_Stamp = tuple[int, int]  # a file's time of change (ns) and size


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    components: Components
    stamp: _Stamp
    vae_stamp: _Stamp | None


class Checkpoints:
    """Holds at most one model. Only the worker thread loads; others may ask what is ``current``.

    fixed_vae: the file of --vae-path.
    """

    def __init__(self, catalogue: Catalogue, policy: ComputePolicy, *, fixed_vae: Path | None = None) -> None:
        self._catalogue = catalogue
        self._policy = policy
        self._fixed_vae = fixed_vae
        self._loaded: _Loaded | None = None

    @property
    def current(self) -> ModelFile | None:
        """The loaded checkpoint as the catalogue lists it now, or None."""
        loaded = self._loaded
        return self._catalogue.newest(loaded.components.checkpoint) if loaded else None

    @property
    def components(self) -> Components | None:
        """What is loaded, or None."""
        return self._loaded.components if self._loaded else None

    def load(self, model_file: ModelFile, *, vae: str = AUTOMATIC, setting_beats_card: bool = True) -> Components:
        """The components of ``model_file``: at once when it is the loaded one, else read from disk.

        vae: the setting ``sd_vae``: "Automatic", "None" or a VAE file's name.
        A file that cannot be loaded leaves the model in use as it is; only one that fails in the middle of
        its reading leaves none. Raises CannotLoad, OutOfMemory, UnknownName (no such VAE).
        """
        vae_file = choose_vae(self._catalogue, model_file, vae, fixed=self._fixed_vae, setting_beats_card=setting_beats_card)
        stamp, vae_stamp = _stamp(model_file.path), _stamp(vae_file.path) if vae_file else None
        if self._is_loaded(model_file, stamp):
            return self._with_vae(vae_file, vae_stamp)
        components = load_checkpoint(model_file, self._policy, vae_file=vae_file, before_reading=self.unload)
        self._loaded = _Loaded(components=components, stamp=stamp, vae_stamp=vae_stamp)
        self._catalogue.hash_later(model_file)
        return components

    def unload(self) -> None:
        """Let go of the loaded model, so that its memory is free before another is read."""
        if self._loaded is None:
            return
        self._loaded = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        _give_memory_back()

    def _is_loaded(self, model_file: ModelFile, stamp: _Stamp) -> bool:
        loaded = self._loaded
        return loaded is not None and loaded.components.checkpoint.path == model_file.path and loaded.stamp == stamp

    def _with_vae(self, vae_file: ModelFile | None, vae_stamp: _Stamp | None) -> Components:
        """The loaded model with the VAE that is asked for now."""
        loaded = self._loaded
        assert loaded is not None
        components = loaded.components
        present = components.vae_file.path if components.vae_file else None
        if present == (vae_file.path if vae_file else None) and loaded.vae_stamp == vae_stamp:
            return components
        vae = load_vae(vae_file or components.checkpoint, components.family, self._policy.for_family(components.family))
        components.placement.release()  # the old VAE may be the part that is on the device
        exchanged = replace(components, vae=vae, vae_file=vae_file)
        exchanged.attach_vae()
        self._loaded = _Loaded(components=exchanged, stamp=loaded.stamp, vae_stamp=vae_stamp)
        return exchanged


def _stamp(path: Path) -> _Stamp:
    """Which version of the file this is; zeros for one that cannot be seen (the loader says why)."""
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def _give_memory_back() -> None:
    """glibc keeps freed blocks under its threshold to itself; other systems need no asking."""
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> ctypes._FuncPointer | None:  # pyright: ignore[reportPrivateUsage]
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # musl has none
        return None
