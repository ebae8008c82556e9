"""Words as HTML, by A1111's names."""

from __future__ import annotations

import html
from typing import Any


def plaintext_to_html(text: Any, classname: str | None = None) -> str:
    inner = "<br>\n".join(html.escape(line) for line in str(text or "").split("\n"))
    return f"<p class='{html.escape(classname)}'>{inner}</p>" if classname else f"<p>{inner}</p>"


def infotext_to_html(text: str) -> str:
    return plaintext_to_html(text)
