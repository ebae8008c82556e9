"""Folders in which this extension's files may lie."""

from __future__ import annotations

from pathlib import Path

from modules import paths


def homes() -> tuple[Path, ...]:
    """This folder, and the one that A1111's ControlNet has in the data folder: users' models often lie inside it."""
    own = Path(__file__).absolute().parents[1]
    return tuple(dict.fromkeys((own, Path(paths.data_path).absolute() / "extensions" / own.name)))
