"""Packages that ask once whether torchvision is installed, and remember. They are made to ask while no stand-in of that name can be mistaken for it."""
from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from modules.extension_host.then_loader import once_loaded

_ASKED: dict[str, Callable[[Any], object]] = {
    "transformers.utils.import_utils": lambda module: (module.is_torchvision_available(), module.is_torchvision_v2_available()),
    "torchmetrics.utilities.imports": lambda module: bool(module._TORCHVISION_AVAILABLE),
}
"""By the module that remembers: how it is made to ask."""
_NAME = "torchvision"


def settle() -> None:
    """They know that there is none, whatever bears its name: at once where they are imported already, else as soon as they are, before anybody else can ask."""
    for name in _ASKED:
        once_loaded(name, _ask)


def _ask(module: Any) -> None:
    stand_in = sys.modules.pop(_NAME, None)
    try:
        _ASKED[module.__name__](module)
    finally:
        if stand_in is not None:
            sys.modules[_NAME] = stand_in
