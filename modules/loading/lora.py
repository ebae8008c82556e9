"""LoRA files: read into changes per layer, found by name or alias as A1111 finds them.

Reading needs no model; engine/adapters.py matches a file with the layers of a loaded checkpoint.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

import torch
from torch import Tensor

from modules.families.detect import family_of
from modules.families.foreign import LORA, foreign_kind
from modules.library.cache import FileCache
from modules.library.header import read_header
from modules.library.model_file import ModelFile
from modules.loading.embeddings import Embedding, are_numbers
from modules.loading.lora_names import TEXT_KEYS, place_of
from modules.loading.stamp import as_it_is
from modules.loading.weights import open_weights
from modules.schema.errors import CannotLoad

log = logging.getLogger(__name__)
NOT_AN_ALIAS = ("none", "addams")       # names that many files carry inside, and that mean nothing; lower case
_SHORT_HASH = 12                        # hex digits in infotexts
_BUNDLED = "bundle_emb."
_KEEP_BYTES = 512 * 2**20


@dataclass(frozen=True, kw_only=True, eq=False)
class Lora:
    """One file's tensors by layer key and part (see lora_names), in the type of the file, on the CPU.

    embeddings: textual inversion embeddings that come with it and are known only while it is active.
    revision: of tensors that somebody changed after they were read; differs for each such change.
    """

    file: ModelFile
    layers: Mapping[str, Mapping[str, Tensor]]
    embeddings: tuple[Embedding, ...] = ()
    revision: int = 0

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for parts in self.layers.values() for tensor in parts.values())

    @property
    def touches_text_encoder(self) -> bool:
        return any(key.startswith(TEXT_KEYS) for key in self.layers)


def read_lora(file: ModelFile) -> Lora:
    """Read a whole file. Raises CannotLoad for a damaged one, one without a tensor that belongs to a layer, or one with values that are no numbers."""
    weights = open_weights(file.path)
    layers: dict[str, dict[str, Tensor]] = {}
    bundled: dict[str, dict[str, Tensor]] = {}
    try:
        _check_kind(file.path, weights.header.shapes)
        for name in weights.header.names:
            stored = getattr(torch, _torch_name(weights.header.dtypes[name]), torch.float32)
            tensor = weights.read(name, stored if stored.is_floating_point else torch.float32, torch.device("cpu"))
            if not are_numbers(tensor):
                raise CannotLoad(file.path, f"the values of {name} are not all numbers, as after a training that failed", "Choose another version of it.")
            if name.startswith(_BUNDLED):
                embedding, _, part = name.removeprefix(_BUNDLED).partition(".")
                bundled.setdefault(embedding, {})[part] = tensor
            else:
                place = place_of(name)
                layers.setdefault(place.layer, {})[place.part] = tensor
    finally:
        weights.close()
    if not layers:
        raise CannotLoad(file.path, "it holds no tensors", "Choose a LoRA file.")
    return Lora(file=file, layers=layers, embeddings=tuple(_bundled_embedding(name, parts) for name, parts in bundled.items()))


def _check_kind(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises CannotLoad for a whole model or another thing in the wrong folder, before its gigabytes are read."""
    if family := family_of(shapes):
        raise CannotLoad(path, f"this is a whole {family.name} model, not a LoRA", "Put it into models/Stable-diffusion and choose it as checkpoint.")
    kind = foreign_kind(shapes)
    if kind is not None and kind is not LORA:
        raise CannotLoad(path, f"this is {kind.title}, not a LoRA", kind.advice)


def _torch_name(dtype: str) -> str:
    return {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}.get(dtype, dtype)


def _bundled_embedding(name: str, parts: Mapping[str, Tensor]) -> Embedding:
    tensors = (parts["clip_l"], parts["clip_g"]) if "clip_l" in parts and "clip_g" in parts else (next(iter(parts.values())),)
    return Embedding(name=name, tensors=tuple(tensor.float() for tensor in tensors))


class LoraShelf:
    """The LoRAs of one server, by file name and by the name that is written inside them. Keeps the last ones it read.

    at_least: how many of them, however large they are. files: the present list. refresh: asked once when a name is missing, because the file may be new.
    facts: where hashes are kept, of this server's time alone when None.
    """

    def __init__(
        self, files: Callable[[], Sequence[ModelFile]], *, metadata_of: Callable[[ModelFile], Mapping[str, str]] | None = None,
        refresh: Callable[[], None] = lambda: None, at_least: Callable[[], int] = lambda: 1, facts: FileCache | None = None,
    ) -> None:
        self._files = files
        self._refresh, self._at_least = refresh, at_least
        self._metadata_of = metadata_of or _metadata
        self._aliases: dict[tuple[Path, float, int], Mapping[str, str]] = {}
        self._kept: dict[tuple[Path, float, int], Lora] = {}
        self._facts = facts or FileCache(None)
        self.other_kinds: Callable[[], Collection[str]] = tuple    # of tags that name no LoRA and that extensions answer for

    def find(self, name: str) -> ModelFile | None:
        """The file that a prompt means by ``name``: a file's own name, else the alias of one file alone. None: no such LoRA."""
        found = self._find(name)
        if found is None:
            self._refresh()
            found = self._find(name)
        return found

    def find_by_hash(self, digits: str) -> ModelFile | None:
        """The file whose ``short_hash`` this is, as far as it is at hand: written by the trainer, or of a file that was ever used. Reading every file takes minutes."""
        return next((file for file in self._files() if digits and self.hash_at_hand(file) == digits), None)

    def load(self, file: ModelFile) -> Lora:
        """The tensors of the file as it is now; kept while there is room. Raises CannotLoad."""
        file = as_it_is(file)
        key = _identity(file)
        lora = self._kept.pop(key, None) or read_lora(file)
        self._kept[key] = lora          # the last used stands last
        while len(self._kept) > max(1, self._at_least()) and sum(each.nbytes for each in self._kept.values()) > _KEEP_BYTES:
            self._kept.pop(next(iter(self._kept)))
        return lora

    def short_hash(self, file: ModelFile) -> str:
        """The 12 digits that infotexts give a LoRA: of the trainer's own hash, else of the file without its header."""
        found = self.hash_at_hand(file)
        if not found:
            found = _hash_without_header(file.path)[:_SHORT_HASH]
            self._facts.put(*_identity(file), weights_hash=found)
            self._facts.save()
        return found

    def hash_at_hand(self, file: ModelFile) -> str:
        """``short_hash`` where no file has to be read for it, else ""."""
        return self._facts.get(*_identity(file)).get("weights_hash") or self._metadata(file).get("sshs_model_hash", "")[:_SHORT_HASH]

    def alias(self, file: ModelFile) -> str:
        """The name that the trainer wrote into the file, or the file's own."""
        return self._metadata(file).get("ss_output_name") or file.stem

    def _find(self, name: str) -> ModelFile | None:
        files, name = self._files(), normalize("NFC", name)
        own = [file for file in files if file.stem == name]
        if own or name.lower() in NOT_AN_ALIAS:
            return own[-1] if own else None
        aliased = [file for file in files if self.alias(file) == name]
        return aliased[0] if len(aliased) == 1 else None

    def _metadata(self, file: ModelFile) -> Mapping[str, str]:
        key = _identity(file)
        if key not in self._aliases:
            try:
                self._aliases[key] = {name: value for name, value in self._metadata_of(file).items() if name in ("ss_output_name", "sshs_model_hash")}
            except CannotLoad as error:
                log.warning("%s", error)
                self._aliases[key] = {}
        return self._aliases[key]


def _identity(file: ModelFile) -> tuple[Path, float, int]:
    return file.path, file.modified, file.size


def _metadata(file: ModelFile) -> Mapping[str, str]:
    return read_header(file.path).metadata if file.path.suffix.lower() == ".safetensors" else {}


def _hash_without_header(path: Path) -> str:
    """SHA-256 of the tensors' part of a safetensors file, so that edited metadata change nothing; of all of any other file."""
    try:
        with open(path, "rb") as file:
            if path.suffix.lower() == ".safetensors":
                file.seek(8 + int.from_bytes(file.read(8), "little"))
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, OverflowError) as error:
        raise CannotLoad(path, f"its hash cannot be computed: {error}", "Refresh the list of LoRAs.") from error
