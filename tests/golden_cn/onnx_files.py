"""ONNX files written by hand, as far as the tests of DWPose need them. Source: onnx.proto of ONNX 1.14."""
from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

_FLOAT, _INT64, _AN_INT, _INTS = 1, 7, 2, 7


def write_onnx(path: Path, nodes: Sequence[tuple[str, Sequence[str], str, Mapping[str, int | Sequence[int]]]], tables: Mapping[str, np.ndarray], *,
               seen: Sequence[int], given: Mapping[str, Sequence[int]]) -> None:
    """nodes: (kind, inputs, output, attributes). seen: the shape of "seen", its input. given: the outputs' shapes."""
    graph = b"".join(_field(1, _node(*node)) for node in nodes) + _field(2, b"graph")
    graph += b"".join(_field(5, _table(name, values)) for name, values in tables.items())
    graph += _field(11, _value("seen", seen)) + b"".join(_field(12, _value(*each)) for each in given.items())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_number(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _number(2, 13)))


def _node(kind: str, inputs: Sequence[str], output: str, attributes: Mapping[str, int | Sequence[int]]) -> bytes:
    parts = [_field(1, each.encode()) for each in inputs] + [_field(2, output.encode()), _field(3, output.encode()), _field(4, kind.encode())]
    for name, value in attributes.items():
        numbers = _number(3, value) + _number(20, _AN_INT) if isinstance(value, int) else b"".join(_number(8, each) for each in value) + _number(20, _INTS)
        parts.append(_field(5, _field(1, name.encode()) + numbers))
    return b"".join(parts)


def _table(name: str, values: np.ndarray) -> bytes:
    kind = _INT64 if values.dtype == np.int64 else _FLOAT
    return b"".join(_number(1, each) for each in values.shape) + _number(2, kind) + _field(8, name.encode()) + _field(9, values.tobytes())


def _value(name: str, shape: Sequence[int]) -> bytes:
    sizes = b"".join(_field(1, _number(1, each)) for each in shape)
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, _FLOAT) + _field(2, sizes)))


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found, value = found + struct.pack("B", value & 127 | 128), value >> 7
    return found + struct.pack("B", value)
