"""A finished job's pictures as files that the browser may fetch."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from modules.application.app import App
from modules.files.atomic import write_bytes
from modules.files.storage import StorageError
from modules.gradio_ui.finished import ShownImage
from modules.imaging.metadata import png_bytes

log = logging.getLogger(__name__)
PREFIX = "webui-shown-"
_NOT_IN_BROWSERS = frozenset({".tif", ".tiff"})


@dataclass(frozen=True)
class ShownFiles:
    """roots: folders that are served as they are. A picture outside of them, or never saved, is put into a temporary folder."""

    roots: Sequence[Path]
    _temporary: tempfile.TemporaryDirectory[str] = field(default_factory=lambda: tempfile.TemporaryDirectory(prefix=PREFIX))

    @classmethod
    def of_app(cls, app: App, *, starting: bool) -> ShownFiles:
        """As the settings have it: another place for temporary pictures, which is cleared at the start if that is wished for."""
        roots, place = (app.paths.outputs_dir,), str(app.settings.get("temp_dir") or "").strip()
        if not place:
            return cls(roots)
        folder = app.paths.output_folder(place)
        try:
            if app.paths.is_code_folder(folder):
                raise OSError("programs are kept there")
            folder.mkdir(parents=True, exist_ok=True)
            if starting and app.settings.get("clean_temp_dir_at_start"):
                _clear(folder)
            return cls(roots, tempfile.TemporaryDirectory(prefix=PREFIX, dir=folder))
        except OSError as error:
            log.warning("the directory for temporary images, %s, cannot be used (%s): the usual one is taken", folder, error)
            return cls(roots)

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
            if image.path is not None and image.path.suffix.lower() in _NOT_IN_BROWSERS:
                return self._as_png(name, image.path, image.infotext)
            if image.path is not None:
                return image.path if self._is_served(image.path) else self._copy(name, image.path)
            path = self.folder / f"{name}.png"
            if not path.exists() and image.picture is not None:
                write_bytes(path, png_bytes(image.picture, image.infotext))
            return path
        except (OSError, StorageError) as error:
            log.warning("picture %s cannot be shown: %s", image.path or name, error)
            return None

    def _as_png(self, name: str, path: Path, infotext: str) -> Path:
        target = self.folder / f"{name}-{path.stem}.png"
        if not target.exists():
            with Image.open(path, formats=("TIFF",)) as picture:
                write_bytes(target, png_bytes(picture, infotext))
        return target

    def _is_served(self, path: Path) -> bool:
        if not path.is_file():
            raise FileNotFoundError(path)
        return any(path.resolve().is_relative_to(root.resolve()) for root in self.roots)

    def _copy(self, name: str, path: Path) -> Path:
        target = self.folder / f"{name}-{path.name}"
        if not target.exists():
            write_bytes(target, path.read_bytes())
        return target


def _clear(folder: Path) -> None:
    """Take away what earlier servers left there: the pictures in it, and in the folders that they made. Nothing else."""
    for place in (folder, *folder.glob(f"{PREFIX}*")):
        for each in place.glob("*.png"):
            each.unlink(missing_ok=True)
        if place != folder and not any(place.iterdir()):
            place.rmdir()


def _plain(text: str) -> str:
    return "".join(each for each in text if each.isalnum())[:40]
