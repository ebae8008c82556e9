"""A1111's keys of ui-config.json: which controls of a page have some, and what of each is kept under them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block, BlockContext, Blocks
from gradio.components import Component

_BOUNDS = ("minimum", "maximum", "step")
_KEPT = {  # what of a component has a key, the first kind that fits counting
    gr.Slider: ("value", *_BOUNDS), gr.Radio: ("value",), gr.Checkbox: ("value",), gr.Textbox: ("value",), gr.Number: ("value",), gr.Dropdown: ("value",),
    gr.Button: (),
}  # fmt: skip
_NOT_KEPT = frozenset({"tab_settings", "tab_extensions", "tab_history"})


@dataclass(frozen=True)
class Keyed:
    """A control. path: its key but for the end, "txt2img/Width"; a script's begins with the script's file. names: the ends, "value"."""

    path: str
    component: Component
    names: tuple[str, ...]

    def own(self, name: str) -> Any:
        """What the page has now; None for what is found anew each time."""
        value = getattr(self.component, name, None)
        return None if callable(value) else value


def not_kept(*components: Component) -> None:
    """These have no keys: what stands in them is of the moment, or kept elsewhere. The word is A1111's, extensions say it too."""
    for each in components:
        each.do_not_save_to_config = True  # type: ignore[attr-defined]


def keyed_controls(page: Blocks) -> Iterator[Keyed]:
    """Those of all tabs whose fields have a start, in the page's order. Several may have one path."""
    for block in list(page.blocks.values()):
        name = str(block.elem_id or "")
        if isinstance(block, BlockContext) and name.startswith("tab_") and name not in _NOT_KEPT and getattr(block.parent, "elem_id", None) == "tabs":
            yield from keyed_within(block, name.removeprefix("tab_"))


def keyed_within(block: Block, path: str) -> Iterator[Keyed]:
    """``block``'s controls, or itself."""
    if isinstance(block, BlockContext):
        for each in block.children:
            yield from keyed_within(each, path)
    elif isinstance(block, Component):
        name = block.value if isinstance(block, gr.Button) else getattr(block, "label", None)
        if name and isinstance(name, str):
            yield from keyed(block, f"{path}/{name}")


def keyed(component: Component, path: str) -> Iterator[Keyed]:
    """``component`` under a path that is complete but for its script's file; nothing for a kind that has no keys."""
    kept = next((names for kind, names in _KEPT.items() if isinstance(component, kind)), None)
    if kept is None or getattr(component, "do_not_save_to_config", False):
        return
    source = getattr(component, "custom_script_source", None)
    names = ("visible", *kept) if component.visible is True else kept
    yield Keyed(f"customscript/{source}/{path}" if source else path, component, names)


def with_values(controls: Iterable[Keyed]) -> dict[str, Component]:
    """By key, "txt2img/Width/value": the component; of several with one key the first."""
    found: dict[str, Component] = {}
    for each in controls:
        if "value" in each.names:
            found.setdefault(f"{each.path}/value", each.component)
    return found
