"""/docs and /openapi.json without a request to anybody else: one small page of our own that reads the schema."""
from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Response

from modules.rest_api.answers import Json
from modules.rest_api.routes import Routes

PAGE = Path(__file__).parent / "static" / "docs.html"
_POLICY = ("default-src 'none'; connect-src 'self'; img-src 'self' data:; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
           "form-action 'none'; base-uri 'none'; frame-ancestors 'none'")


def add_docs(routes: Routes, *, shown: bool) -> None:
    """Take away FastAPI's own pages, which load scripts from a CDN; put ours there when they are to be ``shown``."""
    server = routes.server
    _remove(server, {"/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"})

    if not shown:
        return

    def docs() -> Response:
        """The page."""
        return Response(PAGE.read_bytes(), media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": _POLICY})

    def schema() -> Json:
        """The API's description."""
        return Json(server.openapi())

    routes.add_route("/docs", docs, hidden=True)
    routes.add_route("/openapi.json", schema, hidden=True)


def _remove(server: FastAPI, paths: set[str]) -> None:
    server.router.routes[:] = [route for route in server.router.routes if getattr(route, "path", None) not in paths]
