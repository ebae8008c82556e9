"""Pictures in one zip file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from modules.files.atomic import write_new_file


def write_archive(archive: Path, files: Iterable[tuple[str | Path, str]]) -> None:
    """files: each with its name inside. Raises StorageError, also when ``archive`` is there already, and OSError for a file that cannot be read."""

    def pack(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:      # pictures do not get smaller
            for path, name in files:
                packed.write(path, name)

    write_new_file(archive, pack)
