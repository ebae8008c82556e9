"""A1111's ``ui_tempdir``: files that extensions want shown on the page, and pictures written where the page keeps its own."""
from __future__ import annotations

import os
import tempfile
from collections import namedtuple
from pathlib import Path
from typing import Any
from uuid import uuid4

from PIL import Image

from modules.a1111.app_slot import current
from modules.files.atomic import write_bytes
from modules.imaging.metadata import png_bytes

Savedfile = namedtuple("Savedfile", ["name"])


def register_tmp_file(gradio: Any, filename: Any) -> None:
    """From now on the file may be shown: pictures, films, sounds and what else a page is made of; ``/file=`` and Gradio's components hand it out."""
    real = Path(os.path.realpath(filename))
    current().extensions.shown_files.add(real)
    allowed = getattr(gradio, "allowed_paths", None)
    if isinstance(allowed, list) and str(real) not in allowed:
        allowed.append(str(real))


def check_tmp_file(gradio: Any, filename: Any) -> bool:
    return Path(os.path.realpath(filename)) in current().extensions.shown_files


def save_pil_to_file(self: Any, pil_image: Any = None, dir: Any = None, format: str = "png", **_: Any) -> str:
    """The file of a picture: its own where it was saved, else a new PNG with its texts in ``dir`` or the folder of the settings.

    self: A1111's component, or the picture where the function is called by itself.
    """
    picture = self if isinstance(self, Image.Image) else pil_image
    own = str(getattr(picture, "already_saved_as", "") or "").rsplit("?", 1)[0]
    if own and os.path.isfile(own):
        register_tmp_file(current().extensions.demo, own)
        return f"{own}?{os.path.getmtime(own)}"
    folder = current().settings.get("temp_dir") or dir or _folder()
    file = Path(folder) / f"tmp{uuid4().hex[:12]}.png"
    write_bytes(file, png_bytes(picture, extra={key: value for key, value in picture.info.items() if isinstance(key, str) and isinstance(value, str)}))
    return str(file)


def install_ui_tempdir_override() -> None:
    """Pictures have their own files on this page without it."""


def on_tmpdir_changed() -> None:
    """The folder is looked up whenever a picture is written."""


def cleanup_tmpdr() -> None:
    """Throw away the pictures in the settings' folder for temporary ones."""
    folder = current().settings.get("temp_dir")
    for file in Path(folder).rglob("*.png") if folder and os.path.isdir(folder) else ():
        file.unlink(missing_ok=True)


def _folder() -> str:
    return os.environ.get("GRADIO_TEMP_DIR") or os.path.join(tempfile.gettempdir(), "gradio")
