"""A1111's upscalers of model files for extensions: files read by spandrel, pictures through them in tiles, and the classes that A1111 lists them by."""
from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from modules.a1111.app_slot import current
from modules.a1111.device_names import get_optimal_device, get_param, without_autocast
from modules.a1111.picture_files import Grid, combine_grid, split_grid
from modules.a1111.places import command_line
from modules.a1111.shared_values import report
from modules.a1111.state import state
from modules.a1111.upscaling import Upscaler, UpscalerData, friendly_name, load_file_from_url, load_models
from modules.application.upscalers import tiling_of
from modules.library.upscaler_names import PUBLISHED
from modules.schema.errors import WebuiError

log = logging.getLogger(__name__)
Run = Callable[[Tensor], Tensor]


def load_spandrel_model(
    path: str | os.PathLike[str], *, device: Any = None, prefer_half: bool = False, dtype: Any = None, expected_architecture: str | None = None
) -> Any:
    """Spandrel's descriptor of the model in ``path``, on ``device`` (None: the program's). Raises CannotLoad."""
    from modules.loading.picture_models import load_picture_model

    descriptor = load_picture_model(Path(path)).descriptor
    kind = descriptor.architecture.name
    if expected_architecture and kind != expected_architecture:
        log.warning("%s is not a %s model, but %s", path, expected_architecture, kind)
    descriptor.to(torch.device(device) if device else get_optimal_device())
    if prefer_half and descriptor.supports_half:
        descriptor.model.half()
    if dtype:
        descriptor.model.to(dtype=getattr(torch, dtype) if isinstance(dtype, str) else dtype)
    return descriptor


# -- pictures -------------------------------------------------------------------------------------------------------------


def pil_image_to_torch_bgr(img: Image.Image) -> Tensor:
    """(3, H, W) in 0 .. 1, blue first."""
    return torch.from_numpy(np.asarray(img.convert("RGB"))[:, :, ::-1].transpose(2, 0, 1) / 255)


def torch_bgr_to_pil_image(tensor: Tensor) -> Image.Image:
    """(3, H, W), or a batch of one, blue first. Raises ValueError for more than one."""
    if tensor.ndim == 4:
        if len(tensor) != 1:
            raise ValueError(f"{tuple(tensor.shape)} is more than one picture")
        tensor = tensor[0]
    levels = (tensor.float().cpu().clamp(0, 1).numpy() * 255.0).round().astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(levels.transpose(1, 2, 0)[:, :, ::-1]), "RGB")


def upscale_pil_patch(model: Any, img: Image.Image) -> Image.Image:
    """The whole picture at once, on the model's device."""
    like = get_param(model)
    with torch.inference_mode(), without_autocast():
        return torch_bgr_to_pil_image(model(pil_image_to_torch_bgr(img)[None].to(like.device, like.dtype)))


def upscale_with_model(model: Any, img: Image.Image, *, tile_size: int, tile_overlap: int = 0, desc: str = "tiled upscale") -> Image.Image:
    """Tile by tile, faded into each other; the picture as it was where the job is interrupted. tile_size 0: at once."""
    if tile_size <= 0:
        return upscale_pil_patch(model, img)
    grid = split_grid(img, min(tile_size, img.width), min(tile_size, img.height), tile_overlap)
    scale, rows = 1, []
    for y, height, tiles in grid.tiles:
        row = []
        for x, width, tile in tiles:
            if state.interrupted:
                return img
            larger = upscale_pil_patch(model, tile)
            scale = larger.width // tile.width
            row.append([x * scale, width * scale, larger])
        rows.append([y * scale, height * scale, row])
    return combine_grid(Grid(rows, *(length * scale for length in grid[1:])))


def tiled_upscale_2(img: Tensor, model: Run, *, tile_size: int, tile_overlap: int, scale: int, device: Any, desc: str = "Tiled upscale") -> Tensor:
    """(B, C, H, W) -> (B, C, H x scale, W x scale): the mean of the tiles where they overlap. What an interrupt left out is NaN, as in A1111."""
    *_, height, width = img.shape
    tile_size = min(tile_size, height, width)
    if tile_size <= 0:
        return model(img)
    total = torch.zeros(*img.shape[:2], height * scale, width * scale, device=device, dtype=img.dtype)
    counts = torch.zeros_like(total)
    for top in _starts(height, tile_size, tile_overlap):
        for left in _starts(width, tile_size, tile_overlap):
            if state.interrupted or state.skipped:
                return total.div_(counts)
            place = (..., slice(top * scale, (top + tile_size) * scale), slice(left * scale, (left + tile_size) * scale))
            total[place] += model(img[..., top : top + tile_size, left : left + tile_size].to(device=device))
            counts[place] += 1
    return total.div_(counts)


def _starts(length: int, tile: int, overlap: int) -> Iterator[int]:
    yield from range(0, length - tile, tile - overlap)
    yield length - tile


def upscale_2(img: Image.Image, model: Any, *, tile_size: int, tile_overlap: int, scale: int, desc: str = "") -> Image.Image:
    """``tiled_upscale_2`` for a picture."""
    like = get_param(model)
    with torch.no_grad():
        larger = tiled_upscale_2(pil_image_to_torch_bgr(img)[None].to(like.dtype), model, tile_size=tile_size, tile_overlap=tile_overlap,
                                 scale=scale, device=like.device, desc=desc)
    return torch_bgr_to_pil_image(larger)


# -- classes --------------------------------------------------------------------------------------------------------------


class _OfFiles(Upscaler):
    """Upscalers of one folder, and those that their makers offer."""

    kind: ClassVar[str] = "ESRGAN"
    endings: ClassVar[tuple[str, ...]] = (".pt", ".pth")

    def __init__(self, path: str | None = None) -> None:
        self.user_path = path
        super().__init__()
        self.model_download_path = self.user_path or self.model_path
        files = {os.path.basename(file): file for file in load_models(self.model_path or "", command_path=self.user_path, ext_filter=self.endings)}
        offered = _published(str(self.name), self)
        for data in offered:
            data.local_data_path = files.pop(_file_of(str(data.data_path)), data.data_path)
        self.scalers = [*(UpscalerData(friendly_name(file), file, self, 4) for file in files.values()), *offered]

    def do_upscale(self, img: Image.Image, selected_model: str) -> Image.Image:
        try:
            model = self.load_model(selected_model)
        except (WebuiError, OSError, RuntimeError):
            report(f"The model {selected_model} was not loaded", exc_info=True)
            return img
        return _in_tiles_of(self.kind, model, img)

    def load_model(self, path: str) -> Any:
        """The descriptor of the model; an address is fetched first, where its file is not here. Raises CannotLoad, OSError."""
        here = next((each.local_data_path for each in self.scalers if each.data_path == path), path) or path
        if here.startswith("http"):
            here = load_file_from_url(here, model_dir=str(self.model_download_path), file_name=_file_of(here))
        half = not command_line().no_half and not command_line().upcast_sampling
        return load_spandrel_model(here, device=self.device, prefer_half=half, expected_architecture=self.kind)


class UpscalerESRGAN(_OfFiles):
    name = "ESRGAN"
    model_name = "ESRGAN_4x"
    model_url = next(each.address for each in PUBLISHED if each.name == "ESRGAN_4x")


def esrgan_upscale(model: Any, img: Image.Image) -> Image.Image:
    """Through ``model``, in ESRGAN's tiles."""
    return _in_tiles_of("ESRGAN", model, img)


def _in_tiles_of(kind: str, model: Any, img: Image.Image) -> Image.Image:
    tiling = tiling_of(kind, current().settings)
    return upscale_with_model(model, img, tile_size=tiling.size, tile_overlap=tiling.overlap)


class UpscalerRealESRGAN(_OfFiles):
    name = "RealESRGAN"
    endings = (".pth",)


class UpscalerDAT(_OfFiles):
    name = kind = "DAT"


class UpscalerHAT(_OfFiles):
    name = kind = "HAT"


def get_realesrgan_models(scaler: Any) -> list[UpscalerData]:
    """The published ones, as ``scaler``'s."""
    return _published("RealESRGAN", scaler)


def get_dat_models(scaler: Any) -> list[UpscalerData]:
    return _published("DAT", scaler)


def _published(folder: str, scaler: Any) -> list[UpscalerData]:
    return [UpscalerData(each.name, each.address, scaler, each.scale) for each in PUBLISHED if each.folder == folder]


def _file_of(address: str) -> str:
    """What the file of a published one is called here."""
    return next((each.file for each in PUBLISHED if each.address == address), os.path.basename(address))
