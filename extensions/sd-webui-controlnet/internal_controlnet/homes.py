"""Folders in which this extension's files may lie."""

from __future__ import annotations

from pathlib import Path

from modules import paths
from modules.extension_host.discover import namesakes


def homes() -> tuple[Path, ...]:
    """This folder, and those that A1111's ControlNet has in the data folder: users' models often lie inside."""
    own = Path(__file__).absolute().parents[1]
    theirs = namesakes(Path(paths.data_path).absolute() / "extensions")
    return own, *(path for path, name in theirs.items() if name == own.name)
