"""Names of files that are none of the user's: no text (bytes that are not UTF-8, from an old archive or another system, which no page and no JSON can hold), or a Mac's notes."""

from __future__ import annotations


def is_text(name: str) -> bool:
    """Whether every character of ``name`` can be written; Python shows stray bytes as lone surrogates."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_macs_note(name: str) -> bool:
    """Whether it is what a Mac puts beside "name" on a disk that is not its own, and into archives: "._name", of the same suffix, with no such content."""
    return name.startswith("._")


def shown(name: str) -> str:
    """``name`` with what cannot be written as escapes, for a sentence about it."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
