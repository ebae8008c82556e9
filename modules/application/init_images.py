"""img2img's input pictures kept beside its results, each once, under the name of what is in it, with what they tell of themselves."""

from __future__ import annotations

import hashlib
import logging

from modules.application.engine_inputs import SettingsView
from modules.application.paths import Paths
from modules.engine.resolved import ResolvedRequest
from modules.files.atomic import write_bytes
from modules.files.storage import StorageError
from modules.imaging.metadata import png_bytes, read_infotext_from

log = logging.getLogger(__name__)


def keep_init_images(paths: Paths, request: ResolvedRequest, settings: SettingsView) -> str | None:
    """The hash of the last input picture, which texts name; None without any. A full disk ends no job: the result still comes."""
    found = None
    for picture in request.init.pictures:
        found = hashlib.md5(picture.tobytes(), usedforsecurity=False).hexdigest()     # A1111's name for it
        path = paths.output_folder(settings.get("outdir_init_images")) / f"{found}.png"
        try:
            if not path.exists():
                infotext, texts = read_infotext_from(picture) if settings.get("enable_pnginfo") else ("", {})
                write_bytes(path, png_bytes(picture, infotext or "", {key: str(text) for key, text in texts.items()}))
        except (StorageError, OSError) as error:
            log.warning("an input picture was not kept: %s", error)
    return found
