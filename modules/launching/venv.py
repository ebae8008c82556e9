"""The folder venv/: made when the program is not already inside a virtual environment, and the program goes on in it."""
from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import NoReturn

from modules.launching.console import Console
from modules.launching.failure import LaunchError
from modules.launching.waiting import wait_for

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)
NO_VENV = "-"


def chosen_folder(root: Path, environ: Mapping[str, str]) -> Path | None:
    """Where the environment lies: venv/ or what VENV_DIR (or venv_dir) says. None: use the running Python as it is."""
    if is_inside_environment(environ):
        return None
    asked = environ.get("VENV_DIR") or environ.get("venv_dir") or ""
    if asked == NO_VENV or environ.get("SKIP_VENV") == "1":
        return None
    return (root / os.path.expanduser(asked or "venv")).absolute()


def is_inside_environment(environ: Mapping[str, str]) -> bool:
    """Whether the running Python is that of a virtual environment, or of a conda environment other than base."""
    if sys.prefix != sys.base_prefix:
        return True
    return environ.get("CONDA_DEFAULT_ENV", "base") != "base" and environ.get("CONDA_PREFIX") == sys.prefix


def python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def ensure_environment(folder: Path, environ: Mapping[str, str], console: Console) -> None:
    """Make ``folder`` a virtual environment with pip in it, unless it is one. LaunchError with a remedy when that fails."""
    if python_of(folder).exists():
        _check_version(folder)
        if not _has_pip(folder):
            with console.step(f"Adding pip to {folder}"):
                _run([str(python_of(folder)), "-m", "ensurepip", "--default-pip"], folder, "has no pip, and it could not be added")
        return
    if _of_another_system(folder):
        raise LaunchError(
            f"{folder} is a virtual environment that was made under {'Linux or macOS' if os.name == 'nt' else 'Windows'}; it is left as it is.",
            "Set VENV_DIR to another folder for this system, or rename that one.",
        )
    is_broken = (folder / "pyvenv.cfg").exists()
    if folder.exists() and any(folder.iterdir()) and not is_broken:
        raise LaunchError(
            f"{folder} holds files but is no virtual environment.",
            "Move them elsewhere, or set VENV_DIR to another folder.",
        )
    python = environ.get("python_cmd") or environ.get("PYTHON") or sys.executable
    why = "; the Python it was made with is gone" if is_broken else ""
    with console.step(f"Making a virtual environment in {folder}{why}"):
        _run([python, "-m", "venv", *(["--clear"] if is_broken else []), str(folder)], folder, "could not be made")
    _check_version(folder)


def enter(folder: Path, script: Path, arguments: Sequence[str], environ: MutableMapping[str, str]) -> NoReturn:
    """Go on as ``script`` in the Python of ``folder``; does not return."""
    python = python_of(folder)
    environ["VIRTUAL_ENV"] = str(folder)
    environ["PATH"] = str(python.parent) + os.pathsep + environ.get("PATH", "")
    environ.pop("PYTHONHOME", None)
    command = [str(python), str(script), *arguments]
    sys.stdout.flush()
    if os.name != "nt":
        os.execve(python, command, dict(environ))
    wait_for(command, environ)


def version_in(configuration: str) -> tuple[int, int] | None:
    """The Python version that a pyvenv.cfg names, None when it does not."""
    match = re.search(r"^version(?:_info)?\s*=\s*(\d+)\.(\d+)", configuration, re.MULTILINE)
    return (int(match.group(1)), int(match.group(2))) if match else None


def _check_version(folder: Path) -> None:
    try:
        version = version_in((folder / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return
    if version is not None and not OLDEST_PYTHON <= version <= NEWEST_PYTHON:
        raise LaunchError(
            f"{folder} was made by Python {version[0]}.{version[1]}; this program needs Python "
            f"{OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} to {NEWEST_PYTHON[0]}.{NEWEST_PYTHON[1]}.",
            "Rename or delete that folder and start again with such a Python: a new one is made.",
        )


def _of_another_system(folder: Path) -> bool:
    """A disk that Windows and Linux share, or WSL: what looks broken from here works there."""
    return os.path.lexists(folder / ("bin/python" if os.name == "nt" else "Scripts/python.exe"))


def _has_pip(folder: Path) -> bool:
    """A look at the files only: asking the interpreter would cost every start a process."""
    library = folder / ("Lib/site-packages" if os.name == "nt" else "lib")
    return any(library.glob("pip/__init__.py" if os.name == "nt" else "python*/site-packages/pip/__init__.py"))


def _run(command: Sequence[str], folder: Path, failure: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise LaunchError(f"{command[0]} cannot be run: {error.strerror}.", "Set python_cmd to a Python of 3.11 to 3.13, or unset it.") from error
    if done.returncode == 0:
        return
    output = done.stdout + done.stderr
    if "ensurepip" in output:
        remedy = f"Install what this Python lacks (on Debian and Ubuntu: `sudo apt install python3-venv`), delete {folder}, and start again."
    elif "No space left" in output or "Errno 28" in output:
        remedy = "The disk is full: free some gigabytes and start again."
    elif "ermission" in output:
        remedy = f"Make sure that you may write to {folder.parent}, or set VENV_DIR to a folder where you may."
    else:
        remedy = f"Delete {folder} and start again, or set VENV_DIR to another folder."
    raise LaunchError(f"The virtual environment {folder} {failure}.", remedy, details=output.strip()[-800:])
