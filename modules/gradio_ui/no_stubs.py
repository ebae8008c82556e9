"""Gradio writes a stub file beside every component's source, and reads and parses each source for it: two seconds of its import, and files among an extension's own. Nobody here reads them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from modules.extension_host.then_loader import ThenLoader

_HOME = "gradio.component_meta"
_HOMES = (_HOME, "gradio.blocks_events")            # the second has the first one's function by name
_WRITER = "create_or_modify_pyi"


def install() -> None:
    """From now on none is written. Worth most before Gradio is imported."""
    for home in (sys.modules[name] for name in _HOMES if name in sys.modules):
        _leave_out(home)
    if _HOME not in sys.modules and not any(isinstance(each, _Watch) for each in sys.meta_path):
        sys.meta_path.insert(0, _Watch())


def _leave_out(home: ModuleType) -> None:
    if hasattr(home, _WRITER):
        setattr(home, _WRITER, lambda *_: None)


class _Watch(MetaPathFinder):
    """Finds the module that has the writer, and nothing else."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname == _HOME else None
        if spec is not None and spec.loader is not None:
            spec.loader = ThenLoader(spec.loader, _leave_out)
        return spec
