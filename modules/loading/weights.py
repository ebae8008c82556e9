"""Tensors of one model file, read one at a time by name.

A safetensors file is mapped, not read: what stays in the type of the file costs no memory of its own, and pages
that were converted to another type are given back at once, so that loading never holds a model twice.
"""

from __future__ import annotations

import contextlib
import logging
import math
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from modules.library.header import Header, read_header
from modules.schema.errors import CannotLoad

log = logging.getLogger(__name__)

TORCH_DTYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
_GIVE_BACK = getattr(mmap, "MADV_DONTNEED", None)  # not on Windows
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
    """A mapped safetensors file. ``close`` lets go of the map; tensors that still look into it keep it alive."""

    def __init__(self, header: Header) -> None:
        self.header = header
        try:
            with open(header.path, "rb") as file:
                # private and writable: torch wants writable memory, and a write (a LoRA's) must never reach the file
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, ValueError) as error:
            raise CannotLoad(header.path, f"it cannot be mapped into memory: {error}", "Check the file and the free memory.") from error
        if len(self._map) < header.size:
            raise CannotLoad(header.path, "it became shorter while it was opened", "Wait until its download is complete, then try again.")

    def read(self, name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
        entry = self.header.tensors[name]
        stored = TORCH_DTYPES.get(entry.dtype)
        if stored is None:
            raise CannotLoad(self.header.path, f"tensor {name!r} is of type {entry.dtype}, which torch cannot hold", "Choose an fp16 or fp32 file.")
        if entry.start == entry.end:
            return torch.empty(entry.shape, dtype=dtype, device=device)
        flat = torch.frombuffer(self._map, dtype=stored, count=math.prod(entry.shape), offset=entry.start)
        tensor = flat.view(entry.shape).to(device=device, dtype=dtype)
        if tensor.data_ptr() != flat.data_ptr():
            del flat
            self._give_back(entry.start, entry.end)
        return tensor

    def _give_back(self, start: int, end: int) -> None:
        """Drop the pages wholly inside ``start:end`` from this process; they stay in the system's file cache."""
        first, last = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE, end // mmap.PAGESIZE * mmap.PAGESIZE
        if _GIVE_BACK is not None and last > first:
            self._map.madvise(_GIVE_BACK, first, last - first)

    def close(self) -> None:
        with contextlib.suppress(BufferError):  # a tensor still looks into the map
            self._map.close()


def open_weights(path: Path) -> Weights:
    """Open a model file by what it holds; only .ckpt, .pt, .pth and .bin may hold a pickle.

    Raises CannotLoad saying what is wrong with the file.
    """
    if path.suffix.lower() in PICKLE_SUFFIXES:
        from modules.loading.pickle_weights import is_pickle, open_pickle

        if is_pickle(path):
            return open_pickle(path)
    return SafetensorsWeights(read_header(path))
