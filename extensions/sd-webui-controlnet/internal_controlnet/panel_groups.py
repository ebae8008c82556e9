"""The units on the page by the original's names: an extension that builds a tab with units of its own calls ``Script.ui`` and looks for them here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from internal_controlnet.args import ControlNetUnit as UiControlNetUnit

__all__ = ["ControlNetUiGroup", "UiControlNetUnit"]


class ControlNetUiGroup:
    """One unit's components, as attributes named like the unit's fields. Its events are wired when it is built."""

    a1111_context = SimpleNamespace()               # the tab's components; here a unit knows them by their elem_ids
    all_ui_groups: list[ControlNetUiGroup] = []

    def __init__(self, components: dict[str, Any]) -> None:
        self.__dict__.update(components)
        ControlNetUiGroup.all_ui_groups.append(self)

    def register_run_annotator(self) -> None:
        """Nothing is left to do: see the class."""

    def register_callbacks(self) -> None:
        """Likewise."""
