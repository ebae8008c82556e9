"""Small Gradio components that the page uses everywhere, with the classes that A1111's extensions and our CSS look for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from modules.gradio_ui.foreign_components import ToolButton

# As many lines at most as at least: the browser need not measure how high the text is.
HIDDEN_TEXT: dict[str, Any] = {"show_label": False, "visible": "hidden", "interactive": True, "container": False, "lines": 2, "max_lines": 2}


def tool_button(icon: str, elem_id: str, *, visible: bool = True, variant: str = "secondary") -> gr.Button:
    """A square button with a picture on it; its words stand in ``button_titles``. Hidden ones stay in the DOM.

    The class alone makes it square: without it, as extensions with words on it leave it, it is as wide as Gradio's other buttons.
    """
    return gr.Button(
        icon,
        elem_id=elem_id,
        elem_classes=["gradio-button", "tool"],
        visible=True if visible else "hidden",
        variant=variant,  # type: ignore[arg-type]
    )


def form_tool(icon: str, elem_id: str, *, visible: bool = True) -> gr.Button:
    """As ``tool_button``, in the form that A1111's row of tools has around its buttons: extensions move theirs into it."""
    return ToolButton(icon, elem_id=elem_id, elem_classes=["gradio-button"], visible=True if visible else "hidden")


def bridge_button(elem_id: str) -> gr.Button:
    """A button that only JavaScript presses."""
    return gr.Button("Run", elem_id=elem_id, elem_classes=["gradio-button"], visible="hidden")


def bridge_text(elem_id: str, value: str = "") -> gr.Textbox:
    """A text field through which Python and JavaScript hand each other values."""
    return gr.Textbox(value, elem_id=elem_id, **HIDDEN_TEXT)


class BridgeNumber(gr.Textbox):
    """As ``bridge_text`` for a whole number, which it is when an extension's event takes it."""

    is_template = True  # the page shows a Textbox

    def __init__(self, elem_id: str = "", value: str = "0", *, render: bool = True) -> None:
        """render: as Gradio gives it when it makes the field once more, for an update that leaves it as it is."""
        super().__init__(value, elem_id=elem_id, render=render, **HIDDEN_TEXT)

    def preprocess(self, payload: Any) -> Any:
        text = str(payload or "")
        return int(text) if text.isdigit() else 0


@contextmanager
def late() -> Iterator[None]:
    """What is built inside comes into the page a moment after that is ready, and stays: what nobody sees at first need not be waited for.

    static/priming.js opens it, at once where somebody reaches for it.
    """
    with gr.Accordion("", open=False, elem_classes=["opened-late", "stays-open"]):
        yield


def form_row(elem_id: str | None = None, *classes: str, shown: bool = True) -> gr.Row:
    """A row of fields that share one line as long as the width allows. Not ``shown``: it is in the page, unseen."""
    return gr.Row(elem_id=elem_id, elem_classes=["gradio-row", *classes, *(() if shown else ("unseen",))])


def form_column(elem_id: str | None = None, *classes: str, scale: int = 1) -> gr.Column:
    """Fields one below the other."""
    return gr.Column(elem_id=elem_id, elem_classes=["gradio-column", *classes], scale=scale, min_width=0)
