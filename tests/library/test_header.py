"""Headers are read without weights, and every kind of damage gets its own sentence."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.library.header import Header, read_header
from modules.schema.errors import CannotLoad

TWO = {
    "__metadata__": {"made by": "a test"},
    "a": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]},
    "b": {"dtype": "F32", "shape": [], "data_offsets": [12, 16]},
}


def packed(table: object, data: bytes = bytes(16)) -> bytes:
    text = json.dumps(table).encode()
    return len(text).to_bytes(8, "little") + text + data


def written(folder: Path, content: bytes) -> Path:
    path = folder / "model.safetensors"
    path.write_bytes(content)
    return path


def test_names_shapes_types_places_and_notes(tmp_path: Path) -> None:
    header = read_header(written(tmp_path, packed(TWO)))
    assert header.names == ("a", "b")
    assert header.shapes == {"a": (2, 3), "b": ()}
    assert header.dtypes == {"a": "F16", "b": "F32"}
    assert header.metadata == {"made by": "a test"}
    assert header.size == header.path.stat().st_size == header.tensors["b"].end
    assert header.tensors["a"].end - header.tensors["a"].start == 12


def _changed(**changes: object) -> bytes:
    return packed(TWO | {"a": {**TWO["a"], **changes}})


DAMAGE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it is empty"),
    "a web page": (b"<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
    "a web page after blanks": (b"\n\n  <html lang='en'>" + bytes(100), "web page"),
    "xml": (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "web page"),
    "an LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer"),
    "torch's zip": (b"PK\x03\x04" + bytes(100), "pickle"),
    "a bare pickle": (pickle.dumps({"a": list(range(50))}, protocol=2), "pickle"),
    "a new pickle": (pickle.dumps({"a": list(range(50))}), "pickle"),
    "gguf": (b"GGUF" + bytes(100), "GGUF"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a safetensors file"),
    "text": (b"hello, this is not a model at all", "not a safetensors file"),
    "three bytes": (b"abc", "not a safetensors file"),
    "zeros": (bytes(4096), "not a safetensors file"),
    "length lies, huge": (b"\xff" * 8 + b"{}", "not a safetensors file"),
    "length lies, beyond the end": ((5000).to_bytes(8, "little") + b"{}" + bytes(50), "truncated: its header alone needs 5000"),
    "length lies, too short": ((20).to_bytes(8, "little") + packed(TWO)[8:], "header is damaged"),
    "json of the wrong kind": (packed([1, 2]), "not a safetensors file"),
    "deep json": ((60_000).to_bytes(8, "little") + b'{"a":' + b"[" * 59_995, "header is damaged"),
    "no data": (packed(TWO, b""), "truncated: 16 bytes of"),
    "one byte short": (packed(TWO, bytes(15)), "truncated: 1 bytes of"),
    "overlap": (_changed(data_offsets=[4, 16]), "overlap"),
    "wrong length": (_changed(data_offsets=[0, 10]), "damaged at tensor 'a'"),
    "backwards": (_changed(data_offsets=[12, 0]), "damaged at tensor 'a'"),
    "negative shape": (_changed(shape=[-2, -3]), "damaged at tensor 'a'"),
    "fractions": (_changed(shape=[2.0, 3]), "damaged at tensor 'a'"),
    "truth for numbers": (_changed(shape=[True, 6]), "damaged at tensor 'a'"),
    "no offsets": (packed({"a": {"dtype": "F16", "shape": [2]}}), "damaged at tensor 'a'"),
    "entry is no table": (packed({"a": 3}), "damaged at tensor 'a'"),
    "unknown type": (_changed(dtype="F12"), "type 'F12'"),
    "type is a list": (_changed(dtype=["F16"]), "damaged at tensor 'a'"),
    "huge shape": (_changed(shape=[2**62, 2**62]), "damaged at tensor 'a'"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(name: str, tmp_path: Path) -> None:
    content, expected = DAMAGE[name]
    path = written(tmp_path, content)
    with pytest.raises(CannotLoad) as raised:
        read_header(path)
    assert expected in raised.value.reason
    assert str(path) in str(raised.value) and raised.value.remedy


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, len(packed(TWO)) - 1))
def test_a_file_cut_anywhere_is_refused(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(CannotLoad):
        read_header(written(tmp_path_factory.mktemp("cut"), packed(TWO)[:cut]))


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=400), place=st.integers(0, 150))
def test_any_bytes_are_read_or_refused_with_a_sentence(content: bytes, place: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    whole = bytearray(packed(TWO))
    whole[place : place + len(content)] = content
    try:
        assert isinstance(read_header(written(tmp_path_factory.mktemp("any"), bytes(whole))), Header)
    except CannotLoad as error:
        assert error.reason


def _missing(folder: Path) -> Path:
    return folder / "nothing.safetensors"


def _folder(folder: Path) -> Path:
    (folder / "folder.safetensors").mkdir()
    return folder / "folder.safetensors"


@pytest.mark.parametrize(("make", "expected"), [(_missing, "the file is gone"), (_folder, "it is a folder")])
def test_what_cannot_be_opened_is_named(make: Callable[[Path], Path], expected: str, tmp_path: Path) -> None:
    with pytest.raises(CannotLoad, match=expected):
        read_header(make(tmp_path))


@pytest.mark.parametrize(("code", "said"), [(32, "another program has it for itself"), (5, "may not read it")])
def test_a_file_that_windows_keeps_from_us_is_named(code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, packed(TWO))

    def refuse(*_: object) -> None:
        error = PermissionError(13, "The process cannot access the file")
        error.winerror = code  # type: ignore[attr-defined]
        raise error

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(CannotLoad, match=said):
        read_header(path)


def test_a_file_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, packed(TWO))
    if os.name == "nt" or os.geteuid() == 0:  # root may read everything: let open() refuse as it does for others

        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("builtins.open", refuse)
    else:
        path.chmod(0)
    with pytest.raises(CannotLoad, match="permission denied"):
        read_header(path)
