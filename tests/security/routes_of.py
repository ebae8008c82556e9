"""Every route that a running server answers, found in the server itself: a new one is attacked without anybody naming it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from starlette.routing import Mount, WebSocketRoute

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


def walk(app: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(path with its {parameters}, route) of all that ``app`` answers: of mounted applications and included routers too."""
    while not getattr(app, "routes", None) and hasattr(app, "app"):
        app = app.app                   # behind what only looks at requests
    for route in getattr(app, "routes", ()):
        if hasattr(route, "original_router"):
            yield from walk(route.original_router, prefix + route.include_context.prefix)
        elif isinstance(route, Mount):
            inner = list(walk(route.app, prefix + route.path))
            yield from inner or [(f"{prefix}{route.path}/{{path:path}}", route)]
        else:
            yield prefix + getattr(route, "path", "/"), route


def routes_of(app: Any) -> list[tuple[str, str]]:
    """(method, path with its {parameters}), each once."""
    found: list[tuple[str, str]] = []
    for path, route in walk(app):
        if isinstance(route, WebSocketRoute):
            found.append(("WEBSOCKET", path))
        else:
            found += [(method, path) for method in sorted(getattr(route, "methods", None) or {"GET"})]
    return list(dict.fromkeys(found))


def filled(path: str, value: str = "1") -> str:
    """``path`` with a value for each of its parameters."""
    return re.sub(r"{[^}]*}", lambda _: value, path)


def parameters(path: str) -> list[str]:
    return re.findall(r"{(\w+)(?::\w+)?}", path)

