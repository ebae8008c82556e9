"""Tensors of a GGUF file, each widened from its blocks of few bits as it is read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from modules.library.gguf_header import read_gguf_header
from modules.library.header import TensorEntry
from modules.schema.errors import CannotLoad

_AT_ONCE = 1 << 22                  # values widened at a time
_PLAIN = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64, "I8": torch.int8, "I16": torch.int16,
          "I32": torch.int32, "I64": torch.int64}  # fmt: skip


class GgufWeights:
    """An open GGUF file."""

    def __init__(self, path: Path) -> None:
        self.header = read_gguf_header(path)
        self._file = open(path, "rb")  # noqa: SIM115

    def read(self, name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
        entry = self.header.tensors[name]
        found = torch.empty(math.prod(entry.shape), dtype=dtype, device=device)
        if entry.dtype in _PLAIN:
            raw = torch.frombuffer(bytearray(self._bytes(entry.start, entry.end)), dtype=_PLAIN[entry.dtype]) if len(found) else found
            found.copy_(raw)
        else:
            self._widen(entry, found)
        return found.view(entry.shape)

    def _widen(self, entry: TensorEntry, into: Tensor) -> None:
        from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
        from gguf.quants import dequantize

        kind = GGMLQuantizationType[entry.dtype]
        block, width = GGML_QUANT_SIZES[kind]
        blocks = max(_AT_ONCE // block, 1)
        for first in range(0, len(into) // block, blocks):
            start = entry.start + first * width
            raw: Any = numpy.frombuffer(self._bytes(start, min(start + blocks * width, entry.end)), dtype=numpy.uint8).reshape(-1, width)
            try:
                values = dequantize(raw, kind)
            except (NotImplementedError, KeyError) as error:
                reason = f"its tensors are quantised as {entry.dtype}, which the gguf package cannot widen"
                raise CannotLoad(self.header.path, reason, "Choose another quantisation.") from error
            into[first * block : first * block + values.size] = torch.from_numpy(values.reshape(-1)).to(into)

    def _bytes(self, start: int, end: int) -> bytes:
        try:
            self._file.seek(start)
            found = self._file.read(end - start)
        except OSError as error:
            raise CannotLoad(self.header.path, f"reading it failed: {error.strerror or error}", "Check the disk.") from error
        if len(found) < end - start:
            raise CannotLoad(self.header.path, "it became shorter while it was read", "Wait until its download is complete.")
        return found

    def close(self) -> None:
        self._file.close()
