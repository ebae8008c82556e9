"""How answers look: JSON in plain ASCII, errors in A1111's shape."""
from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response


class Json(Response):
    """JSON in plain ASCII: a lone surrogate in a prompt is no reason for a 500, nor is a number that JSON cannot say: that becomes null."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        try:
            said = json.dumps(content, allow_nan=False, separators=(",", ":"))
        except ValueError:              # NaN or infinity: what a script was given is told back, and pictures that are made are not lost for it
            said = json.dumps(json.loads(json.dumps(content), parse_constant=lambda _name: None), separators=(",", ":"))
        return said.encode("ascii")


def error_body(error: str, detail: Any, errors: str = "") -> dict[str, Any]:
    """A1111's shape."""
    return {"error": error, "detail": detail, "body": "", "errors": errors}
