"""Where an extension came from and at which commit it stands, by asking git about its folder. Nothing is fetched."""
from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_PATIENCE = 5                           # seconds for one question


@dataclass(frozen=True, kw_only=True)
class GitFacts:
    """remote: URL of "origin". commit_date: seconds since 1970; 0 when unknown."""

    remote: str
    branch: str = ""
    commit: str = ""
    commit_date: int = 0


def git_facts(folder: Path) -> GitFacts | None:
    """None for a folder that is no clone of something, or where git cannot be asked."""
    remote = remote_of(folder)
    if not remote:
        return None
    commit, _, date = _ask(folder, "log", "-1", "--format=%H %ct").partition(" ")
    return GitFacts(remote=remote, branch=_ask(folder, "rev-parse", "--abbrev-ref", "HEAD"), commit=commit,
                    commit_date=int(date) if date.isdigit() else 0)


def remote_of(folder: Path) -> str:
    """The address that ``folder`` was cloned from; "" for a folder that is no clone."""
    return _ask(folder, "remote", "get-url", "origin") if (folder / ".git").exists() else ""


def plain_address(url: str) -> str:
    """``url`` as all its spellings have it: "https://host/A.git/" is "https://host/a"."""
    return url.strip().lower().rstrip("/").removesuffix(".git")


def _ask(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), "-c", "core.fsmonitor=false", "-c", f"safe.directory={folder}", *words]
    try:
        found = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=_PATIENCE, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""
