"""Something that is done with a module as soon as it is loaded, before whoever imports it goes on."""
from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


def once_loaded(name: str, then: Callable[[ModuleType], None]) -> None:
    """``then`` is called with that module: at once where it is loaded already, else as soon as it is. Asking for the same twice changes nothing."""
    known = sys.modules.get(name)
    if known is not None:
        then(known)
    elif (watch := _Watch(name, then)) not in sys.meta_path:
        sys.meta_path.insert(0, watch)


class ThenLoader(Loader):
    """A module's own loader; ``then`` is called with the loaded module."""

    def __init__(self, own: Any, then: Callable[[ModuleType], None]) -> None:
        self._own = own
        self._then = then

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._own.exec_module(module)
        self._then(module)


@dataclass(frozen=True)
class _Watch(MetaPathFinder):
    """Finds the module of this name, and nothing else."""

    name: str
    then: Callable[[ModuleType], None]

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname == self.name else None
        if spec is not None and spec.loader is not None:
            spec.loader = ThenLoader(spec.loader, self.then)
        return spec
