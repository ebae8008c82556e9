"""The upscalers of this server: those that are built in, and those whose files the model manager found."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from modules.application.downloads import Published
from modules.application.recent_pictures import RecentPictures
from modules.engine.extras import Enlargement, enlarged_picture
from modules.engine.hooks import is_over
from modules.engine.model_upscale import ModelUpscaling, model_upscaler
from modules.engine.tiles import Tiling
from modules.engine.upscale import PICTURE_UPSCALERS, KnownUpscalers, PictureUpscaler
from modules.library.upscaler_names import PUBLISHED

if TYPE_CHECKING:
    from PIL.Image import Image

    from modules.engine.hooks import CancelView
    from modules.library.catalogue import Catalogue
    from modules.loading.upscalers import PictureModelShelf

# architecture -> the settings for its tiles; the others go by ESRGAN's, as in A1111
_TILE_SETTINGS = {
    "DAT": ("DAT_tile", "DAT_tile_overlap"),
    "SCUNet": ("SCUNET_tile", "SCUNET_tile_overlap"),
    "SwinIR": ("SWIN_tile", "SWIN_tile_overlap"),
    "Swin2SR": ("SWIN_tile", "SWIN_tile_overlap"),
}
_CHOSEN_BY_SETTINGS = ("RealESRGAN", "DAT")


def tile_settings(settings: Settings) -> tuple[object, ...]:
    """All that say how pictures are cut; another cut is another result."""
    return tuple(settings.get(key) for pair in (("ESRGAN_tile", "ESRGAN_tile_overlap"), *_TILE_SETTINGS.values()) for key in pair)


class Settings(Protocol):
    """Anything that answers for a setting's value by key."""

    def get(self, key: str) -> Any: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Upscalers:
    """What enlarges pictures. on_cpu: kinds that the user keeps on the CPU (--use-cpu esrgan ...). others: each lists some that extensions bring."""

    catalogue: Catalogue
    shelf: PictureModelShelf
    models_dir: Path
    on_cpu: tuple[str, ...] = ()
    recent: RecentPictures = field(default_factory=RecentPictures)
    others: list[Callable[[], Iterable[PictureUpscaler]]] = field(default_factory=list)

    def names(self) -> list[str]:
        """As the lists show them: None, Lanczos, Nearest, then the models."""
        return [each.name for each in self.known().for_pictures]

    def offered(self, settings: Settings) -> list[str]:
        """``names``, then the published ones whose files are not here, as A1111 lists them: a job that asks for one tells where its file is, and the page fetches it."""
        here = self.names()
        wanted = {*settings.get("realesrgan_enabled_models"), *settings.get("dat_enabled_models")}
        absent = (each for each in PUBLISHED if each.folder not in _CHOSEN_BY_SETTINGS or each.name in wanted)
        return list(dict.fromkeys((*here, *(each.name for each in absent))))

    def known(self) -> KnownUpscalers:
        """All of them, to look names up in."""
        return self._bound(ModelUpscaling(shelf=self.shelf))

    def for_job(
        self, settings: Settings, say: Callable[[str], None], cancel: CancelView, on_tile: Callable[[int, int], None] | None = None,
    ) -> KnownUpscalers:
        """All of them as they run inside one job: stopped by its cancel token, their tiles told to ``say``, "" when they are done.

        on_tile(done, total): where the tiles are counted too.
        """
        def report(name: str, done: int, total: int) -> None:
            say("" if done == total else f"Upscaling with {name}: tile {done + 1} of {total}")
            if on_tile is not None:
                on_tile(done, total)

        return self._bound(ModelUpscaling(
            shelf=self.shelf, tiling=lambda architecture: tiling_of(architecture, settings), on_cpu=self._is_on_cpu, on_tile=report,
            stopped=lambda: is_over(cancel)))

    def enlarge(self, picture: Image, name: str, factor: float, *, settings: Settings, say: Callable[[str], None], cancel: CancelView) -> Image:
        """``picture`` enlarged ``factor`` times by the upscaler ``name``, inside a job. Raises UnknownName, CannotLoad, OutOfMemory."""
        return enlarged_picture(picture, Enlargement(upscaler=name, factor=factor), self.for_job(settings, say, cancel))

    def _bound(self, how: ModelUpscaling) -> KnownUpscalers:
        models: list[PictureUpscaler] = [model_upscaler(each.name, each.path, how) for each in self.catalogue.upscalers()]
        ours = {each.name for each in (*PICTURE_UPSCALERS, *models)}
        others = {each.name: each for listed in self.others for each in listed() if each.name not in ours}
        return KnownUpscalers(models=(*models, *others.values()), remedies=self._remedies())

    def published(self) -> list[Published]:
        """The files of those that A1111 lists, to be fetched."""
        return [Published(final=self.models_dir / each.folder / each.file, address=each.address) for each in PUBLISHED]

    def _remedies(self) -> dict[str, str]:
        return {
            each.name.casefold(): f"Its file {each.file} is not here: download it from {each.address}, put it into {self.models_dir / each.folder} and refresh."
            for each in PUBLISHED
        }

    def _is_on_cpu(self, architecture: str) -> bool:
        return architecture.lower() in self.on_cpu or ("esrgan" in self.on_cpu and architecture in ("ESRGAN", "Compact"))


def tiling_of(architecture: str, settings: Settings) -> Tiling:
    """How a picture is cut for a network of that kind."""
    size, overlap = _TILE_SETTINGS.get(architecture, ("ESRGAN_tile", "ESRGAN_tile_overlap"))
    return Tiling(size=int(settings.get(size)), overlap=int(settings.get(overlap)))
