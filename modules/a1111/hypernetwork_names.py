"""A1111's names around hypernetworks. At work they are a matter of the engine (``engine/hypernetworks.py``): layers apply those of the prompt themselves."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.live import LiveDict
from modules.library.roots import HYPERNETWORK_SUFFIXES


def _listed() -> dict[str, str]:
    files = current().catalogue.hypernetworks() if is_occupied() else ()
    return {each.path.stem: str(each.path) for each in files}


hypernetworks = LiveDict(_listed)
"""Name -> file."""


def list_hypernetworks(path: str) -> dict[str, str]:
    """Name -> file of what lies in ``path`` and below; of equal names the last."""
    found = sorted((each for each in Path(path).rglob("*") if each.suffix.lower() in HYPERNETWORK_SUFFIXES), key=lambda each: str(each).lower())
    return {each.stem: str(each) for each in found if each.stem != "None"}


def apply_hypernetworks(hypernetworks: Any, context: Any, layer: Any = None) -> tuple[Any, Any]:
    """What keys and values are made from. Both are the context: the layers that make them let it through the prompt's hypernetworks."""
    return context, context


def reload_hypernetworks() -> None:
    """Look for them anew."""
    current().catalogue.refresh()
