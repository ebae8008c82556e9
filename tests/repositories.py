"""Git repositories that tests make for themselves."""
from __future__ import annotations

import subprocess
from pathlib import Path

_WHO = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always")


def git(folder: Path, *words: str) -> str:
    """What git says; fails where it does."""
    return subprocess.run(["git", "-C", str(folder), *_WHO, *words], check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, text: str) -> str:
    """A commit in which ``text`` is the file's and the message; its hash."""
    (folder / "file.txt").write_text(text, encoding="utf-8")
    git(folder, "add", "-f", ".")
    git(folder, "commit", "-qm", text)
    return git(folder, "rev-parse", "HEAD")
