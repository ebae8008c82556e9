"""The tabs "Generation", "Textual Inversion", "Hypernetworks", "Checkpoints", "Lora" of a generation tab.

Own tabs, not Gradio's: all of them are in the page from the start. The cards come when a tab is opened (static/extra_networks.js).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

import gradio as gr

from modules.application.app import App
from modules.application.network_pages import SORT_FIELDS, NetworkPage


@contextmanager
def network_tabs(app: App, tab: str) -> Iterator[None]:
    """What is built inside stands on the tab "Generation"; the pages of cards follow it."""
    pages = app.network_pages.ordered(app.settings.get("ui_extra_networks_tab_reorder"))
    with gr.Column(elem_id=f"{tab}_extra_tabs", elem_classes=["gradio-tabs", "inner-tabs", "extra-networks"], min_width=0):
        with gr.Row(elem_classes=["tab-nav"]):
            for name, title in (("generation", "Generation"), *((page.id, page.title) for page in pages)):
                gr.Button(title, elem_id=f"{tab}_{name}-button", min_width=0)
        with gr.Column(elem_id=f"{tab}_generation", elem_classes=["tabitem", "gradio-tabitem", "first"], min_width=0):
            yield
        for page in pages:
            _page(app, tab, page)
        boxes = "".join(f'<div id="{tab}_{page.id}_edit_user_metadata"></div>' for page in pages)
        boxes += _bridge_html(f"{tab}_preview_filename", f"{tab}_save_preview", "preview")
        gr.HTML(boxes, elem_id=f"{tab}_card_dialogs", elem_classes=["dialog-boxes"], padding=False)


def _page(app: App, tab: str, page: NetworkPage) -> None:
    start = f"{tab}_{page.id}"
    with gr.Column(elem_id=start, elem_classes=["tabitem", "gradio-tabitem", "extra-page"], min_width=0):
        with gr.Column(elem_id=f"{start}_prompts", elem_classes=["gradio-column", "extra-page-prompts"], min_width=0):
            pass
        bridges = _bridge_html(f"{start}_edit_user_metadata_name", f"{start}_edit_user_metadata_button", "edit")
        bridges += _bridge_html("", f"{start}_extra_refresh_internal", "refresh")
        gr.HTML(_pane_html(app, start, page) + bridges, elem_id=f"{start}_cards_html", elem_classes=["gradio-html"], padding=False)


def _bridge_html(text_id: str, button_id: str, act: str) -> str:
    """A hidden field and button: extensions write into the one and press the other, as in A1111. act: what static/network_dialogs.js does then."""
    text = f'<div id="{text_id}" class="unseen"><textarea></textarea></div>' if text_id else ""
    return f'{text}<button type="button" id="{button_id}" class="unseen" data-network-act="{act}" data-text="{text_id}">Run</button>'


def _pane_html(app: App, start: str, page: NetworkPage) -> str:
    """Search, sort, views, refresh; then the folders, and the place for the cards."""
    setting = app.settings.get
    is_tree = setting("extra_networks_tree_view_style") == "Tree"
    shown = setting("extra_networks_tree_view_default_enabled")
    view = f"{'tree' if is_tree else 'dirs'}{'' if shown else ' extra-network-dirs-hidden'}"
    width = max(80, min(800, int(setting("extra_networks_tree_view_default_width"))))
    note = f'<p class="extra-network-note">{escape(page.note)}</p>' if page.note else ""
    return (
        f'<div id="{start}_pane" class="extra-network-pane {view}" data-page="{escape(page.id, quote=True)}">{_controls(app, start)}{note}'
        f'<div class="extra-network-content extra-network-pane-content-{"tree" if is_tree else "dirs"}"><div id="{start}_{"tree" if is_tree else "dirs"}" class="extra-network-folders'
        f' {"extra-network-tree" if is_tree else "extra-network-dirs"}" style="--tree-width: {width}px"></div>'
        f'<div id="{start}_cards" class="extra-network-cards" role="group" aria-label="{escape(page.title, quote=True)}"></div></div></div>'
    )


def _controls(app: App, start: str) -> str:
    chosen, descending = app.settings.get("extra_networks_card_order_field"), app.settings.get("extra_networks_card_order") == "Descending"
    sorts = "".join(_sort_button(start, key, words, chosen == words) for key, words in SORT_FIELDS.items())
    way = "Descending" if descending else "Ascending"
    return (
        f'<div class="extra-networks-controls-div"><div id="{start}_controls" class="extra-network-control"><input id="{start}_extra_search" type="search" placeholder="Search"'
        f' class="extra-network-control--search-text" aria-label="Search"><span class="extra-network-sorts"><small>Sort:</small>{sorts}'
        f'<button type="button" id="{start}_extra_sort_dir" class="extra-network-control--sort-dir" data-sortdir="{way}" title="Sort ascending or'
        f' descending" aria-label="Sort ascending or descending"></button></span><button type="button" id="{start}_extra_tree_view"'
        ' class="extra-network-control--tree-view" title="Show or hide folders" aria-label="Show or hide folders">📁</button>'
        f'<button type="button" id="{start}_extra_refresh" class="extra-network-control--refresh" title="Refresh page" aria-label="Refresh page">🔄</button>'
        f'<button type="button" id="{start}_extra_download" class="extra-network-control--download" title="Download a model by its address"'
        ' aria-label="Download a model by its address">⬇️</button>'
        f'<span id="{start}_extra_count" class="extra-network-count" role="status"></span></div></div>'
    )


def _sort_button(start: str, key: str, words: str, chosen: bool) -> str:
    name = "path" if key == "default" else key
    on = " extra-network-control--enabled" if chosen else ""
    return (
        f'<button type="button" id="{start}_extra_sort_{name}" class="extra-network-control--sort{on}" data-sortkey="{key}"'
        f' title="Sort by {words.lower()}">{words}</button>'
    )
