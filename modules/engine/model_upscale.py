"""Upscalers made of a model file: read when they are first used, run in tiles, stopped between two of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image

from modules.engine.tiles import Overflowed, TileRun, Tiling, run_in_tiles
from modules.engine.upscale import PictureUpscaler
from modules.loading.picture_models import PictureModel
from modules.loading.upscalers import PictureModelShelf

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ModelUpscaling:
    """What upscalers of one job share.

    tiling, on_cpu: by spandrel's id of the architecture. on_tile(name, done, total): told before the first tile and after each.
    stopped: asked before each tile; a picture that was stopped comes back as it was.
    """

    shelf: PictureModelShelf
    tiling: Callable[[str], Tiling] = lambda architecture: Tiling(size=192)
    on_cpu: Callable[[str], bool] = lambda architecture: False
    on_tile: Callable[[str, int, int], None] = lambda name, done, total: None
    stopped: Callable[[], bool] = lambda: False


def model_upscaler(name: str, path: Path, how: ModelUpscaling) -> PictureUpscaler:
    """The upscaler ``name`` whose weights are in ``path``; nothing is read before its first picture."""

    def enlarge(picture: Image.Image, factor: float) -> Image.Image:
        model = how.shelf.load(path)
        return run_model(picture.convert("RGB"), model, how, name=name) or picture

    return PictureUpscaler(name=name, enlarge=enlarge, aliases=(path.stem, path.name))


def run_model(picture: Image.Image, model: PictureModel, how: ModelUpscaling, *, name: str = "") -> Image.Image | None:
    """``picture`` through ``model``, ``model.scale`` times as large; None when it was stopped. Raises OutOfMemory."""
    on_cpu = how.on_cpu(model.architecture)
    tiling = how.tiling(model.architecture) if model.may_be_tiled else Tiling()

    def report(done: int, total: int) -> None:
        how.on_tile(name, done, total)

    with how.shelf.working(model, on_cpu=on_cpu) as place, torch.no_grad():
        run = TileRun(device=place.device, dtype=place.dtype, tiling=tiling, on_tile=report, stopped=how.stopped)
        try:
            return run_in_tiles(picture, model, run)
        except Overflowed:
            log.warning("%s overflows in half precision: it runs in float32", name or model.path.name)
            model.module.float()
            return run_in_tiles(picture, model, replace(run, dtype=torch.float32))
