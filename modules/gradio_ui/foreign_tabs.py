"""Extensions' tabs on the page."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr
from gradio.blocks import Block
from gradio.context import Context

from modules.a1111 import callbacks
from modules.a1111.app_slot import is_occupied
from modules.application.app import App
from modules.gradio_ui.foreign_scripts import ScriptPanels

log = logging.getLogger(__name__)


@contextmanager
def outside_of_the_page() -> Iterator[None]:
    """As if no page were being built. What an extension leaves open inside is closed."""
    before = Context.root_block, Context.block
    Context.root_block = Context.block = None
    try:
        yield
    finally:
        Context.root_block, Context.block = before


def offer_panels(app: App) -> None:
    """A page begins to be built: from now on ``ScriptRunner.setup_ui`` has something to build with."""
    app.extensions.panels = ScriptPanels()


@contextmanager
def scripts_of(app: App, tab: str) -> Iterator[None]:
    """While ``tab`` ("txt2img" or "img2img") is built, its scripts hear of every component."""
    app.extensions.current_scripts = getattr(app.scripts.host, tab, None)
    try:
        yield
    finally:
        app.extensions.current_scripts = None


def build_foreign_tabs(app: App, nav: gr.Row) -> None:
    """A tab for each that extensions offer, behind the house's own; inside the current block."""
    house_strays(nav)
    if not is_occupied():
        return
    with outside_of_the_page():
        offered = callbacks.ui_tabs()
    hidden = set(app.settings.get("hidden_tabs") or ())
    page = Context.root_block
    taken = {str(each.elem_id).removeprefix("tab_") for each in page.blocks.values() if str(each.elem_id).startswith("tab_")} if page else set[str]()
    for callback, (blocks, title, name) in offered:
        place = f"tab {title!r}"
        if title in hidden:
            continue
        if name in taken or not isinstance(blocks, Block):
            app.extensions.troubles.note(callback.owner, place, "its id is taken by another tab" if name in taken else "it is not made of Gradio's parts")
            continue
        taken.add(name)
        before = len(Context.root_block.blocks) if Context.root_block else 0
        with app.extensions.guarded(callback.owner, place):
            with gr.Column(elem_id=f"tab_{name}", elem_classes=["tabitem", "gradio-tabitem"], min_width=0):
                blocks.render()
            with nav:
                gr.Button(title, elem_id=f"tab_{name}-button", min_width=0)
        log.debug("%s: %d blocks", place, (len(Context.root_block.blocks) if Context.root_block else 0) - before)


def house_strays(nav: gr.Row) -> None:
    """A ``gr.Tab`` that an extension put beside the house's tabs while those were made becomes one of them. Gradio may have put ``gr.Tabs`` around it."""
    home = Context.block
    if home is None:
        return
    for stray in [each for each in home.children if isinstance(each, gr.Tab | gr.Tabs)]:
        tab = stray if isinstance(stray, gr.Tab) else next((each for each in stray.children if isinstance(each, gr.Tab)), None)
        if tab is None:
            continue
        home.children.remove(stray)
        name, tab.elem_id = str(tab.elem_id or f"tab_{tab._id}"), None
        with gr.Column(elem_id=name, elem_classes=["tabitem", "gradio-tabitem", "of-one-tab"], min_width=0) as place:
            stray.parent = place
            place.children.append(stray)
        with nav:
            gr.Button(str(tab.label), elem_id=f"{name}-button", min_width=0)
