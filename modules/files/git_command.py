"""git, asked about one folder: its answer, or a GitError that says what happened and what to do."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path

SECONDS = 120                           # for one question to a server


class GitError(Exception):
    """git could not do it: what happened (``message``, without a full stop) and what to do about it. ``str()`` gives both, as sentences."""

    def __init__(self, message: str, remedy: str) -> None:
        self.message = message.rstrip(".")          # git's own complaints have one now and then
        super().__init__(f"{self.message}. {remedy}")


def git(folder: Path, *words: str) -> str:
    """What it prints. Raises GitError."""
    return git_bytes(folder, *words).decode("utf-8", "replace").strip()


def git_bytes(folder: Path, *words: str) -> bytes:
    """What it prints, as it is. Raises GitError."""
    command = [os.environ.get("GIT", "git"), "-C", str(folder), "-c", "core.fsmonitor=false", "-c", f"safe.directory={folder}", *words]
    environment = {**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")}
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False, env=environment, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise GitError("git is not installed, so nothing is known about updates", "Install git.") from None
    except subprocess.TimeoutExpired:
        raise GitError(f"{folder.name}: git {words[0]} gave no answer within {SECONDS} seconds", "Try again.") from None
    except OSError as error:
        raise GitError(f"{folder.name}: git could not be started: {error.strerror}", "Install git anew, or name a working one in the variable GIT.") from None
    if done.returncode != 0:
        said = _said(done.stderr.decode("utf-8", "replace"))
        raise GitError(f"{folder.name}: git {words[0]} failed: {said}", _remedy(words[0], said, folder))
    return done.stdout


def _said(stderr: str) -> str:
    """From git's first complaint on: its last line is advice, or that it stops."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    first = next((n for n, line in enumerate(lines) if line.startswith(("fatal:", "error:"))), max(0, len(lines) - 1))
    told = lines[first : first + 3]
    if told and ".lock'" in told[0]:
        del told[1:]                # what follows guesses at editors
    return " ".join(told).removeprefix("fatal: ").removeprefix("error: ")[:300] or "no answer"


def _remedy(command: str, said: str, folder: Path) -> str:
    if ".lock'" in said:            # left by a git that was ended: a power cut, kill -9
        return "If no other git is at work there, delete that file and try again."
    if "No space left" in said or "unable to write" in said:
        return "Make room on that disk and try again."
    if command in ("fetch", "submodule"):
        return "Look whether this machine reaches its server."
    return f"Look into {folder}."
