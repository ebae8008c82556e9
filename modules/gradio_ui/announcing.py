"""The moment at which the server is extensions' to see: their on_app_started. Needs no Gradio where there is no page."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.routing import Mount

from modules.a1111 import callbacks
from modules.a1111.app_slot import is_occupied
from modules.application.app import App

if TYPE_CHECKING:
    import gradio as gr

ROUTES, MIDDLEWARE = "routes_of_extensions", "middleware_of_extensions"      # where a server keeps what of it extensions added


def announce_page(app: App, page: gr.Blocks | None, server: FastAPI) -> None:
    """The page is mounted: extensions see it, add their routes, and the start is over. Called again for each page that is built anew."""
    if is_occupied():
        taken = getattr(server.state, ROUTES, ())
        server.router.routes[:] = [each for each in server.router.routes if not any(each is old for old in taken)]  # an older page's: they would come first
        before = list(server.router.routes)
        view = _view_of(app, page)
        app.extensions.demo = view
        with _middleware_may_be_added(server):
            callbacks.app_started_callback(view, server)
        if view is not None:
            view.finish()
        setattr(server.state, ROUTES, [each for each in server.router.routes if not any(each is old for old in before)])
        mounted = [each for each in server.router.routes if isinstance(each, Mount) and each.path == ""]
        for each in mounted:  # the page answers everything that no other route does
            server.router.routes.remove(each)
            server.router.routes.append(each)
    app.extensions.started()


@contextmanager
def _middleware_may_be_added(server: FastAPI) -> Iterator[None]:
    """Also to a server that answers already, which in A1111 is another one after each Reload UI. What was added for an older page is gone."""
    stack, taken = server.middleware_stack, getattr(server.state, MIDDLEWARE, ())
    own = [each for each in server.user_middleware if not any(each is old for old in taken)]
    server.user_middleware[:], server.middleware_stack = own, None
    try:
        yield
    finally:
        added = [each for each in server.user_middleware if not any(each is old for old in own)]
        setattr(server.state, MIDDLEWARE, added)
        if not added and not taken:
            server.middleware_stack = stack         # as it was: it knows who tried to log in how often


def _view_of(app: App, page: gr.Blocks | None) -> Any:
    """The page as extensions know it."""
    if page is None:
        return None
    from modules.gradio_ui.demo_view import DemoView

    return DemoView(page, getattr(page, "clicks", ()), app.paths.ui_config_file)
