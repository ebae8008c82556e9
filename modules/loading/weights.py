"""Tensors of one model file, read one at a time by name.

Every tensor gets memory of its own, and is converted on the way through a small buffer. Nothing stays mapped: the system ends a program
that looks into a map of a file which somebody has shortened or copied another one over.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import closing
from io import FileIO
from pathlib import Path
from typing import NoReturn, Protocol

import torch
from torch import Tensor

from modules.library.checkpoint_names import as_checkpoint
from modules.library.diffusers_folder import DiffusersFolder, is_diffusers_folder, read_folder
from modules.library.gguf_header import is_gguf
from modules.library.header import Header, read_header
from modules.loading.scaled_weights import ScaledWeights, has_factors
from modules.schema.errors import CannotLoad, FileChanged

TORCH_DTYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
_BUFFER_BYTES = 1 << 21  # small enough to stay in the processor's cache
WATCHED, _LATELY = 1.0, 600.0      # seconds; copies over a network come in bursts, and its clock may differ from ours
PICKLE_SUFFIXES = frozenset({".ckpt", ".pt", ".pth", ".bin"})


class Weights(Protocol):
    """A model file opened for reading."""

    @property
    def header(self) -> Header: ...

    def read(self, name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
        """The tensor called ``name`` in ``dtype`` on ``device``."""
        ...

    def close(self) -> None: ...


class SafetensorsWeights:
    """An open safetensors file."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self._buffer: bytearray | None = None
        try:
            self._file = open(header.path, "rb", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise CannotLoad(header.path, f"reading it failed: {error.strerror or error}", "Refresh the list of models.") from error
        self._version = _version_of(self._file)

    def read(self, name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
        entry = self.header.tensors[name]
        stored = TORCH_DTYPES.get(entry.dtype)
        if stored is None:
            reason = f"tensor {name!r} is of type {entry.dtype}, which torch cannot hold"
            raise CannotLoad(self.header.path, reason, "Choose an fp16 or fp32 file.")
        tensor = torch.empty(entry.shape, dtype=dtype, device=device)
        self._file.seek(entry.start)
        self._fill(tensor.view(-1), stored)
        return tensor

    def _fill(self, flat: Tensor, stored: torch.dtype) -> None:
        """Read ``flat.numel()`` values of type ``stored`` from where the file stands."""
        if flat.numel() and flat.dtype is stored and flat.device.type == "cpu":
            self._read_exactly(flat.view(torch.uint8).numpy().data)
            return
        if self._buffer is None:
            self._buffer = bytearray(_BUFFER_BYTES)
        raw, values = memoryview(self._buffer), torch.frombuffer(self._buffer, dtype=stored)
        for first in range(0, flat.numel(), len(values)):
            count = min(len(values), flat.numel() - first)
            self._read_exactly(raw[: count * stored.itemsize])
            flat[first : first + count].copy_(values[:count])

    def opened_again(self) -> SafetensorsWeights:
        """The same file, open once more. Raises CannotLoad where another one stands there by now."""
        other = SafetensorsWeights(self.header)
        if other._version != self._version:
            other.close()
            self._refuse_other()
        return other

    def check_unchanged(self) -> None:
        """Raises CannotLoad when somebody wrote to the file since it was opened; one that was deleted or moved is still there for us."""
        if _version_of(self._file) != self._version:
            self._refuse_other()

    def _refuse_other(self) -> NoReturn:
        raise FileChanged(self.header.path, "it was overwritten since the model was loaded", "Generate again: the file is then read anew.")

    def _read_exactly(self, into: memoryview) -> None:
        done = 0
        try:
            while done < len(into):
                got = self._file.readinto(into[done:])
                if not got:
                    raise FileChanged(self.header.path, "it became shorter while it was read", "Wait until its download is complete.")
                done += got
        except OSError as error:
            raise CannotLoad(self.header.path, f"reading it failed: {error.strerror or error}", "Check the disk.") from error

    def close(self) -> None:
        self._file.close()
        self._buffer = None


def _version_of(file: FileIO) -> tuple[int, ...]:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def stored_dtype(weights: Weights, name: str) -> torch.dtype | None:
    """The type that a tensor has in the file; None for one that torch has not (quantised ones)."""
    stored = weights.header.dtypes[name]
    found = TORCH_DTYPES.get(stored) or getattr(torch, stored, None)
    return found if isinstance(found, torch.dtype) else None


class FolderWeights:
    """A folder in diffusers' layout, read under the names of the original one."""

    def __init__(self, folder: DiffusersFolder) -> None:
        self.header = folder.header
        self._sources = folder.sources
        self._files: dict[Path, SafetensorsWeights] = {}

    def read(self, name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
        source = self._sources[name]
        if source.file not in self._files:
            self._files[source.file] = SafetensorsWeights(read_header(source.file))
        return self._files[source.file].read(source.name, dtype, device)

    def close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()


def open_weights(path: Path) -> Weights:
    """Open a model file, or a folder in diffusers' layout, by what it holds; only .ckpt, .pt, .pth and .bin may hold a pickle.

    Raises CannotLoad saying what is wrong with the file, FileChanged where it is not whole yet.
    """
    try:
        return _opened(path)
    except CannotLoad as error:
        if is_growing(path):
            raise FileChanged(path, f"it is still being copied ({_megabytes(path)} are there so far)", "Wait until it is whole, then generate again.") from error
        raise


def is_growing(path: Path) -> bool:
    """Whether somebody writes to the file: looked at for a second, and only where it was written to lately."""
    try:
        first = path.stat()
        if abs(time.time() - first.st_mtime) > _LATELY:
            return False
        until = time.monotonic() + WATCHED
        while time.monotonic() < until:
            time.sleep(0.05)
            now = path.stat()
            if (now.st_size, now.st_mtime_ns) != (first.st_size, first.st_mtime_ns):
                return True
    except OSError:
        return False
    return False


def _megabytes(path: Path) -> str:
    try:
        return f"{path.stat().st_size / 1e6:,.0f} MB"
    except OSError:
        return "0 MB"


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All of a file, in float32 on the processor: for networks that are small. Raises CannotLoad."""
    with closing(open_weights(path)) as weights:
        return {name: weights.read(name, torch.float32, torch.device("cpu")) for name in weights.header.names}


def _opened(path: Path) -> Weights:
    if is_diffusers_folder(path):
        return FolderWeights(read_folder(path))
    if is_gguf(path):
        from modules.loading.gguf_weights import GgufWeights

        return GgufWeights(path)
    if path.suffix.lower() in PICKLE_SUFFIXES:
        from modules.loading.pickle_weights import is_pickle, open_pickle

        if is_pickle(path):
            return open_pickle(path)
    plain = SafetensorsWeights(as_checkpoint(read_header(path)))
    return ScaledWeights(plain) if has_factors(plain.header) else plain
