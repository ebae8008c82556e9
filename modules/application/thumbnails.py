"""Small versions of pictures, made where they are asked for (never on the worker) and kept in the cache folder."""
from __future__ import annotations

import hashlib
import io
import logging
from pathlib import Path

from PIL import Image

from modules.files.atomic import write_bytes
from modules.files.storage import StorageError
from modules.schema.errors import InvalidValue

log = logging.getLogger(__name__)
SIDE = 320                      # pixels of the longer side
_QUALITY = 80


def thumbnail(path: Path, cache: Path) -> bytes:
    """A WebP file of ``path``, at most SIDE pixels wide and high. Raises InvalidValue for what is no picture."""
    try:
        stat = path.stat()
        name = hashlib.sha256(f"{path}\0{stat.st_mtime_ns}\0{stat.st_size}".encode("utf-8", "replace")).hexdigest()[:32]
        kept = cache / name[:2] / f"{name}.webp"
        if kept.is_file():
            return kept.read_bytes()
        data = _made(path)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidValue(f"{path.name} cannot be shown: it is gone, damaged or not a picture.") from error
    try:
        write_bytes(kept, data)
    except StorageError as error:
        log.debug("a thumbnail is not kept: %s", error)
    return data


def _made(path: Path) -> bytes:
    with Image.open(path) as image:
        image.draft("RGB", (SIDE, SIDE))            # JPEG unpacks no more than that
        image.thumbnail((SIDE, SIDE))
        file = io.BytesIO()
        image.convert("RGBA" if image.mode in ("RGBA", "LA", "P") else "RGB").save(file, "WEBP", quality=_QUALITY)
        return file.getvalue()
