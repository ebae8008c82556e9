"""A finished job's pictures as files that the browser may fetch."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modules.gradio_ui.finished import ShownImage
from modules.imaging.metadata import png_bytes

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShownFiles:
    """roots: folders that are served as they are. A picture outside of them, or never saved, is put into a temporary folder."""

    roots: Sequence[Path]
    _temporary: tempfile.TemporaryDirectory[str] = field(default_factory=lambda: tempfile.TemporaryDirectory(prefix="webui-shown-"))

    @property
    def folder(self) -> Path:
        """The temporary folder; it goes with the program."""
        return Path(self._temporary.name)

    def of(self, job_id: str, images: Sequence[ShownImage]) -> list[Path]:
        """One file for each picture, in order; those whose file is gone are left out."""
        found = (self._file(f"{_plain(job_id)}-{index}", image) for index, image in enumerate(images))
        return [path for path in found if path is not None]

    def _file(self, name: str, image: ShownImage) -> Path | None:
        try:
            if image.path is not None:
                return image.path if self._is_served(image.path) else self._copy(name, image.path)
            path = self.folder / f"{name}.png"
            if not path.exists() and image.picture is not None:
                path.write_bytes(png_bytes(image.picture, image.infotext))
            return path
        except OSError as error:
            log.warning("picture %s cannot be shown: %s", image.path or name, error)
            return None

    def _is_served(self, path: Path) -> bool:
        if not path.is_file():
            raise FileNotFoundError(path)
        return any(path.resolve().is_relative_to(root.resolve()) for root in self.roots)

    def _copy(self, name: str, path: Path) -> Path:
        target = self.folder / f"{name}-{path.name}"
        if not target.exists():
            shutil.copyfile(path, target)
        return target


def _plain(text: str) -> str:
    return "".join(each for each in text if each.isalnum())[:40]
