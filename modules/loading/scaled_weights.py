"""Files in float8 whose tensors carry a factor each ("scaled fp8", as ComfyUI writes them), read as if they were plain ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from modules.library.header import Header

_FACTORS = ("scale_weight", "weight_scale")             # of the ``weight`` beside it: one number, or one per row
_UNUSED = ("scale_input", "input_scale", "scaled_fp8")  # for arithmetic in float8, which we do not do; the mark of the whole file


class Readable(Protocol):
    """An open model file."""

    header: Header

    def read(self, name: str, dtype: torch.dtype, device: torch.device) -> Tensor: ...

    def close(self) -> None: ...


def has_factors(header: Header) -> bool:
    return any(name.endswith(_FACTORS) for name in header.names)


class ScaledWeights:
    """``inner``'s tensors times their factors, which are no tensors of their own here."""

    def __init__(self, inner: Readable) -> None:
        self._inner = inner
        self._factors: Mapping[str, str] = {
            f"{name.rpartition('.')[0]}.weight": name for name in inner.header.names if name.endswith(_FACTORS)
        }
        left = {name: entry for name, entry in inner.header.tensors.items() if not name.endswith((*_FACTORS, *_UNUSED))}
        self.header = Header.of(inner.header.path, left, inner.header.metadata, inner.header.size)

    def read(self, name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
        if name not in self._factors:
            return self._inner.read(name, dtype, device)
        factor = self._inner.read(self._factors[name], torch.float32, device)
        tensor = self._inner.read(name, torch.float32, device)
        rows = factor.reshape(-1, *[1] * (tensor.ndim - 1)) if factor.numel() > 1 else factor.reshape(())
        return (tensor * rows).to(dtype)

    def close(self) -> None:
        self._inner.close()
