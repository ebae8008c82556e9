"""How answers look: JSON in plain ASCII, errors in A1111's shape."""
from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response


class Json(Response):
    """JSON in plain ASCII: a lone surrogate in a prompt is no reason for a 500. NaN cannot be said and raises ValueError."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def error_body(error: str, detail: Any, errors: str = "") -> dict[str, Any]:
    """A1111's shape."""
    return {"error": error, "detail": detail, "body": "", "errors": errors}
