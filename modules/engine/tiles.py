"""A picture through a network tile by tile: the tiles overlap, and what they share is blended from one into the next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from modules.compute.memory import free_memory, is_out_of_memory
from modules.schema.errors import OutOfMemory

log = logging.getLogger(__name__)
_SMALLEST_TILE = 64  # pixels; a GPU that cannot hold this cannot upscale
Floats = NDArray[np.float32]


class Overflowed(Exception):
    """Half precision was too narrow for this network: its result holds values that are no numbers."""


class PictureNet(Protocol):
    """What runs: pixels (1, C, H, W) in 0 .. 1 -> (1, C', H x scale, W x scale)."""

    @property
    def scale(self) -> int: ...
    @property
    def input_channels(self) -> int: ...
    def run(self, pixels: Tensor) -> Tensor: ...


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """size: pixels of a tile's side, 0 for the whole picture at once. overlap: pixels that neighbours share, and see beyond their edges."""

    size: int = 0
    overlap: int = 8


@dataclass(frozen=True, kw_only=True)
class TileRun:
    """How to run it. on_tile(done, total): told before the first tile and after each. stopped: asked before each tile."""

    device: torch.device
    dtype: torch.dtype
    tiling: Tiling = Tiling()
    on_tile: Callable[[int, int], None] = lambda done, total: None
    stopped: Callable[[], bool] = lambda: False


def run_in_tiles(picture: Image.Image, net: PictureNet, how: TileRun) -> Image.Image | None:
    """``picture`` (RGB) through ``net``: an RGB picture ``net.scale`` times as large; None when it was stopped.

    Where the device's memory is too small for a tile, smaller ones are tried. Raises OutOfMemory,
    and Overflowed where half precision is too narrow.
    """
    size = how.tiling.size
    while True:
        try:
            return _through_tiles(picture, net, how, size)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            size = (size or max(picture.size)) // 2
            if size < _SMALLEST_TILE:
                raise OutOfMemory(
                    f"The {how.device} ran out of memory while enlarging a {picture.width}x{picture.height} picture.",
                    "Unload the checkpoint, or start with --medvram.",
                ) from error
            error.with_traceback(None)              # its frames hold what is in the way
            free_memory()
            log.warning("out of memory: trying tiles of %d pixels", size)


def tile_starts(length: int, size: int, overlap: int) -> list[int]:
    """Where tiles of ``size`` begin so that they cover ``length`` evenly, neighbours sharing at least ``overlap``."""
    if size <= 0 or length <= size:
        return [0]
    overlap = min(overlap, size // 2)
    count = -(-(length - overlap) // (size - overlap))
    return [round(index * (length - size) / (count - 1)) for index in range(count)]


def _through_tiles(picture: Image.Image, net: PictureNet, how: TileRun, size: int) -> Image.Image | None:
    pixels = np.asarray(picture.convert("RGB"))
    height, width = pixels.shape[:2]
    rows, columns = (tile_starts(side, size, how.tiling.overlap) for side in (height, width))
    tile_height, tile_width = (min(size, side) if size else side for side in (height, width))
    scale, total = net.scale, len(rows) * len(columns)
    sheet = np.zeros((height * scale, width * scale, 3), np.uint8)
    how.on_tile(0, total)
    filled = 0                                      # rows of the sheet that bear something
    for row, top in enumerate(rows):
        tiles: list[Floats] = []
        for column, left in enumerate(columns):
            if how.stopped():
                return None
            tiles.append(_one_tile(pixels, (left, top, tile_width, tile_height), net, how))
            how.on_tile(row * len(columns) + column + 1, total)
        band = _joined(tiles, [left * scale for left in columns], width * scale)
        start, end = top * scale, (top + tile_height) * scale
        if filled > start:
            share = _ramp(filled - start)[:, None, None]
            band[: filled - start] = sheet[start:filled] * (1 - share) + band[: filled - start] * share
        sheet[start:end] = np.clip(np.rint(band), 0, 255).astype(np.uint8)
        filled = end
    return Image.fromarray(sheet, "RGB")


def _joined(tiles: Sequence[Floats], starts: Sequence[int], width: int) -> Floats:
    """Tiles of one row side by side, each blended into the one before where they overlap."""
    band = np.zeros((tiles[0].shape[0], width, 3), np.float32)
    filled = 0
    for tile, start in zip(tiles, starts):
        shared = max(0, filled - start)
        share = _ramp(shared)[None, :, None]
        band[:, start : start + shared] = band[:, start : start + shared] * (1 - share) + tile[:, :shared] * share
        band[:, start + shared : start + tile.shape[1]] = tile[:, shared:]
        filled = start + tile.shape[1]
    return band


def _ramp(length: int) -> Floats:
    """From the old to the new over ``length`` pixels: 0 .. 1, the ends left out."""
    return ((np.arange(length, dtype=np.float32) + 0.5) / max(length, 1)).astype(np.float32)


def _one_tile(pixels: NDArray[np.uint8], box: tuple[int, int, int, int], net: PictureNet, how: TileRun) -> Floats:
    """(h x scale, w x scale, 3) in 0 .. 255: the tile at ``box`` (left, top, width, height), seen with what lies around it."""
    left, top, width, height = box
    margin = how.tiling.overlap
    x0, y0 = max(0, left - margin), max(0, top - margin)
    x1, y1 = min(pixels.shape[1], left + width + margin), min(pixels.shape[0], top + height + margin)
    seen = torch.from_numpy(pixels[y0:y1, x0:x1].copy()).permute(2, 0, 1)[None].float() / 255
    result = _run(seen, net, how)
    scale = net.scale
    inner = result[:, (top - y0) * scale : (top - y0 + height) * scale, (left - x0) * scale : (left - x0 + width) * scale]
    return (inner.permute(1, 2, 0) * 255).numpy()


def _run(seen: Tensor, net: PictureNet, how: TileRun) -> Tensor:
    """(1, 3, h, w) -> (3, H, W) in float32 on the CPU, whatever channels the network has."""
    rows = _with_channels(seen, net.input_channels).to(device=how.device, dtype=how.dtype)
    results = [net.run(each[None]).float().cpu()[0] for each in rows]
    if how.dtype != torch.float32 and not all(bool(torch.isfinite(each).all()) for each in results):
        raise Overflowed
    if len(results) == 3:                           # a network for grey pictures saw each colour by itself
        return torch.cat([each[:1] for each in results])
    found = results[0]
    return found[:3] if len(found) >= 3 else found[:1].expand(3, -1, -1)


def _with_channels(seen: Tensor, channels: int) -> Tensor:
    if channels == 1:
        return seen[0][:, None]
    if channels == 4:
        return torch.cat([seen, torch.ones_like(seen[:, :1])], dim=1)
    return seen
