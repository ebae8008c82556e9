"""Writing what users keep beside a model file. What other programs keep in the same ``NAME.json`` stays as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modules.files.atomic import write_bytes, write_json
from modules.library.card import DRAW_WITH
from modules.schema.errors import InvalidValue

# our names -> A1111's keys in NAME.json
KEYS = {
    "description": "description",
    "notes": "notes",
    "sd_version": "sd version",
    "activation_text": "activation text",
    "negative_text": "negative text",
    "preferred_weight": "preferred weight",
    "vae": "vae",
    **{name: wish.key for name, wish in DRAW_WITH.items()},
}
TEXT_LIMIT = 65_536  # characters


def read_sidecar(model_path: Path) -> dict[str, Any]:
    """All of ``NAME.json``; empty when there is none. Raises InvalidValue when it is there and is no JSON object."""
    path = model_path.with_suffix(".json")
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidValue(f"{path.name} cannot be read ({error}).", "Repair it or move it away, then save again.") from error
    if not isinstance(values, dict):
        raise InvalidValue(f"{path.name} holds no JSON object.", "Repair it or move it away, then save again.")
    return values


def save_card(model_path: Path, fields: Mapping[str, Any]) -> None:
    """Put ``fields`` (by the names in KEYS) into ``NAME.json``; every other field in it is kept, and the file before as ``.bak``.

    Raises InvalidValue for a value of the wrong kind, or when the file that is there cannot be read; StorageError.
    """
    values = read_sidecar(model_path)
    values.update({KEYS[name]: _checked(name, value) for name, value in fields.items() if name in KEYS})
    for name, wish in DRAW_WITH.items():
        if name in fields and not fields[name]:     # asks for nothing any more
            values.pop(wish.key, None)
    write_json(model_path.with_suffix(".json"), values, backup=True)


def save_preview(model_path: Path, png: bytes) -> Path:
    """Make ``png`` the model's picture: ``NAME.png``, which is found before all others. Raises StorageError."""
    path = model_path.with_suffix(".png")
    write_bytes(path, png)
    return path


def _checked(name: str, value: Any) -> Any:
    if name == "preferred_weight":
        if isinstance(value, bool) or not isinstance(value, int | float) or not -100 <= value <= 100:
            raise InvalidValue("The preferred weight must be a number between -100 and 100.", field=name)
        return value
    wish = DRAW_WITH.get(name)
    if wish is not None and wish.kind is not str:
        if value and not wish.holds(value):
            raise InvalidValue(f"{wish.label} must be a number between {wish.low:g} and {wish.high:g}, or 0 for none.", field=name)
        return value
    if not isinstance(value, str) or len(value) > TEXT_LIMIT:
        raise InvalidValue(f"{KEYS[name]} must be text of at most {TEXT_LIMIT:,} characters.", field=name)
    return value
