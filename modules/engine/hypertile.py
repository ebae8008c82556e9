"""Self-attention on tiles instead of the whole latent: large pictures take less time, and come out a little different.

Source: HyperTile (github.com/tfernd/HyperTile), in the form of A1111's built-in extension: its layers, tile sizes and order of random choices.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from modules.engine.resolved import Hypertile, TileChoice

_SMALLEST_TILE, _CELL = 128, 8                      # pixels

# Where a self-attention stands in diffusers' UNet -> its depth; a layer is tiled from its depth on.
_DEPTHS = (
    (re.compile(r"(?:down_blocks\.0|up_blocks\.3)\.attentions\.\d+\.transformer_blocks\.0\.attn1"), 0),
    (re.compile(r"(?:down_blocks\.1|up_blocks\.2)\.attentions\.\d+\.transformer_blocks\.0\.attn1"), 1),
    (re.compile(r"(?:down_blocks\.2|up_blocks\.1)\.attentions\.\d+\.transformer_blocks\.0\.attn1"), 2),
    (re.compile(r"mid_block\.attentions\.0\.transformer_blocks\.0\.attn1"), 3),
)
_DEPTHS_SDXL = (
    (re.compile(r"(?:down_blocks|up_blocks)\.1\.attentions\.\d+\.transformer_blocks\.0\.attn1"), 0),
    (re.compile(r"(?:down_blocks|up_blocks)\.1\.attentions\.\d+\.transformer_blocks\.1\.attn1"), 1),
    (re.compile(r"(?:down_blocks\.2|up_blocks\.0)\.attentions\.\d+\.transformer_blocks\.\d\.attn1"), 1),
    (re.compile(r"mid_block\.attentions\.0\.transformer_blocks\.\d\.attn1"), 2),
)


class TiledAttention:
    """The tiles of one job. Its choices are drawn from the first seed on, pass after pass, as in A1111."""

    def __init__(self, asked: Hypertile, seed: int, size: tuple[int, int]) -> None:
        self._asked, self._seed = asked, seed
        self._random = random.Random(seed)
        self._size, self._in_unet = size, asked.unet.is_on

    def before_hires(self, size: tuple[int, int]) -> None:
        """A hires pass of this size begins. What is set here holds for later batches' first passes too, as in A1111."""
        if not self._asked.unet.is_on:
            self._random.seed(self._seed)
        self._size, self._in_unet = size, self._asked.unet_in_hires

    @contextmanager
    def on_unet(self, unet: nn.Module, *, is_sdxl: bool) -> Iterator[None]:
        """While a pass runs."""
        handles: list[Any] = []
        if self._in_unet:
            depths = _DEPTHS_SDXL if is_sdxl else _DEPTHS
            for name, module in unet.named_modules():
                depth = next((depth for pattern, depth in depths if pattern.fullmatch(name)), None)
                if depth is not None and depth <= self._asked.unet.max_depth:
                    tiles = _TokenTiles(self._chooser(self._asked.unet, 2**depth), self._size[0] / self._size[1])
                    handles += [module.register_forward_pre_hook(tiles.split), module.register_forward_hook(tiles.join, prepend=True)]
        with _removed(handles):
            yield

    @contextmanager
    def on_vae(self, vae: Any) -> Iterator[None]:
        """While latents are decoded."""
        handles: list[Any] = []
        layers = getattr(vae.decoder.mid_block, "attentions", None) or () if self._asked.vae.is_on else ()
        for module in [each for each in layers if each is not None][:1]:
            tiles = _PictureTiles(self._chooser(self._asked.vae, 1))
            handles += [module.register_forward_pre_hook(tiles.split), module.register_forward_hook(tiles.join)]
        with _removed(handles):
            yield

    def _chooser(self, choice: TileChoice, factor: int) -> Callable[[int], int]:
        tile = max(_SMALLEST_TILE, min(_largest_tile(*self._size), choice.max_tile)) // _CELL * factor

        def parts(length: int) -> int:
            least = min(tile, length)
            counts = [length // each for each in range(least, length + 1) if length % each == 0][: max(choice.swap_size, 1)]
            return counts[self._random.randint(0, len(counts) - 1)]

        return parts


@contextmanager
def _removed(handles: list[Any]) -> Iterator[None]:
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _largest_tile(width: int, height: int) -> int:
    """The largest power of two that divides both sides, in pixels."""
    common = math.gcd(width, height)
    return common & -common


@cache
def token_sides(count: int, ratio: float) -> tuple[int, int]:
    """Two sides of so many tokens, as near to the ratio as they divide. A1111 asks with width / height and reads height and width; so do we."""
    first, second = round(math.sqrt(count * ratio)), round(math.sqrt(count / ratio))
    if first * second == count:
        return first, second
    if count % first == 0:
        return first, count // first
    if count % second == 0:
        return count // second, second
    pairs = [(each, count // each) for each in range(2, count + 1) if count % each == 0]
    return min(pairs, key=lambda pair: abs(pair[1] / pair[0] - ratio))


class _TokenTiles:
    """Tokens (B, N, C) as tiles (B * tiles, n, C), and back."""

    def __init__(self, parts: Callable[[int], int], ratio: float) -> None:
        self._parts, self._ratio = parts, ratio
        self._cut = (1, 1, 1, 1)

    def split(self, module: nn.Module, arguments: tuple[Any, ...]) -> Any:
        tokens: Tensor = arguments[0]
        height, width = token_sides(tokens.shape[1], self._ratio)
        down, across = self._parts(height), self._parts(width)
        self._cut = down, height // down, across, width // across
        if down * across == 1:
            return None
        cut = tokens.reshape(len(tokens), *self._cut, tokens.shape[-1]).permute(0, 1, 3, 2, 4, 5)
        return (cut.reshape(-1, self._cut[1] * self._cut[3], tokens.shape[-1]), *arguments[1:])

    def join(self, module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> Tensor | None:
        down, high, across, wide = self._cut
        if down * across == 1:
            return None
        whole = output.reshape(-1, down, across, high, wide, output.shape[-1]).permute(0, 1, 3, 2, 4, 5)
        return whole.reshape(-1, down * high * across * wide, output.shape[-1])


class _PictureTiles:
    """(B, C, H, W) as tiles (B * tiles, C, h, w), and back. Between C and H there may be more."""

    def __init__(self, parts: Callable[[int], int]) -> None:
        self._parts = parts
        self._cut = (1, 1)

    def split(self, module: nn.Module, arguments: tuple[Any, ...]) -> Any:
        x: Tensor = arguments[0]
        down, across = self._cut = self._parts(x.shape[-2]), self._parts(x.shape[-1])
        if down * across == 1:
            return None
        rows = [part for whole in x for row in whole.chunk(down, dim=-2) for part in row.chunk(across, dim=-1)]
        return (torch.stack(rows), *arguments[1:])

    def join(self, module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> Tensor | None:
        down, across = self._cut
        if down * across == 1:
            return None
        wholes = output.reshape(-1, down, across, *output.shape[1:])
        return torch.stack([torch.cat([torch.cat(list(row), dim=-1) for row in whole], dim=-2) for whole in wholes])
