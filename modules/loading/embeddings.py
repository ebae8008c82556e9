"""Textual inversion embeddings: files that teach a text encoder a new word. The word is the file's name.

Files are read when a prompt names them for the first time, not before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modules.library.model_file import ModelFile
from modules.loading.embedding_images import PICTURE_SUFFIXES, read_picture
from modules.loading.weights import PICKLE_SUFFIXES, open_weights
from modules.schema.errors import CannotLoad

log = logging.getLogger(__name__)
Tokenize = Callable[[str], list[int]]
_SHORT_HASH = 12        # hex digits in infotexts
_FOREIGN = "Choose a textual inversion embedding."


@dataclass(frozen=True, kw_only=True, eq=False)
class Embedding:
    """One embedding. tensors: per text encoder (n, width) float32, n the same for all.

    sha256: of the file, "" while unknown. step, trained_on: what its trainer wrote into it. of_lora: what the prompt calls the LoRA it came in, if any.
    """

    name: str
    tensors: tuple[Tensor, ...]
    sha256: str = ""
    step: int | None = None
    trained_on: str | None = None
    of_lora: str = ""

    @property
    def short_hash(self) -> str:
        """As texts of pictures have it: one without a file of its own bears its LoRA's name there."""
        return self.of_lora or self.sha256[:_SHORT_HASH]

    @property
    def vector_count(self) -> int:
        return len(self.tensors[0])

    @property
    def widths(self) -> tuple[int, ...]:
        """Of each text encoder's vectors: what decides whether it fits a checkpoint."""
        return tuple(tensor.shape[-1] for tensor in self.tensors)

    def vectors(self, encoder: int) -> Tensor:
        return self.tensors[encoder]


def load_embedding(path: Path, sha256: str = "") -> Embedding | None:
    """Read one file; None for a picture that is only a preview. Raises CannotLoad for anything that is no embedding."""
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES:
        values = None if Path(path.stem).suffix.lower() == ".preview" else read_picture(path)
        if values is None:
            return None
        name = str(values.get("name") or path.stem)
    else:
        values, name = _read_file(path), path.stem
    tensors = _tensors(path, values)
    step, trained_on = values.get("step"), values.get("sd_checkpoint_name")
    return Embedding(name=name, tensors=tensors, sha256=sha256, step=step if isinstance(step, int) else None,
                     trained_on=trained_on if isinstance(trained_on, str) else None)


class _ParameterTable:
    """Stands for torch's ParameterDict in files from the first training programs."""

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.parameters = state.get("_parameters", {})


def _read_file(path: Path) -> Mapping[str, Any]:
    if path.suffix.lower() in PICKLE_SUFFIXES:
        from modules.loading.pickle_weights import is_pickle, read_pickle

        if is_pickle(path):
            value = read_pickle(path, [(_ParameterTable, "torch.nn.modules.container.ParameterDict")])
            if not isinstance(value, Mapping):
                raise CannotLoad(path, f"it holds a {type(value).__name__} instead of an embedding", _FOREIGN)
            return value
    weights = open_weights(path)
    try:
        return {name: weights.read(name, torch.float32, torch.device("cpu")) for name in weights.header.names[:3]}
    finally:
        weights.close()


def _tensors(path: Path, values: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """The vectors, from any of the forms in use: A1111's own, SDXL's two encoders, diffusers' one tensor under any name."""
    table = values.get("string_to_param")
    if table is not None:
        table = table.parameters if isinstance(table, _ParameterTable) else table
        found = [_only_tensor(path, table)]
    elif "clip_l" in values and "clip_g" in values:
        found = [values["clip_l"], values["clip_g"]]
    else:
        found = [_only_tensor(path, {name: value for name, value in values.items() if isinstance(value, Tensor)})]
    tensors = tuple((tensor[None] if tensor.ndim == 1 else tensor).detach().to(torch.float32) for tensor in found)
    if any(tensor.ndim != 2 or not tensor.numel() for tensor in tensors) or len({len(tensor) for tensor in tensors}) != 1:
        shapes = ", ".join("x".join(map(str, tensor.shape)) for tensor in tensors)
        raise CannotLoad(path, f"its tensors have the shape {shapes}, which no embedding has", _FOREIGN)
    if not all(map(are_numbers, tensors)):
        raise CannotLoad(path, "its values are not all numbers, as after a training that failed", "Choose another version of it.")
    return tensors


def are_numbers(tensor: Tensor) -> bool:
    """Whether no value is NaN or infinite: one such, and nothing of a picture is left."""
    return bool((tensor.float() if tensor.element_size() == 1 else tensor).isfinite().all())


def _only_tensor(path: Path, table: Any) -> Tensor:
    tensors = [value for value in table.values() if isinstance(value, Tensor)] if isinstance(table, Mapping) else []
    if len(tensors) != 1:
        raise CannotLoad(path, f"it holds {len(tensors) or 'no'} tensors where an embedding has one", _FOREIGN)
    return tensors[0]


class EmbeddingShelf:
    """The embeddings of one server. Keeps what it read for as long as the file stays the same.

    files: the present list; hash_of: a file's SHA-256, asked only for embeddings that are used. registered: gives those that no file stands behind.
    """

    def __init__(self, files: Callable[[], Sequence[ModelFile]], hash_of: Callable[[ModelFile], str] = lambda file: file.sha256 or "") -> None:
        self._files = files
        self._hash_of = hash_of
        self.registered: Callable[[], Iterable[Embedding]] = tuple
        self._names: dict[str, tuple[int, ...]] = {}
        self._read: dict[tuple[Path, float, int], Embedding | CannotLoad | None] = {}

    def finder(self, tokenize: Tokenize, widths: tuple[int, ...], also: Sequence[Embedding] = ()) -> ShelfFinder:
        """For one job on a checkpoint whose text encoders have these widths.

        also: embeddings from elsewhere (inside a LoRA); they and registered ones stand before files of the same name.
        """
        by_name: dict[str, ModelFile | Embedding] = {name: file for file in self._files() if (name := self._name(file))}  # the later of two
        by_name |= {embedding.name: embedding for embedding in (*self.registered(), *also)}
        for name in by_name.keys() - self._names.keys():
            self._names[name] = tuple(tokenize(name))
        return ShelfFinder(self, [(self._names[name], file) for name, file in by_name.items()], widths)

    def load(self, file: ModelFile) -> Embedding | None:
        """The file's embedding; None for a preview picture. Raises CannotLoad, the second time without reading again where the file is at fault."""
        key = (file.path, file.modified, file.size)
        if key not in self._read:
            try:
                embedding = load_embedding(file.path)
                self._read[key] = None if embedding is None else replace(embedding, sha256=self._hash_of(file))
            except CannotLoad as error:
                log.warning("%s", error)
                if isinstance(error.__cause__, PermissionError):
                    raise               # the right to read it is given without a change to the file
                self._read[key] = error
        found = self._read[key]
        if isinstance(found, CannotLoad):
            raise found
        return found

    def _name(self, file: ModelFile) -> str:
        """Pictures carry their name inside; all others go by their file's."""
        if file.path.suffix.lower() not in PICTURE_SUFFIXES:
            return file.stem
        try:
            embedding = self.load(file)
        except CannotLoad:
            return ""
        return embedding.name if embedding else ""


class ShelfFinder:
    """Finds embeddings by the tokens of their names, the longest first. problems: of those that were named and left out."""

    def __init__(self, shelf: EmbeddingShelf, named: Sequence[tuple[tuple[int, ...], ModelFile | Embedding]], widths: tuple[int, ...]) -> None:
        self._shelf = shelf
        self._widths = widths
        self._files: dict[tuple[int, ...], list[ModelFile | Embedding]] = {}
        self._lengths: dict[int, list[int]] = {}        # of the names that begin with a token
        self.problems: list[str] = []
        for tokens, file in named:
            if tokens:
                self._files.setdefault(tokens, []).append(file)
                self._lengths.setdefault(tokens[0], []).append(len(tokens))
        for first, lengths in self._lengths.items():
            self._lengths[first] = sorted(set(lengths), reverse=True)

    def find(self, tokens: Sequence[int], position: int) -> tuple[Embedding, int] | None:
        for length in self._lengths.get(tokens[position], ()):
            for file in self._files.get(tuple(tokens[position : position + length]), ()):
                embedding = self._fitting(file)
                if embedding is not None:
                    return embedding, length
        return None

    def _fitting(self, file: ModelFile | Embedding) -> Embedding | None:
        if isinstance(file, Embedding):
            embedding = file
        else:
            try:
                embedding = self._shelf.load(file)
            except CannotLoad as error:
                self._problem(f"The embedding {file.stem!r} was left out. {error}")
                return None
        if embedding is not None and embedding.widths != self._widths:
            ours, needed = (" + ".join(map(str, widths)) for widths in (embedding.widths, self._widths))
            self._problem(f"The embedding {embedding.name!r} was left out: its vectors have {ours} values, this checkpoint needs "
                          f"{needed}. Choose an embedding that was trained for this kind of checkpoint.")
            return None
        return embedding

    def _problem(self, sentence: str) -> None:
        if sentence not in self.problems:
            self.problems.append(sentence)
