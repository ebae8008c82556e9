"""Comments in prompts: from ``#`` to the end of the line, as A1111's "Enable comments" takes them out."""

from __future__ import annotations

import re

_WHOLE_LINE = re.compile(r"(^|\n)#[^\n]*(\n|$)")
_REST_OF_LINE = re.compile(r"#[^\n]*(\n|$)")


def strip_comments(prompt: str) -> str:
    """The prompt without comments; each leaves one line break, a line of its own takes both of its line breaks with it."""
    return _REST_OF_LINE.sub("\n", _WHOLE_LINE.sub("\n", prompt))
