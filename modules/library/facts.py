"""What a file's header tells the lists: its family, the size it was trained for, and its maker's notes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modules.families.detect import family_of_file
from modules.families.foreign import foreign_kind, quantised_kind
from modules.families.table import KNOWN_KINDS, family_named
from modules.library.checkpoint_names import as_checkpoint
from modules.library.diffusers_folder import is_diffusers_folder, read_folder
from modules.library.gguf_header import read_gguf_header
from modules.library.header import Header, read_header
from modules.schema.errors import CannotLoad

_KEPT = ("modelspec.", "ss_output_name", "ss_base_model_version", "ss_v2", "ss_network_module", "ss_sd_model_name", "sshs_model_hash")
UNKNOWN = "a file of a kind that this version does not know"
_LONGEST = 1000  # thumbnails and tag tables stay in the file; `metadata_of` reads them when asked
_RESOLUTION = re.compile(r"(\d+)\s*x\s*(\d+)")


@dataclass(frozen=True, kw_only=True)
class HeaderFacts:
    """family_name: None when it is no family we know. foreign: what it is instead ("a LoRA"), "" otherwise. damage: what is wrong with the file."""

    family_name: str | None = None
    foreign: str = ""
    damage: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def native_size(self) -> tuple[int, int] | None:
        """(width, height) in pixels: by the file's own notes, else by its family."""
        match = _RESOLUTION.fullmatch(self.metadata.get("modelspec.resolution", "").strip())
        if match and all(64 <= int(side) <= 8192 for side in match.groups()):
            return int(match[1]), int(match[2])
        family = family_named(self.family_name) if self.family_name else None
        return family.native_size if family else None

    def to_json(self) -> dict[str, Any]:
        return {"known": KNOWN_KINDS, "family": self.family_name, "foreign": self.foreign, "damage": self.damage, "metadata": dict(self.metadata)}

    @classmethod
    def from_json(cls, value: Any) -> HeaderFacts | None:
        """None when ``value`` was not made by ``to_json`` of a program that knows the same kinds of files."""
        if not isinstance(value, dict) or not isinstance(value.get("metadata"), dict) or value.get("known") != KNOWN_KINDS:
            return None
        family, foreign = value.get("family"), value.get("foreign")
        metadata = {str(key): str(text) for key, text in value["metadata"].items()}
        return cls(family_name=family if isinstance(family, str) else None, foreign=str(foreign or ""), damage=str(value.get("damage") or ""), metadata=metadata)


def read_facts(path: Path) -> HeaderFacts:
    """The facts in the header of a .safetensors or .gguf file or a folder in diffusers' layout; none for a file of another format."""
    try:
        if is_diffusers_folder(path):
            return facts_in(read_folder(path).header)
        suffix = path.suffix.lower()
        if suffix == ".gguf":
            return facts_in(read_gguf_header(path))
        return facts_in(as_checkpoint(read_header(path))) if suffix in (".safetensors", ".sft") else HeaderFacts()
    except CannotLoad as error:
        return HeaderFacts(damage=error.reason)


def facts_in(header: Header) -> HeaderFacts:
    unreadable = quantised_kind(header.shapes)
    family = None if unreadable else family_of_file(header)
    foreign = unreadable or (foreign_kind(header.shapes) if family is None else None)
    metadata = {key: value for key, value in header.metadata.items() if key.startswith(_KEPT) and len(value) <= _LONGEST}
    unknown = UNKNOWN if family is None and foreign is None and header.shapes else ""
    return HeaderFacts(family_name=family.name if family else None, foreign=foreign.title if foreign else unknown, metadata=metadata)
