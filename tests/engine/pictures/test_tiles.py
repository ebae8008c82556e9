"""A picture through a network in tiles is the picture through the network at once; and it can be stopped between two tiles."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from modules.engine.hooks import is_over
from modules.engine.tiles import TileRun, Tiling, run_in_tiles, tile_starts
from modules.jobs.job import CancelToken
from modules.loading.picture_models import load_picture_model
from modules.schema.errors import OutOfMemory
from tests.loading.picture_files import tiny_upscaler

CPU = TileRun(device=torch.device("cpu"), dtype=torch.float32)


@dataclass
class Enlarger:
    """Every pixel becomes scale x scale; what is asked of it is noted."""

    scale: int = 2
    input_channels: int = 3
    largest: int = 10**9
    calls: int = 0

    def run(self, pixels: Tensor) -> Tensor:
        self.calls += 1
        assert pixels.shape[1] == self.input_channels
        if pixels.shape[2] * pixels.shape[3] > self.largest:
            raise torch.OutOfMemoryError("no room")
        return torch.nn.functional.interpolate(pixels, scale_factor=self.scale, mode="nearest")


def scene(width: int, height: int, seed: int = 0) -> Image.Image:
    """Soft colours with hard edges in them."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (5, 6, 3), np.uint8))
    picture = np.array(small.resize((width, height), Image.Resampling.BICUBIC))
    picture[height // 3 : height // 2, width // 4 : width // 2] = (250, 20, 60)
    return Image.fromarray(picture)


@pytest.mark.parametrize(("length", "size", "overlap"), [(100, 32, 8), (33, 32, 8), (32, 32, 8), (5, 32, 8), (500, 64, 0), (70, 16, 40)])
def test_tiles_cover_everything_and_share_enough(length: int, size: int, overlap: int) -> None:
    starts = tile_starts(length, size, overlap)
    assert starts[0] == 0 and starts[-1] + min(size, length) == length
    for one, next_ in pairwise(starts):
        assert 0 < next_ - one <= size - min(overlap, size // 2)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(61, 47), (40, 90)])
def test_a_network_without_memory_of_its_surroundings_is_tiled_exactly(channels: int, size: tuple[int, int]) -> None:
    picture = scene(*size)
    tiled = run_in_tiles(picture, Enlarger(input_channels=channels), replace(CPU, tiling=Tiling(size=24, overlap=6)))
    assert tiled is not None
    assert np.array_equal(np.asarray(tiled), np.asarray(picture).repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize(("kind", "scale"), [("ESRGAN", 4), ("ESRGAN", 2), ("SwinIR", 2), ("DAT", 2)])
def test_seams_cannot_be_seen(tmp_path: Path, kind: str, scale: int) -> None:
    net = load_picture_model(tiny_upscaler(tmp_path / "a.pth", kind, scale))
    picture = scene(72, 56)
    with torch.no_grad():
        whole = run_in_tiles(picture, net, CPU)
        tiled = run_in_tiles(picture, net, replace(CPU, tiling=Tiling(size=40, overlap=8)))
    assert whole is not None and tiled is not None and whole.size == (72 * scale, 56 * scale)
    difference = np.abs(np.asarray(whole, int) - np.asarray(tiled, int))
    assert np.asarray(whole).std() > 1
    # SwinIR's and DAT's windows lie elsewhere in a tile than in the picture: so do published models'
    assert difference.max() <= (1 if kind == "ESRGAN" else 6)


def test_it_stops_between_two_tiles_and_tells_how_far_it_is() -> None:
    net, told = Enlarger(), []
    how = replace(CPU, tiling=Tiling(size=16, overlap=4), on_tile=lambda done, total: told.append((done, total)), stopped=lambda: net.calls >= 3)
    assert run_in_tiles(scene(60, 60), net, how) is None
    assert net.calls == 3 and told[0][0] == 0 and told[-1][0] == 3 and told[-1][1] == 25


def test_a_pause_holds_the_tiles_and_an_interrupt_ends_them() -> None:
    token, net = CancelToken(), Enlarger()
    how = replace(CPU, tiling=Tiling(size=16, overlap=0), stopped=lambda: is_over(token))
    reached = {2: threading.Event(), 4: threading.Event()}
    acts = {2: token.pause, 4: token.interrupt}
    run = net.run

    def noting(pixels: Tensor) -> Tensor:
        found = run(pixels)
        if net.calls in acts:
            acts[net.calls]()
            reached[net.calls].set()
        return found

    net.run = noting    # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(run_in_tiles, scene(64, 32), net, how)
        assert reached[2].wait(10) and not reached[4].wait(0.2) and net.calls == 2
        token.resume()
        assert result.result(10) is None and net.calls == 4


def test_smaller_tiles_are_tried_before_giving_up() -> None:
    picture = scene(300, 200)
    net = Enlarger(largest=180 * 180)
    tiled = run_in_tiles(picture, net, replace(CPU, tiling=Tiling(size=256, overlap=8)))
    assert tiled is not None and tiled.size == (600, 400)
    with pytest.raises(OutOfMemory, match="300x200"):
        run_in_tiles(picture, Enlarger(largest=10), replace(CPU, tiling=Tiling(size=256, overlap=8)))
