"""Extensions' install.py and updates: each in a process of its own; what fails is said, and the start goes on."""
from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from modules.launching.console import Console
from modules.launching.remembered import Remembered, fingerprint_of, packages_state

TIMEOUT = 3600  # seconds; an installer may fetch gigabytes, but must not hang a start for ever
SHOWN_LINES = 8
WATCHED = ("install.py", "requirements.txt", "metadata.ini", ".git/HEAD", ".git/ORIG_HEAD", ".git/FETCH_HEAD")


def run_installers(
    folders: Sequence[Path], *, root: Path, console: Console, environ: Mapping[str, str], remembered: Remembered
) -> tuple[str, ...]:
    """Run install.py of each folder that has one, unless it succeeded before and neither it nor the packages changed since.

    The names of those that failed. ``environ``: with PIP_CONSTRAINT set, so that no installer replaces torch.
    """
    failed = []
    with_installer = [folder for folder in folders if (folder / "install.py").is_file()]
    for folder in with_installer:
        installer = folder / "install.py"
        if remembered.matches(_key(folder), _fingerprint(folder)):
            continue
        with console.step(f"Running install.py of the extension {folder.name}") as step:
            problem, output = _run(installer, root, environ)
            step.outcome = problem or "done"
        for line in output.strip().splitlines()[-SHOWN_LINES:]:
            console.line(f"    {line}")
        if problem:
            failed.append(folder.name)
    for folder in with_installer:  # only now: each installer may have changed the packages that the others' fingerprints hold
        if folder.name in failed:
            remembered.forget(_key(folder))
        else:
            remembered.keep(_key(folder), _fingerprint(folder))
    return tuple(failed)


def must_run(folders: Sequence[Path], remembered: Remembered) -> bool:
    """Whether any installer would run."""
    return any((folder / "install.py").is_file() and not remembered.matches(_key(folder), _fingerprint(folder)) for folder in folders)


def update(folders: Sequence[Path], *, console: Console, environ: Mapping[str, str]) -> None:
    """``--update-all-extensions``: pull each extension that is a git repository; local changes are kept."""
    git = environ.get("GIT", "git")
    for folder in folders:
        if not (folder / ".git").exists():
            continue
        with console.step(f"Updating the extension {folder.name}") as step:
            command = [git, "-C", str(folder), "pull", "--autostash", "--ff-only"]
            step.outcome = _last_line(command, {**environ, "GIT_TERMINAL_PROMPT": "0"})


def _run(installer: Path, root: Path, environ: Mapping[str, str]) -> tuple[str, str]:
    """What went wrong ("" when nothing did), and what the installer printed."""
    search_path = os.pathsep.join(filter(None, (str(root), environ.get("PYTHONPATH", ""))))
    try:
        done = subprocess.run(
            [sys.executable, str(installer)], cwd=root, env={**environ, "PYTHONPATH": search_path, "PYTHONUTF8": "1"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, encoding="utf-8", errors="replace", timeout=TIMEOUT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"stopped after {TIMEOUT // 60} minutes without an end; the extension may not work", ""
    except OSError as error:
        return f"could not be run: {error.strerror}; the extension may not work", ""
    if done.returncode != 0:
        return f"failed with exit code {done.returncode}; the extension may not work, the rest does", done.stdout
    return "", done.stdout


def _last_line(command: Sequence[str], environ: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            command, env=dict(environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, encoding="utf-8", errors="replace", timeout=600, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        return f"not updated: {error}"
    last = (done.stdout.strip().splitlines() or ["no answer"])[-1].strip()
    return last if done.returncode == 0 else f"not updated: {last}"


def _key(folder: Path) -> str:
    return f"extension {folder}"


def _fingerprint(folder: Path) -> str:
    texts: list[str | bytes] = [packages_state()]
    for name in WATCHED:
        try:
            texts.append((folder / name).read_bytes())
        except OSError:
            texts.append("-")
    return fingerprint_of(texts)
