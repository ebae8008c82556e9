"""What users keep beside a model file: ``NAME.json`` with their notes (A1111's format), and a preview picture."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)
_PICTURES = ("png", "jpg", "jpeg", "webp", "avif", "jxl", "gif")


@dataclass(frozen=True, kw_only=True)
class Card:
    """Texts are "" where the user wrote nothing. preferred_vae: "", "Automatic", "None" or a VAE file's name."""

    description: str = ""
    notes: str = ""
    sd_version: str = ""
    activation_text: str = ""
    negative_text: str = ""
    preferred_weight: float = 0.0
    preferred_vae: str = ""


def read_card(model_path: Path) -> Card:
    """The card of the model at ``model_path``; an empty one when there is none or it cannot be read (which is logged)."""
    values = _values(model_path.with_suffix(".json"))
    description = _text(values, "description") or _description_file(model_path)
    weight = values.get("preferred weight")
    return Card(
        description=description,
        notes=_text(values, "notes"),
        sd_version=_text(values, "sd version"),
        activation_text=_text(values, "activation text"),
        negative_text=_text(values, "negative text"),
        preferred_weight=float(weight) if isinstance(weight, int | float) else 0.0,
        preferred_vae=_text(values, "vae"),
    )


def find_preview(model_path: Path) -> Path | None:
    """The picture beside a model: ``NAME.png`` or ``NAME.preview.png``, and so on for the other formats."""
    for suffix in _PICTURES:
        for middle in ("", ".preview"):
            picture = model_path.with_name(f"{model_path.stem}{middle}.{suffix}")
            if picture.is_file():
                return picture
    return None


def _values(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        log.warning("%s is ignored: it cannot be read (%s)", path, error)
        return {}
    return values if isinstance(values, dict) else {}


def _text(values: dict[str, Any], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""


def _description_file(model_path: Path) -> str:
    try:
        return model_path.with_suffix(".txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
