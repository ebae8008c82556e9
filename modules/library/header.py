"""The header of a .safetensors file: names, shapes, types and places of its tensors. No weight is read.

A file that is no such file is told by its first bytes, and one that ends early by the places in its header.
"""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modules.files.windows_refusal import SHARING_VIOLATION, windows_reason
from modules.schema.errors import CannotLoad

MAX_HEADER_BYTES = 100_000_000  # the limit of the safetensors library itself
DTYPE_BITS: Mapping[str, int] = {
    "F64": 64, "I64": 64, "U64": 64, "C64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16, "U16": 16,
    "I8": 8, "U8": 8, "BOOL": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
_DOWNLOAD_AGAIN = "Download the file again."


@dataclass(frozen=True)
class TensorEntry:
    """One tensor: its type as safetensors spells it ("F16"), its shape, and its bytes ``start:end`` in the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a model file says about itself. size: bytes of the whole file. shapes, dtypes: by tensor name."""

    path: Path
    tensors: Mapping[str, TensorEntry]
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]
    metadata: Mapping[str, str]
    size: int

    @classmethod
    def of(cls, path: Path, tensors: Mapping[str, TensorEntry], metadata: Mapping[str, str], size: int) -> Header:
        """The header with these tensors."""
        shapes = {name: entry.shape for name, entry in tensors.items()}
        dtypes = {name: entry.dtype for name, entry in tensors.items()}
        return cls(path=path, tensors=tensors, shapes=shapes, dtypes=dtypes, metadata=metadata, size=size)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.tensors)


def read_header(path: str | os.PathLike[str]) -> Header:
    """The checked header of ``path``.

    Raises CannotLoad saying what is wrong: not there, not readable, empty, a web page, a pickle, truncated, damaged.
    """
    where = Path(path)
    try:
        with open(where, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            beginning = file.read(512)
            length = int.from_bytes(beginning[:8], "little")
            _check_beginning(where, beginning, length, size)
            file.seek(8)
            text = file.read(length)
    except OSError as error:
        raise unreadable(where, error) from error
    if len(text) < length:
        raise CannotLoad(where, f"it is truncated: its header alone needs {length} bytes, {len(text)} are there", _DOWNLOAD_AGAIN)
    return _parse(where, text, 8 + length, size)


def is_pickle(path: Path) -> bool:
    """Whether the file is torch's zip or an older bare pickle, by its first bytes."""
    try:
        with open(path, "rb") as file:
            beginning = file.read(9)
    except OSError:
        return False  # the reader of headers says what is wrong
    return beginning[8:9] != b"{" and beginning.startswith((b"PK", b"\x80"))


def zip_is_cut_off(path: Path) -> bool:
    """Whether the file begins as torch's zip, and the table at the end of it is missing."""
    with open(path, "rb") as file:
        return file.read(2) == b"PK" and not zipfile.is_zipfile(file)


def _check_beginning(path: Path, beginning: bytes, length: int, size: int) -> None:
    """Tell a file that is no safetensors file by its first bytes."""
    if size == 0:
        raise CannotLoad(path, "it is empty (0 bytes)", _DOWNLOAD_AGAIN)
    is_table = beginning[8:9] == b"{"
    other = None if is_table else _other_kind(beginning)
    if other:
        raise CannotLoad(path, *other)
    if size < 10 or not 2 <= length <= MAX_HEADER_BYTES or not is_table:
        raise CannotLoad(path, f"it is not a safetensors file (it begins with {beginning[:16]!r})", _DOWNLOAD_AGAIN)


def _other_kind(beginning: bytes) -> tuple[str, str] | None:
    """(what the file is, what to do), told by magic bytes; None when it may be a safetensors file."""
    text = beginning.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return "it is a web page, not a model: the download needed a login or another link", "Download the model file itself."
    if text.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the model itself", "Run `git lfs pull`, or download the file from the model's page."
    if beginning.startswith(b"PK\x03\x04"):
        return "it is a zip or a pickle checkpoint under a .safetensors name", "Rename it to .ckpt, or convert it to safetensors."
    if beginning[:1] == b"\x80" and beginning[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "it is a pickle under a .safetensors name", "Rename it to .ckpt, or convert it to safetensors."
    if beginning.startswith(b"GGUF"):
        return "it is a GGUF file under another name", "Rename it to .gguf."
    return None


def unreadable(path: Path, error: OSError) -> CannotLoad:
    """What to tell of a file that the system does not let us read."""
    if isinstance(error, FileNotFoundError):
        return CannotLoad(path, "the file is gone", "Refresh the list that it stands in.")
    if isinstance(error, IsADirectoryError) or path.is_dir():       # Windows says "permission denied" of a folder too
        return CannotLoad(path, "it is a folder, not a file", "Choose a .safetensors file.")
    if windows_reason(error, path) == SHARING_VIOLATION:
        return CannotLoad(path, "another program has it for itself, while it copies or downloads it perhaps", "Wait until that is done, or close that program.")
    if isinstance(error, PermissionError):
        return CannotLoad(path, "this user may not read it (permission denied)", "Change the file's permissions.")
    return CannotLoad(path, f"reading it failed: {error.strerror or error}", "Check the disk, or copy the file again.")


def _parse(path: Path, text: bytes, data_start: int, size: int) -> Header:
    try:
        raw: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CannotLoad(path, f"its header is damaged ({str(error)[:120]})", _DOWNLOAD_AGAIN) from error
    if not isinstance(raw, dict):
        raise CannotLoad(path, "its header is damaged (no table of tensors)", _DOWNLOAD_AGAIN)
    metadata = raw.pop("__metadata__", None)
    tensors: dict[str, TensorEntry] = {}
    for name, entry in raw.items():
        tensors[name] = _entry(path, name, entry, data_start)
    _check_places(path, tensors, size)
    known = {str(key): str(value) for key, value in metadata.items()} if isinstance(metadata, dict) else {}
    return Header.of(path, tensors, known, size)


def _entry(path: Path, name: str, entry: Any, data_start: int) -> TensorEntry:
    """One checked row of the header: every value of its right type, as many bytes as its shape needs."""
    try:
        dtype, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        if not isinstance(dtype, str) or not all(type(n) is int and n >= 0 for n in (*shape, begin, end)):
            raise ValueError("a value of the wrong type")
        if dtype in DTYPE_BITS and (math.prod(shape) * DTYPE_BITS[dtype] + 7) // 8 != end - begin:
            raise ValueError("another length than its shape needs")
    except (KeyError, TypeError, ValueError) as error:
        raise CannotLoad(path, f"its header is damaged at tensor {name!r}", _DOWNLOAD_AGAIN) from error
    if dtype not in DTYPE_BITS:
        raise CannotLoad(path, f"tensor {name!r} is of type {dtype!r}, which this version does not know", "Choose an fp16 or fp32 file.")
    return TensorEntry(dtype, shape, data_start + begin, data_start + end)


def _check_places(path: Path, tensors: Mapping[str, TensorEntry], size: int) -> None:
    """No tensor may lie past the end of the file, none over another."""
    last_end, last_name = 0, ""
    for name, entry in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if entry.start < last_end:
            raise CannotLoad(path, f"its header is damaged: tensors {last_name!r} and {name!r} overlap", _DOWNLOAD_AGAIN)
        last_end, last_name = entry.end, name
    if last_end > size:
        raise CannotLoad(path, f"it is truncated: {_amount(last_end - size)} of {_amount(last_end)} are missing", _DOWNLOAD_AGAIN)


def _amount(size: int) -> str:
    """``size`` in bytes as people say it."""
    if size < 10_000:
        return f"{size} bytes"
    if size < 10_000_000:
        return f"{size / 1000:.0f} kB"
    return f"{size / 1e6:.0f} MB" if size < 10_000_000_000 else f"{size / 1e9:.1f} GB"
