"""Tabs inside a tab, like the page's own: plain buttons over columns that are all in the page. static/tabs.js switches them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import gradio as gr


@dataclass(frozen=True)
class InnerTab:
    """One of them. elem_id: the panel's; its button's is "{elem_id}-button"."""

    elem_id: str
    label: str
    build: Callable[[], None]


def build_inner_tabs(elem_id: str, tabs: Sequence[InnerTab]) -> None:
    """All ``tabs``, inside the current block; the first one shows."""
    with gr.Column(elem_id=elem_id, elem_classes=["gradio-tabs", "inner-tabs"], min_width=0):
        with gr.Row(elem_classes=["tab-nav"]):
            for tab in tabs:
                gr.Button(tab.label, elem_id=f"{tab.elem_id}-button", min_width=0)
        for index, tab in enumerate(tabs):
            classes = ["tabitem", "gradio-tabitem", *(["first"] if index == 0 else [])]
            with gr.Column(elem_id=tab.elem_id, elem_classes=classes, min_width=0):
                tab.build()
