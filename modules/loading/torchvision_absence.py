"""transformers asks once whether torchvision is installed, and remembers. It is made to ask while no stand-in of that name can be mistaken for it."""
from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from modules.extension_host.then_loader import ThenLoader

_ASKED = "transformers.utils.import_utils"
_NAME = "torchvision"


def settle() -> None:
    """transformers knows that there is none, whatever bears its name: at once where it is imported already, else as soon as it is."""
    known = sys.modules.get(_ASKED)
    if known is not None:
        _ask(known)
    elif not any(isinstance(each, _Watch) for each in sys.meta_path):
        sys.meta_path.insert(0, _Watch())


def _ask(module: Any) -> None:
    stand_in = sys.modules.pop(_NAME, None)
    try:
        module.is_torchvision_available()
        module.is_torchvision_v2_available()
    finally:
        if stand_in is not None:
            sys.modules[_NAME] = stand_in


class _Watch(MetaPathFinder):
    """Finds the module that asks, and nothing else."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname == _ASKED else None
        if spec is not None and spec.loader is not None:
            spec.loader = ThenLoader(spec.loader, _ask)  # before anybody else can ask
        return spec
