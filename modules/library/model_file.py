"""One model file as the lists show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from unicodedata import normalize

from modules.families.family import ModelFamily
from modules.families.table import family_named

SHORT_HASH = 10  # hex digits of the SHA-256 that A1111 shows for checkpoints and VAEs


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A checkpoint, VAE, LoRA, embedding or upscaler on disk.

    name: the path inside its root with forward slashes ("sub/model.safetensors").
    kind: "checkpoint", "vae", "lora", "embedding", "upscaler" or "face".
    family_name: None until its header was read. foreign: what it is instead of a checkpoint; damage: what is wrong with it.
    sha256: of the whole file, None until it is known.
    metadata: what the file's header carries (a trainer's notes, strings).
    called: its name without suffix where the file's own is none (one that was never saved).
    native_size: (width, height) it was trained for, by its own metadata or its family; None when neither says.
    """

    path: Path
    name: str
    kind: str
    size: int = 0
    modified: float = 0.0
    created: float = 0.0
    family_name: str | None = None
    sha256: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    native_size: tuple[int, int] | None = None
    foreign: str = ""
    damage: str = ""
    called: str = ""

    @property
    def family(self) -> ModelFamily | None:
        """Its row; None until its header was read, and for a file of none."""
        return family_named(self.family_name) if self.family_name else None

    @property
    def why_not(self) -> str:
        """Why a checkpoint cannot be used, as a sentence; "" for one that can, and for one that nobody has looked into yet."""
        family = self.family
        if self.damage:
            return f"Cannot be loaded: {self.damage.rstrip('.')}."
        if family is not None:
            return "" if family.runs else f"{family.cannot_run[0].upper()}{family.cannot_run[1:]}."
        return f"This is {self.foreign}, not a checkpoint." if self.foreign else ""

    @property
    def short_hash(self) -> str | None:
        return self.sha256[:SHORT_HASH] if self.sha256 else None

    @property
    def title(self) -> str:
        """What A1111's dropdown shows: the name, and the short hash once it is known."""
        return f"{self.name} [{self.short_hash}]" if self.short_hash else self.name

    @property
    def short_title(self) -> str:
        """What infotexts call a second checkpoint: the stem, and the short hash once it is known."""
        return f"{self.stem} [{self.short_hash}]" if self.short_hash else self.stem

    @property
    def stem(self) -> str:
        """The file's name without folder and suffix, in the letters that people type: a Mac may have its "é" as two."""
        return normalize("NFC", self.called or self.path.stem)

    @property
    def model_name(self) -> str:
        """The name without suffix, folders joined by underscores: A1111's ``model_name``."""
        return self.name.rsplit(".", 1)[0].replace("/", "_")
