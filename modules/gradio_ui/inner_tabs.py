"""Tabs inside a tab, like the page's own: plain buttons over columns that are all in the page. static/tabs.js switches them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import gradio as gr

_OF_A1111 = {
    "mode_img2img": "img2img_{}_tab", "img2img_tabs_resize": "img2img_tab_resize_{}", "img2img_batch_source": "img2img_batch_{}_tab",
    "mode_extras": "extras_{}_tab", "extras_resize_mode": "extras_{}_tab",
    "train_tabs": "train_{}_tab",
}  # fmt: skip
_SHORTER = {"single_image": "single", "batch_from_directory": "batch_directory"}

@dataclass(frozen=True)
class InnerTab:
    """One of them. elem_id: the panel's; its button's is "{elem_id}-button"."""

    elem_id: str
    label: str
    build: Callable[[], None]


def panels_at_start(chosen: Mapping[str, str]) -> dict[str, str]:
    """The id of the panel that is shown at the start, by the id of the row of tabs. chosen: A1111's ids of them."""
    return {root: _OF_A1111[root].format(_SHORTER.get(name, name)) for root, name in chosen.items() if root in _OF_A1111}


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
