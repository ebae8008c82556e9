"""Extensions' part of the page as a whole: their tabs, and the moment at which the page is theirs to see."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr
from fastapi import FastAPI
from gradio.context import Context
from starlette.routing import Mount

from modules.a1111 import callbacks
from modules.a1111.app_slot import is_occupied
from modules.application.app import App
from modules.gradio_ui.demo_view import DemoView

log = logging.getLogger(__name__)
ROUTES = "routes_of_extensions"      # where a server keeps which of its routes extensions added


@contextmanager
def outside_of_the_page() -> Iterator[None]:
    """As if no page were being built. What an extension leaves open inside is closed."""
    before = Context.root_block, Context.block
    Context.root_block = Context.block = None
    try:
        yield
    finally:
        Context.root_block, Context.block = before


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
    if not is_occupied():
        return
    with outside_of_the_page():
        offered = callbacks.ui_tabs()
    hidden = set(app.settings.get("hidden_tabs") or ())
    taken: set[str] = set()
    for callback, (blocks, title, name) in offered:
        place = f"tab {title!r}"
        if title in hidden:
            continue
        if name in taken or not isinstance(blocks, gr.Blocks):
            app.extensions.troubles.note(callback.owner, place, "its id is taken by another tab" if name in taken else "it is not made of Gradio Blocks")
            continue
        taken.add(name)
        before = len(Context.root_block.blocks) if Context.root_block else 0
        with app.extensions.guarded(callback.owner, place):
            with gr.Column(elem_id=f"tab_{name}", elem_classes=["tabitem", "gradio-tabitem"], min_width=0):
                blocks.render()
            with nav:
                gr.Button(title, elem_id=f"tab_{name}-button", min_width=0)
        log.debug("%s: %d blocks", place, (len(Context.root_block.blocks) if Context.root_block else 0) - before)


def announce_page(app: App, page: gr.Blocks | None, server: FastAPI) -> None:
    """The page is mounted: extensions see it, add their routes, and the start is over. Called again for each page that is built anew."""
    if is_occupied():
        taken = getattr(server.state, ROUTES, ())
        server.router.routes[:] = [each for each in server.router.routes if not any(each is old for old in taken)]  # an older page's: they would come first
        before = list(server.router.routes)
        view = DemoView(page, getattr(page, "clicks", ())) if page is not None else None
        app.extensions.demo = view
        callbacks.app_started_callback(view, server)
        if view is not None:
            view.finish()
        setattr(server.state, ROUTES, [each for each in server.router.routes if not any(each is old for old in before)])
        mounted = [each for each in server.router.routes if isinstance(each, Mount) and each.path == ""]
        for each in mounted:  # the page answers everything that no other route does
            server.router.routes.remove(each)
            server.router.routes.append(each)
    app.extensions.started()
