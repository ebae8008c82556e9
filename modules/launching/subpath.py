"""``--subpath``: the whole server below a prefix, for a reverse proxy that strips the prefix and for one that does not."""
from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
AsgiApp = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


def prefix_of(subpath: str | None) -> str:
    """"/sd" for "sd", "/sd" and "/sd/"; "" where there is none."""
    name = (subpath or "").strip("/")
    return f"/{name}" if name else ""


def below_subpath(app: AsgiApp, subpath: str | None) -> AsgiApp:
    """``app`` as the ASGI application that finds itself at "/subpath"; ``app`` itself when there is no subpath."""
    prefix = prefix_of(subpath)
    if not prefix:
        return app

    async def serve(scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
        if scope["type"] in ("http", "websocket"):
            path = scope["path"]
            has_prefix = path == prefix or path.startswith(prefix + "/")
            scope = {**scope, "root_path": prefix, "path": path if has_prefix else prefix + path}
        await app(scope, receive, send)

    return serve
