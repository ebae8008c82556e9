"""Text that the page loads travels compressed: its HTML, scripts, style sheets and lists."""
from __future__ import annotations

import re
from typing import Any

from starlette.middleware.gzip import GZipMiddleware

from modules.rest_api.guard import Receive, Scope, Send, path_of

# Not the API, whose answers are mostly pictures as base64; not Gradio's own routes, which compress what they want to; no pictures.
_TEXT = re.compile(r"^/*$|^/+(internal|sd_extra_networks)/|\.(js|mjs|css|json|csv|txt|svg|html)$", re.IGNORECASE)
_DENSE = re.compile(r"/(preview|thumb|cover-images|notification-sound)(/|$)", re.IGNORECASE)
LEVEL = 4  # a page of 700 kB takes some 10 ms; higher levels take longer than they save on any network
LEAST = 1000  # bytes; less fits into one packet as it is


class PageCompression:
    """ASGI middleware: gzip for texts of the page, everything else as it is."""

    def __init__(self, app: Any) -> None:
        self.plain = app
        self.compressed = GZipMiddleware(app, minimum_size=LEAST, compresslevel=LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self.compressed if is_page_text(scope) else self.plain)(scope, receive, send)


def is_page_text(scope: Scope) -> bool:
    """Whether the answer of this request is text that the page waits for."""
    if scope["type"] != "http":
        return False
    path = path_of(scope)
    return bool(_TEXT.search(path)) and not _DENSE.search(path)
