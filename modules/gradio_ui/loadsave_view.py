"""A1111's ``demo.ui_loadsave`` for extensions: which component stands behind a key of ui-config.json, and what the page opens with."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from gradio.blocks import Block, Blocks
from gradio.components import Component

from modules.files.atomic import write_json
from modules.gradio_ui.page_keys import Keyed, keyed, keyed_controls, keyed_within, with_values
from modules.gradio_ui.ui_config import UiConfig


class LoadsaveView:
    """Made of the page when it is asked: extensions add to it until the server has started.

    component_mapping: "txt2img/Width/value" -> component; of several with one key the first. ui_settings: by key what each has, the file's beside it.
    """

    def __init__(self, demo: Blocks, file: Path) -> None:
        self._demo, self.filename = demo, str(file)
        self.finalized_ui = False

    @cached_property
    def component_mapping(self) -> dict[str, Component]:
        return with_values(keyed_controls(self._demo))

    @cached_property
    def ui_settings(self) -> dict[str, Any]:
        own: dict[str, Any] = {}
        _tell(own, keyed_controls(self._demo))
        return {**own, **self.read_from_file()}

    def read_from_file(self) -> dict[str, Any]:
        return dict(UiConfig.read(Path(self.filename)).values)

    def write_to_file(self, current_ui_settings: Mapping[str, Any]) -> None:
        """Old or new, never half. Raises StorageError."""
        write_json(Path(self.filename), dict(current_ui_settings), backup=True)

    def add_block(self, x: Block, path: str = "") -> None:
        """All fields within ``x`` get keys that begin with ``path``."""
        self._add(list(keyed_within(x, path)))

    def add_component(self, path: str, x: Component) -> None:
        """As ``add_block``, for one whose path is complete."""
        self._add(list(keyed(x, path)))

    def dump_defaults(self) -> None:
        """The page's own values are in no file: it holds what the user changed."""

    def _add(self, found: Iterable[Keyed]) -> None:
        _tell(self.ui_settings, found)
        for key, component in with_values(found).items():
            self.component_mapping.setdefault(key, component)


def _tell(told: dict[str, Any], found: Iterable[Keyed]) -> None:
    for each in found:
        for name in each.names:
            told.setdefault(f"{each.path}/{name}", each.own(name))
