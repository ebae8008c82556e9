"""Old .ckpt and .pt files: read through torch's weights-only unpickler and nothing else.

A pickle is a program; this unpickler knows tensors, plain values and the few names below, and runs nothing.
"""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from modules.library.checkpoint_names import names_in_checkpoint
from modules.library.header import Header, TensorEntry, is_pickle, read_header, zip_is_cut_off
from modules.schema.errors import CannotLoad

_CONVERT = "Get the model as .safetensors."
_TRAINING_NAMES = (
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "pytorch_lightning.callbacks.ModelCheckpoint",
    "lightning.pytorch.callbacks.model_checkpoint.ModelCheckpoint",
)


class _Forgotten:
    """Stands for a training program's class that old checkpoints name; keeps nothing of it."""

    def __setstate__(self, state: object) -> None:
        pass


class PickleWeights:
    """The tensors of one unpickled file, mapped from it where its format allows until each is read: see ``weights.py``."""

    def __init__(self, header: Header, tensors: Mapping[str, Tensor]) -> None:
        self.header = header
        self._tensors = dict(tensors)

    def read(self, name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
        return self._tensors[name].to(device=device, dtype=dtype, copy=True)

    def close(self) -> None:
        self._tensors.clear()


def open_pickle(path: Path) -> PickleWeights:
    """Raises CannotLoad for a file that is damaged, or that names anything but tensors and plain values."""
    tensors = _tensors_in(path, read_pickle(path))
    tensors = {name: tensors[own] for own, name in names_in_checkpoint(tensors).items()}
    entries = {
        name: TensorEntry(str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape), 0, tensor.nbytes)
        for name, tensor in tensors.items()
    }
    return PickleWeights(Header.of(path, entries, {}, os.path.getsize(path)), tensors)


def read_pickle(path: Path, also_allowed: Sequence[Any] = ()) -> Any:
    """Whatever the file holds, as plain values and tensors.

    also_allowed: classes, or (class, name it goes by in the file), that may stand in it. Raises CannotLoad.
    """
    if not is_pickle(path) or path.suffix.lower() == ".safetensors":
        read_header(path)                           # it says what is wrong with most other files
        raise CannotLoad(path, "it is a safetensors file where a pickle of plain values was expected", "Choose another file.")
    allowed: list[Any] = [*also_allowed, *((_Forgotten, name) for name in _TRAINING_NAMES)]
    scalar = numpy.float64(0).__reduce__()[0]  # how numpy pickles a number; old files know it by its old place
    allowed += [numpy.dtype, scalar, (scalar, "numpy.core.multiarray.scalar"), *(type(numpy.dtype(code)) for code in "efdbhilqBHILQ?")]
    try:
        mapped = zipfile.is_zipfile(path)
        if zip_is_cut_off(path):
            raise CannotLoad(path, "it is truncated or damaged (the table at the end of its zip is missing)", "Download the file again.")
        with torch.serialization.safe_globals(allowed):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        name = _refused_name(str(error))
        reason = f"it names {name}, which is no part of a model: the file may run a program of its own" if name else "its pickle is damaged"
        raise CannotLoad(path, reason, _CONVERT) from error
    except OSError as error:
        raise CannotLoad(path, f"reading it failed: {error.strerror or error}", "Check the file's permissions and the disk.") from error
    except (RuntimeError, ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise CannotLoad(path, f"it is truncated or damaged ({str(error).splitlines()[0][:160]})", "Download the file again.") from error


def _refused_name(message: str) -> str:
    """The name that torch's unpickler refused ("posix.system"), or "" when it stumbled over something else."""
    for before, after in (("Unsupported global: GLOBAL ", " "), ("Unsupported class ", " "), ("Trying to load unsupported GLOBAL ", " ")):
        if before in message:
            return message.split(before, 1)[1].split(after, 1)[0]
    return ""


def _tensors_in(path: Path, value: Any) -> dict[str, Tensor]:
    """The state dict inside what was unpickled: itself, or under "state_dict" as training programs write it, or several of them by name (IP-Adapters)."""
    if isinstance(value, Mapping) and isinstance(value.get("state_dict"), Mapping):
        value = value["state_dict"]
    if not isinstance(value, Mapping):
        raise CannotLoad(path, f"it holds a {type(value).__name__} instead of a table of tensors", _CONVERT)
    tensors = _named(value) | {f"{outer}.{name}": tensor for outer, inner in value.items() if isinstance(inner, Mapping) for name, tensor in _named(inner).items()}
    if not tensors:
        raise CannotLoad(path, "it holds no tensors", "Choose a model file.")
    return tensors


def _named(value: Mapping[Any, Any]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in value.items() if isinstance(name, str) and isinstance(tensor, Tensor)}
