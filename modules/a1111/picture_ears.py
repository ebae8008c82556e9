"""What extensions change in finished pictures, their texts and names: the part of a run's bridge that listens to saving."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modules.a1111 import callbacks
from modules.a1111.callback_params import ImageGridLoopParams, ImageSaveParams
from modules.a1111.denoiser_callbacks import listened
from modules.a1111.infotexts import evaluated, with_hires_prompts
from modules.a1111.picture_files import FilenameGenerator, told_before_saving
from modules.a1111.saving import replaced_save_image, saved_by_it, text_by_replacement
from modules.application.outcome import OutputImage
from modules.application.picture_run import PictureListener
from modules.application.picture_saver import Saving
from modules.engine.hooks import GeneratedImage
from modules.extension_host.registry import contained, sentence_of
from modules.imaging.save import BeforeSaving

if TYPE_CHECKING:
    from PIL.Image import Image


class PictureEars(PictureListener):
    """Of one run of ``p``."""

    def __init__(self, p: Any) -> None:
        super().__init__()
        self.p = p

    @contextmanager
    def told(self, what: str) -> Iterator[None]:
        """What a script put there and nobody can read becomes a comment; the picture is made without it."""
        with contained(lambda error: self.p.comment(f"A script left something in {what} that cannot be used: {sentence_of(error)}")):
            yield

    def text_of(self, image: GeneratedImage, own: Callable[[GeneratedImage], str]) -> str:
        return text_by_replacement(self.p, image, own)

    def saves_itself(self) -> bool:
        heard = listened("before_image_saved") or listened("image_saved")      # they read on p which picture it is
        return heard or replaced_save_image() is not None or FilenameGenerator.replacements.is_added_to

    def save(self, asked: Saving) -> OutputImage | None:
        replacement = replaced_save_image()
        return None if replacement is None else saved_by_it(self.p, asked, replacement)

    def about_to_save(self, picture: Image, path: Path, texts: dict[str, Any]) -> BeforeSaving | None:
        return told_before_saving(ImageSaveParams(picture, self.p, "", texts), path)

    def was_saved(self, picture: Image, path: Path, texts: dict[str, Any]) -> None:
        """on_image_saved."""
        if listened("image_saved"):
            callbacks.image_saved_callback(ImageSaveParams(picture, self.p, str(path), texts))

    def grid_of(self, pictures: list[Image], rows: int) -> tuple[list[Image], int]:
        """on_image_grid."""
        if not listened("image_grid"):
            return pictures, rows
        columns = math.ceil(len(pictures) / rows)
        params = ImageGridLoopParams(list(pictures), columns, rows)
        callbacks.image_grid_callback(params)
        asked = int(params.rows) if params.cols == columns else math.ceil(len(params.imgs) / max(int(params.cols), 1))
        return (list(params.imgs), max(asked, 1)) if params.imgs else (pictures, rows)

    def extra(self, image: GeneratedImage, own: Mapping[str, object]) -> Mapping[str, object]:
        """A1111's ``extra_generation_params``: scripts' and the house's in the order in which they came."""
        self.own(own)
        return evaluated(self.p.extra_generation_params, self.p, image)

    def own(self, params: Mapping[str, object]) -> None:
        if getattr(self.p, "enable_hr", False) and "Hires upscaler" in params:
            params = with_hires_prompts(params)
        self.p.own_params.update(params)
        self.p.extra_generation_params.update(params)
