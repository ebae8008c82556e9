"""Files in float8 whose tensors carry a factor each ("scaled fp8", as ComfyUI writes them), read as if they were plain ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from modules.library.header import Header
from modules.schema.errors import CannotLoad

_FACTORS = ("scale_weight", "weight_scale")             # of the ``weight`` beside it: one number, or one per row
_FORM = "comfy_quant"                                   # how the ``weight`` beside it is stored, as JSON
_UNUSED = ("scale_input", "input_scale", "scaled_fp8", _FORM)  # for arithmetic in float8, which we do not do; the mark of the whole file
_READABLE = ("float8_e4m3fn", "float8_e5m2")
_OTHER = "Choose the same model in fp16, bf16, fp8 or GGUF."


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
        _check_form(inner)
        left = {name: entry for name, entry in inner.header.tensors.items() if not name.endswith((*_FACTORS, *_UNUSED))}
        self.header = Header.of(inner.header.path, left, inner.header.metadata, inner.header.size)

    def read(self, name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
        if name not in self._factors:
            return self._inner.read(name, dtype, device)
        factor = self._inner.read(self._factors[name], torch.float32, device)
        tensor = self._inner.read(name, torch.float32, device)
        if factor.numel() not in (1, len(tensor)):
            raise CannotLoad(self.header.path, f"tensor {name!r} has {factor.numel()} factors, neither one nor one per row", _OTHER)
        rows = factor.reshape(-1, *[1] * (tensor.ndim - 1)) if factor.numel() > 1 else factor.reshape(())
        return (tensor * rows).to(dtype)

    def close(self) -> None:
        self._inner.close()


def _check_form(inner: Readable) -> None:
    """Raises CannotLoad where the first tensor says that it is stored in another form: all of a file are alike."""
    first = next((name for name in inner.header.names if name.endswith(_FORM)), None)
    if first is None:
        return
    try:
        said = json.loads(bytes(inner.read(first, torch.uint8, torch.device("cpu")).tolist()))
    except ValueError:
        return
    form = said.get("format") if isinstance(said, dict) else None
    if form not in _READABLE or said.get("convrot"):
        raise CannotLoad(inner.header.path, f"its weights are quantised as {str(form)[:40]!r}, which this version cannot read", _OTHER)
