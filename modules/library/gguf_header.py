"""The header of a GGUF file, as llama.cpp's, stable-diffusion.cpp's and ComfyUI's converters write it. No weight is read.

Long lists in it (a tokenizer's words) are passed over unread.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from modules.library.checkpoint_names import as_checkpoint
from modules.library.header import Header, TensorEntry, unreadable
from modules.schema.errors import CannotLoad

MAGIC = b"GGUF"
_AGAIN = "Download the file again."
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_LONGEST_TEXT, _LONGEST_LIST, _MOST = 1 << 20, 64, 1 << 20
_SHAPE_KEY = "comfy.gguf.orig_shape."
_ALIGNMENT = 32


def is_gguf(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(4) == MAGIC
    except OSError:
        return False  # the reader of headers says what is wrong


def read_gguf_header(path: Path) -> Header:
    """Types are ggml's names ("Q4_K", "F16"). A UNet alone gets the names that it has in a checkpoint. Raises CannotLoad."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            return _Reader(path, file, size).header()
    except OSError as error:
        raise unreadable(path, error) from error


class _Reader:
    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self._path, self._file, self._size = path, file, size

    def header(self) -> Header:
        magic, version, tensors, values = self._take("4sIQQ")
        if magic != MAGIC or version not in (2, 3):
            raise CannotLoad(self._path, f"it is a GGUF file of version {version}, which this version cannot read", "Choose another file of the model.")
        if tensors > _MOST or values > _MOST:
            raise self._damaged(f"{tensors} tensors and {values} values")
        known: dict[str, Any] = {}
        for _ in range(values):
            key = self._text()
            known[key] = self._value(self._take("I")[0])
        rows = [self._row() for _ in range(tensors)]
        alignment = known.get("general.alignment", _ALIGNMENT)
        if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 16:
            raise self._damaged("the alignment")
        start = -(-self._file.tell() // alignment) * alignment
        entries = {name: self._entry(name, shape, kind, start + offset, known) for name, shape, kind, offset in rows}
        self._check_end(entries)
        texts = {key: value for key, value in known.items() if isinstance(value, str)}
        return as_checkpoint(Header.of(self._path, entries, texts, self._size))

    def _row(self) -> tuple[str, tuple[int, ...], int, int]:
        name = self._text()
        (dimensions,) = self._take("I")
        if dimensions > 8:
            raise self._damaged(f"tensor {name[:80]!r}")
        shape = self._take(f"{dimensions}Q")[::-1]
        kind, offset = self._take("IQ")
        return name, shape, kind, offset

    def _entry(self, name: str, shape: tuple[int, ...], kind: int, start: int, known: Mapping[str, Any]) -> TensorEntry:
        title, block, width = _kind(kind)
        if not title:
            raise CannotLoad(self._path, f"tensor {name[:80]!r} is of ggml type {kind}, which this version does not know", "Choose another quantisation.")
        count = math.prod(shape)
        if count % block:
            raise self._damaged(f"tensor {name[:80]!r}")
        own = known.get(_SHAPE_KEY + name)
        if isinstance(own, list) and math.prod(own) == count:
            shape = tuple(own)
        return TensorEntry(title, shape, start, start + count // block * width)

    def _check_end(self, entries: Mapping[str, TensorEntry]) -> None:
        end = max((entry.end for entry in entries.values()), default=0)
        if end > self._size:
            raise CannotLoad(self._path, f"it is truncated: {(end - self._size) / 1e6:,.1f} MB of {end / 1e6:,.1f} MB are missing", _AGAIN)

    def _value(self, kind: int) -> Any:
        """A number, a text, a short list of numbers; None for what is passed over."""
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY:
            return self._take(_NUMBERS.get(kind, ""))[0] if kind in _NUMBERS else self._refuse(kind)
        inner, length = self._take("IQ")
        if inner == _STRING:
            for _ in range(self._bounded(length, 8)):
                self._file.seek(self._bounded(self._take("Q")[0], 1), os.SEEK_CUR)
            return None
        if inner not in _NUMBERS:
            return self._refuse(inner)
        if length <= _LONGEST_LIST:
            return list(self._take(f"{length}{_NUMBERS[inner]}"))
        self._file.seek(self._bounded(length, struct.calcsize(_NUMBERS[inner])) * struct.calcsize(_NUMBERS[inner]), os.SEEK_CUR)
        return None

    def _bounded(self, count: int, each: int) -> int:
        """``count`` things of ``each`` bytes or more must still be in the file."""
        if count * each > self._size - self._file.tell():
            raise self._damaged("a list that is longer than the file")
        return count

    def _refuse(self, kind: int) -> Any:
        raise self._damaged(f"a value of type {kind}")

    def _text(self) -> str:
        (length,) = self._take("Q")
        if length > _LONGEST_TEXT:
            raise self._damaged("a text that is too long")
        return self._bytes(length).decode("utf-8", errors="replace")

    def _take(self, form: str) -> tuple[Any, ...]:
        return struct.unpack(f"<{form}", self._bytes(struct.calcsize(f"<{form}")))

    def _bytes(self, count: int) -> bytes:
        found = self._file.read(count)
        if len(found) < count:
            raise CannotLoad(self._path, "it is truncated: it ends inside its header", _AGAIN)
        return found

    def _damaged(self, what: str) -> CannotLoad:
        return CannotLoad(self._path, f"its header is damaged ({what})", _AGAIN)


def _kind(number: int) -> tuple[str, int, int]:
    """(name, values in a block, bytes of a block) of a ggml type; ("", 1, 1) when nobody knows it."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    try:
        kind = GGMLQuantizationType(number)
        return (kind.name, *GGML_QUANT_SIZES[kind])
    except (ValueError, KeyError):
        return "", 1, 1
