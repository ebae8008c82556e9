"""What must hold before anything is made or downloaded: a machine that torch exists for, a folder that can be written."""
from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from modules.launching.failure import LaunchError
from modules.launching.machine import check_machine, this_platform


def check_before_installing(folders: tuple[Path, ...], environ: Mapping[str, str]) -> None:
    """LaunchError when no torch exists for this machine (unless TORCH_COMMAND names one), or a folder cannot be written."""
    if not environ.get("TORCH_COMMAND"):
        check_machine(this_platform())
    for folder in folders:
        check_writable(folder)


def check_writable(folder: Path) -> None:
    """LaunchError unless a file can be made in ``folder``, or in the nearest folder above it that exists."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=existing):
            return
    except OSError as error:
        remedy = "Move the web UI to a folder of your own, such as one in your home folder."
        if os.name == "nt":
            remedy += " Windows protects Program Files and the root of drive C:."
        raise LaunchError(f"The folder {existing} cannot be written: {error.strerror}.", remedy) from error
