"""Gradio writes a stub file beside every component's source, and reads and parses each source for it: two seconds of its import, and files among an extension's own. Nobody here reads them."""

from __future__ import annotations

from types import ModuleType

from modules.extension_host.then_loader import once_loaded

_HOMES = ("gradio.component_meta", "gradio.blocks_events")      # the second has the first one's function by name
_WRITER = "create_or_modify_pyi"


def install() -> None:
    """From now on none is written. Worth most before Gradio is imported."""
    for home in _HOMES:
        once_loaded(home, _leave_out)


def _leave_out(home: ModuleType) -> None:
    if hasattr(home, _WRITER):
        setattr(home, _WRITER, lambda *_: None)
