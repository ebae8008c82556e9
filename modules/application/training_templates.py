"""Prompt templates for training, by the names of their files: the user's own, else those that ship."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from modules.files.names import is_macs_note
from modules.schema.errors import InvalidValue, UnknownName

_OURS = Path(__file__).with_name("training_templates")
_MOST_BYTES = 1_000_000


def templates(folder: Path) -> Mapping[str, Path]:
    """Name -> file. folder: the user's (--textual-inversion-templates-dir), with those below it."""
    own = sorted(each for each in folder.rglob("*.txt") if each.is_file() and not is_macs_note(each.name)) if folder.is_dir() else []
    return {each.name: each for each in (*sorted(_OURS.glob("*.txt")), *own)}


def template_lines(folder: Path, name: str) -> list[str]:
    """Of the template ``name``, without empty ones. Raises UnknownName, InvalidValue."""
    known = templates(folder)
    if name not in known:
        raise UnknownName("prompt template", name, known, f"Put it into {folder}, or choose {', '.join(known)}.")
    text = known[name].read_bytes()[:_MOST_BYTES].decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise InvalidValue(f"The prompt template {name} is empty.", "Write a line such as: a photo of [name], [filewords]", field="template_filename")
    return lines
