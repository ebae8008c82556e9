"""A1111's ``demo.ui_loadsave`` for extensions: which component stands behind a key of ui-config.json, and what the page opens with."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block, BlockContext, Blocks
from gradio.components import Component

from modules.files.atomic import write_json
from modules.gradio_ui.ui_config import UiConfig

_BOUNDS = ("minimum", "maximum", "step")
_KEPT = {  # what of a component has a key, the first kind that fits counting
    gr.Slider: ("value", *_BOUNDS), gr.Radio: ("value",), gr.Checkbox: ("value",), gr.Textbox: ("value",), gr.Number: ("value",), gr.Dropdown: ("value",),
}  # fmt: skip
_NOT_KEPT = frozenset({"tab_settings", "tab_extensions", "tab_history"})


class LoadsaveView:
    """Made of the page when it is asked: extensions add to it until the server has started.

    component_mapping: "txt2img/Sampling steps/value" -> component; of several with one key the first. ui_settings: by key what each has, the file's beside it.
    """

    def __init__(self, demo: Blocks, file: Path) -> None:
        self._demo, self.filename = demo, str(file)
        self.finalized_ui = False

    @cached_property
    def component_mapping(self) -> dict[str, Component]:
        mapping: dict[str, Component] = {}
        for key, component, _ in self._found():
            if key.endswith("/value"):
                mapping.setdefault(key, component)
        return mapping

    @cached_property
    def ui_settings(self) -> dict[str, Any]:
        own: dict[str, Any] = {}
        for key, _, value in self._found():
            own.setdefault(key, value)
        return {**own, **self.read_from_file()}

    def read_from_file(self) -> dict[str, Any]:
        return dict(UiConfig.read(Path(self.filename)).values)

    def write_to_file(self, current_ui_settings: Mapping[str, Any]) -> None:
        """Old or new, never half. Raises StorageError."""
        write_json(Path(self.filename), dict(current_ui_settings), backup=True)

    def add_block(self, x: Block, path: str = "") -> None:
        """All fields within ``x`` get keys that begin with ``path``."""
        for key, component, value in _fields(x, path):
            self.ui_settings.setdefault(key, value)
            if key.endswith("/value"):
                self.component_mapping.setdefault(key, component)

    def add_component(self, path: str, x: Component) -> None:
        """As ``add_block``, for one whose path is complete."""
        for key, value in _kept(x, path):
            self.ui_settings.setdefault(key, value)
            if key.endswith("/value"):
                self.component_mapping.setdefault(key, x)

    def dump_defaults(self) -> None:
        """The page's own values are in no file: it holds what the user changed."""

    def _found(self) -> Iterator[tuple[str, Component, Any]]:
        for block in list(self._demo.blocks.values()):
            name = str(block.elem_id or "")
            if isinstance(block, BlockContext) and name.startswith("tab_") and name not in _NOT_KEPT:
                yield from _fields(block, name.removeprefix("tab_"))


def _fields(block: Block, path: str) -> Iterator[tuple[str, Component, Any]]:
    if isinstance(block, BlockContext):
        for each in block.children:
            yield from _fields(each, path)
    elif isinstance(block, Component) and getattr(block, "label", None):
        for key, value in _kept(block, f"{path}/{block.label}"):
            yield key, block, value


def _kept(component: Component, path: str) -> Iterator[tuple[str, Any]]:
    """The keys of ``component`` with what it has. A script's are kept under its file's name."""
    source = getattr(component, "custom_script_source", None)
    if getattr(component, "do_not_save_to_config", False):
        return
    for name in next((kept for kind, kept in _KEPT.items() if isinstance(component, kind)), ()):
        value = getattr(component, name, None)
        yield (f"customscript/{source}/" if source else "") + f"{path}/{name}", None if callable(value) else value
