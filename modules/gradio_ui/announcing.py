"""The moment at which the server is extensions' to see: their on_app_started. Needs no Gradio where there is no page."""
from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.routing import Mount

from modules.a1111 import callbacks
from modules.a1111.app_slot import is_occupied
from modules.application.app import App
from modules.extension_host.registry import contained

if TYPE_CHECKING:
    import gradio as gr

log = logging.getLogger(__name__)
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
    """Also to a server that answers already, which in A1111 is another one after each Reload UI. What was added for an older page is gone.

    Requests go on meanwhile through what was there: a page that asks for its progress would end the time in which Starlette takes middleware.
    """
    stack, taken = server.middleware_stack, getattr(server.state, MIDDLEWARE, ())
    own = [each for each in server.user_middleware if not any(each is old for old in taken)]
    server.user_middleware[:] = own
    server.add_middleware = lambda kind, *given, **named: server.user_middleware.insert(0, Middleware(kind, *given, **named))  # type: ignore[method-assign]
    try:
        yield
    finally:
        del server.add_middleware
        added = [each for each in server.user_middleware if not any(each is old for old in own)]
        with contained(partial(_left_out, server, own)):
            # one to which nothing was added is left as it was: it knows who tried to log in how often
            server.middleware_stack = server.build_middleware_stack() if added or taken else stack
        setattr(server.state, MIDDLEWARE, added)


def _left_out(server: FastAPI, own: list[Middleware], error: BaseException) -> None:
    log.error("What extensions put before every request (add_middleware) is left out: %s. The Extensions tab switches them off.", error, exc_info=error)
    server.user_middleware[:] = own
    server.middleware_stack = server.build_middleware_stack()


def _view_of(app: App, page: gr.Blocks | None) -> Any:
    """The page as extensions know it."""
    if page is None:
        return None
    from modules.gradio_ui.demo_view import DemoView

    return DemoView(page, getattr(page, "clicks", ()), app.paths.ui_config_file)
