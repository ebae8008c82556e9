"""A1111's ``patches``: a function replaced under a key, and put back."""
from __future__ import annotations

from typing import Any

_originals: dict[tuple[Any, Any, str], Any] = {}


def patch(key: Any, obj: Any, field: str, replacement: Any) -> Any:
    """Put ``replacement`` in place of ``obj.field``; returns what stood there. Raises RuntimeError when ``key`` did so already."""
    place = (key, obj, field)
    if place in _originals:
        raise RuntimeError(f"patch for {field} is already applied")
    _originals[place] = getattr(obj, field)
    setattr(obj, field, replacement)
    return _originals[place]


def undo(key: Any, obj: Any, field: str) -> None:
    """Put the original back. Raises RuntimeError when there is nothing to put back."""
    place = (key, obj, field)
    if place not in _originals:
        raise RuntimeError(f"there is no patch for {field} to undo")
    setattr(obj, field, _originals.pop(place))


def original(key: Any, obj: Any, field: str) -> Any:
    """What stood there before ``key`` replaced it; None when it did not."""
    return _originals.get((key, obj, field))
