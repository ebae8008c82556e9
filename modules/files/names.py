"""Names of files that are no text: bytes that are not UTF-8, from an old archive or another system, which no page and no JSON can hold."""

from __future__ import annotations


def is_text(name: str) -> bool:
    """Whether every character of ``name`` can be written; Python shows stray bytes as lone surrogates."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def shown(name: str) -> str:
    """``name`` with what cannot be written as escapes, for a sentence about it."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
