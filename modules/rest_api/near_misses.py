"""Requests that miss a route by their method, or by a slash at the end. A mounted page takes them for its own and says that nothing is there."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Match, Mount, NoMatchFound

from modules.rest_api.guard import Receive, Scope, Send


class NearMisses(BaseRoute):
    """Stands behind all routes of ``server`` and before its page: 405 with the right methods, or a redirect to the path without the slash."""

    path = name = ""                                # extensions look through all routes for theirs

    def __init__(self, server: FastAPI) -> None:
        self._server = server

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        """Nobody asks for it by a name; the routes behind it may be meant."""
        raise NoMatchFound(name, path_params)

    def matches(self, scope: Scope) -> tuple[Match, dict[str, Any]]:
        """Only what no other route answers, whichever stands first."""
        found = scope["type"] == "http" and (self._methods(scope) or self._methods(_without_slash(scope), also_full=True))
        return (Match.FULL, {}) if found else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As A1111 and Starlette do where no page is in the way."""
        if methods := self._methods(scope):
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(methods))})
        query = scope.get("query_string", b"").decode("latin-1")
        answer = RedirectResponse(quote(_without_slash(scope)["path"]) + (f"?{query}" if query else ""), 307)
        await answer(scope, receive, send)

    def _methods(self, scope: Scope, *, also_full: bool = False) -> set[str]:
        """What the routes of this path can be asked by. Empty where there is none, and, unless ``also_full``, where one takes the request as it is."""
        methods: set[str] = set()
        for route in _others(self._server.router.routes):
            match, _child = route.matches(scope)
            if match is Match.FULL and not also_full:
                return set()
            if match is not Match.NONE:
                methods |= set(getattr(route, "methods", None) or ())
        return methods


def _others(routes: Sequence[BaseRoute]) -> Iterable[BaseRoute]:
    return (each for each in routes if not isinstance(each, NearMisses) and not (isinstance(each, Mount) and each.path == ""))


def _without_slash(scope: Scope) -> Scope:
    """The same request for the path without its last slash; for "/" and paths without one a request for nothing."""
    path = scope["path"]
    return {**scope, "path": path.rstrip("/") if len(path) > 1 and path.endswith("/") and not path.startswith("//") else "\0"}
