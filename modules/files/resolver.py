"""The one gate for paths that a user, a file or a web page names: they stay under their root, symbolic links included."""
from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

MAX_NAME_BYTES = 255
_DRIVE = re.compile(r"^[A-Za-z]:")
_RESERVED = {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}
_NOT_EVERYWHERE = re.compile(r'[*?"<>|]')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class PathRefused(Exception):
    """A path that leads outside its root, or that some system reads as one. Carries an HTTP status."""

    status = 403

    def __init__(self, text: str, reason: str) -> None:
        self.message = f"The path {text[:200]!r} was refused: {reason}."
        self.remedy = "Give a path inside the program's own folders."
        super().__init__(f"{self.message} {self.remedy}")


def safe_join(root: Path, user_text: str) -> Path:
    """``root / user_text`` as a real path inside ``root``; the file need not exist.

    Refused with PathRefused: absolute paths, drives, ``..`` (with either slash), control characters, names that
    Windows reserves or rewrites, and anything whose real place, links followed, is outside ``root``.
    """
    reason = refusal(user_text)
    if reason:
        raise PathRefused(user_text, reason)
    real_root = os.path.realpath(root)
    try:
        real = os.path.realpath(os.path.join(real_root, *_parts(user_text)))
    except (OSError, ValueError) as error:
        raise PathRefused(user_text, "it cannot be resolved") from error
    if not _inside(real, real_root):
        raise PathRefused(user_text, "it leads outside its folder")
    return Path(real)


def safe_new(root: Path, user_text: str) -> Path:
    """``safe_join`` for a file that is about to be made: its name must be one on every system. Raises PathRefused."""
    if found := _NOT_EVERYWHERE.search(user_text):
        raise PathRefused(user_text, f"{found[0]!r} cannot stand in a file's name on Windows")
    return safe_join(root, user_text)


def allowed(path: Path | str, roots: Iterable[Path]) -> bool:
    """Whether the real place of ``path``, links followed, is one of ``roots`` or below one. Never raises."""
    text = str(path)
    if not text or _CONTROL.search(text):
        return False
    try:
        real = os.path.realpath(text)
    except (OSError, ValueError):
        return False
    return any(_inside(real, os.path.realpath(root)) for root in roots)


def refusal(user_text: str) -> str:
    """Why a relative path is refused by its spelling alone; empty when it is not."""
    if not user_text or not user_text.strip():
        return "it is empty"
    if _CONTROL.search(user_text):
        return "it holds a control character"
    if user_text[0] in "/\\~" or _DRIVE.match(user_text):
        return "it is not relative"
    for part in _parts(user_text):
        if part == "..":
            return "it climbs out of its folder"
        if part != part.rstrip(". ") or ":" in part:
            return f"{part!r} is not a plain name"
        if part.split(".")[0].rstrip(" ").lower() in _RESERVED:
            return f"{part!r} is a device name on Windows"
        if len(part.encode("utf-8", errors="replace")) > MAX_NAME_BYTES:
            return "a name in it is longer than 255 bytes"
    return ""


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[/\\]+", text) if part not in ("", ".")]


def _inside(real: str, real_root: str) -> bool:
    real, real_root = os.path.normcase(real), os.path.normcase(real_root)
    return real == real_root or real.startswith(real_root.rstrip(os.sep) + os.sep)
