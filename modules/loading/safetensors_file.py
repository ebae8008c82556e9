"""Tensors written as a safetensors file, one at a time."""
from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import BinaryIO

import torch
from torch import Tensor

from modules.loading.weights import TORCH_DTYPES
from modules.schema.errors import InvalidValue

WRITABLE: Mapping[torch.dtype, str] = {dtype: name for name, dtype in TORCH_DTYPES.items()}


def write_header(file: BinaryIO, tensors: Iterable[tuple[str, torch.dtype, Iterable[int]]], metadata: Mapping[str, str]) -> None:
    """What stands before the tensors, which follow in this order: name, type and shape of each."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    place = 0
    for name, dtype, shape in tensors:
        sizes = list(shape)
        end = place + torch.Size(sizes).numel() * dtype.itemsize
        header[name] = {"dtype": WRITABLE[dtype], "shape": sizes, "data_offsets": [place, end]}
        place = end
    text = json.dumps(header, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)


def write_tensor(file: BinaryIO, tensor: Tensor) -> None:
    if tensor.numel():
        file.write(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)


def write_safetensors(file: BinaryIO, tensors: Mapping[str, Tensor]) -> None:
    """All of ``tensors``, wherever they lie. Raises InvalidValue for one without values."""
    known = {name: each.detach() for name, each in tensors.items() if isinstance(each, Tensor) and each.dtype in WRITABLE}
    if empty := next((name for name, each in known.items() if each.device.type == "meta"), None):
        raise InvalidValue(f"The tensor {empty!r} has no values: its model was let go of while it was merged.", "Merge again.")
    order = sorted(known, key=lambda name: (-known[name].dtype.itemsize, name))       # so that all are aligned
    write_header(file, ((name, known[name].dtype, known[name].shape) for name in order), {})
    for name in order:
        write_tensor(file, known[name].cpu())
