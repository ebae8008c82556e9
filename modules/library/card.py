"""What users keep beside a model file: ``NAME.json`` with their notes (A1111's format), and a preview picture."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)
NOTES = (".json", ".txt", ".description.txt")  # beside NAME.safetensors; the first that has a description counts
_PICTURES = ("png", "jpg", "jpeg", "webp", "avif", "jxl", "gif")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A value that a checkpoint asks for. key: in NAME.json. kind: str, int or float. low, high: what a number may be."""

    key: str
    label: str
    kind: type
    low: float = 0.0
    high: float = 0.0

    def holds(self, value: object) -> bool:
        """Whether ``value`` asks for something: no empty text, no number out of range."""
        if self.kind is str:
            return isinstance(value, str) and bool(value)
        if not isinstance(value, int | float) or isinstance(value, bool) or not self.low <= value <= self.high:
            return False                # nor what JSON has for no number: NaN
        return self.kind is float or value == int(value)


# A1111's API names -> what is written down; ``clip_skip`` is a setting
DRAW_WITH: Mapping[str, Wish] = {
    "sampler_name": Wish(key="sampler", label="Sampling method", kind=str),
    "scheduler": Wish(key="scheduler", label="Schedule type", kind=str),
    "steps": Wish(key="steps", label="Steps", kind=int, low=1, high=150),
    "cfg_scale": Wish(key="cfg scale", label="CFG Scale", kind=float, low=1, high=30),
    "width": Wish(key="width", label="Width", kind=int, low=64, high=2048),
    "height": Wish(key="height", label="Height", kind=int, low=64, high=2048),
    "clip_skip": Wish(key="clip skip", label="Clip skip", kind=int, low=1, high=12),
}


@dataclass(frozen=True, kw_only=True)
class Card:
    """Texts are "" where the user wrote nothing. preferred_vae: "", "Automatic", "None" or a VAE file's name.

    draw_with: what a checkpoint asks for, by the names of DRAW_WITH, where the user wrote something.
    """

    description: str = ""
    notes: str = ""
    sd_version: str = ""
    activation_text: str = ""
    negative_text: str = ""
    preferred_weight: float = 0.0
    preferred_vae: str = ""
    draw_with: Mapping[str, Any] = field(default_factory=dict)


def read_card(model_path: Path) -> Card:
    """The card of the model at ``model_path``; an empty one when there is none or it cannot be read (which is logged)."""
    values = _values(model_path.with_suffix(NOTES[0]))
    description = _text(values, "description") or _description_file(model_path)
    return Card(
        description=description,
        notes=_text(values, "notes"),
        sd_version=_text(values, "sd version"),
        activation_text=_text(values, "activation text"),
        negative_text=_text(values, "negative text"),
        preferred_weight=_weight(values.get("preferred weight")),
        preferred_vae=_text(values, "vae"),
        draw_with={name: values[each.key] for name, each in DRAW_WITH.items() if each.holds(values.get(each.key))},
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


def _weight(value: object) -> float:
    """Other programs write it as text; 0.0, which asks for nothing, for what is no number."""
    try:
        weight = float(value) if isinstance(value, int | float | str) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return weight if math.isfinite(weight) else 0.0


def _description_file(model_path: Path) -> str:
    for ending in NOTES[1:]:
        try:
            return model_path.with_suffix(ending).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
    return ""
