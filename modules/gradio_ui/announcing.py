"""The moment at which the server is extensions' to see: their on_app_started. Needs no Gradio where there is no page."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.routing import Mount

from modules.a1111 import callbacks
from modules.a1111.app_slot import is_occupied
from modules.application.app import App

if TYPE_CHECKING:
    import gradio as gr

ROUTES = "routes_of_extensions"      # where a server keeps which of its routes extensions added


def announce_page(app: App, page: gr.Blocks | None, server: FastAPI) -> None:
    """The page is mounted: extensions see it, add their routes, and the start is over. Called again for each page that is built anew."""
    if is_occupied():
        taken = getattr(server.state, ROUTES, ())
        server.router.routes[:] = [each for each in server.router.routes if not any(each is old for old in taken)]  # an older page's: they would come first
        before = list(server.router.routes)
        view = _view_of(app, page)
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


def _view_of(app: App, page: gr.Blocks | None) -> Any:
    """The page as extensions know it."""
    if page is None:
        return None
    from modules.gradio_ui.demo_view import DemoView

    return DemoView(page, getattr(page, "clicks", ()), app.paths.ui_config_file)
