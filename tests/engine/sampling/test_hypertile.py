"""Attention on tiles: which tokens see each other, which layers and passes it is for, and that nothing is mixed up on the way."""
from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from modules.engine.hypertile import TiledAttention, token_sides
from modules.engine.resolved import Hypertile, TileChoice

ON = TileChoice(is_on=True, max_depth=3, max_tile=128, swap_size=1)


class Noting(nn.Module):
    """An attention that changes nothing and notes what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return x.clone()


def unet(*paths: str) -> nn.Module:
    """Modules that stand where diffusers' UNet has its self-attentions."""
    root = nn.Module()
    for path in paths:
        place: Any = root
        *folders, last = path.split(".")
        for name in folders:
            if not hasattr(place, name):
                place.add_module(name, nn.Module())
            place = getattr(place, name)
        place.add_module(last, Noting())
    return root


FIRST, SECOND, MIDDLE = (f"{place}.transformer_blocks.0.attn1" for place in ("down_blocks.0.attentions.0", "down_blocks.1.attentions.1", "mid_block.attentions.0"))


def through(tiles: TiledAttention, model: nn.Module, path: str, tokens: Tensor, *, is_sdxl: bool = False) -> tuple[Tensor, Tensor]:
    """(what the attention saw, what came out)."""
    layer: Any = model.get_submodule(path)
    with tiles.on_unet(model, is_sdxl=is_sdxl):
        out = layer(tokens)
    return layer.seen[-1], out


def numbered(side: int) -> Tensor:
    """(1, side * side, 1): each token is its own number."""
    return torch.arange(side * side, dtype=torch.float32).reshape(1, -1, 1)


def test_tokens_of_one_tile_are_neighbours_and_all_come_back_to_their_places() -> None:
    tiles = TiledAttention(Hypertile(unet=ON), 1, (256, 256))
    seen, out = through(tiles, unet(FIRST), FIRST, numbered(32))
    assert seen.shape == (4, 256, 1) and torch.equal(out, numbered(32))
    assert seen[0, :17, 0].tolist() == [*range(16), 32], "sixteen columns, then the next row"
    assert seen[1, 0, 0] == 16 and seen[2, 0, 0] == 16 * 32


@pytest.mark.parametrize(("path", "side", "count"), [(FIRST, 32, 4), (SECOND, 32, 1), (SECOND, 64, 4), (MIDDLE, 64, 1)])
def test_deeper_layers_have_larger_tiles(path: str, side: int, count: int) -> None:
    seen, _ = through(TiledAttention(Hypertile(unet=ON), 1, (256, 256)), unet(path), path, numbered(side))
    assert len(seen) == count


def test_layers_below_the_depth_and_passes_that_are_off_stay_whole() -> None:
    shallow = TileChoice(is_on=True, max_depth=0, max_tile=128, swap_size=1)
    assert len(through(TiledAttention(Hypertile(unet=shallow), 1, (256, 256)), unet(SECOND), SECOND, numbered(64))[0]) == 1
    only_hires = TiledAttention(Hypertile(unet=TileChoice(max_tile=128, swap_size=1), unet_in_hires=True), 1, (256, 256))
    model = unet(FIRST)
    assert len(through(only_hires, model, FIRST, numbered(32))[0]) == 1
    only_hires.before_hires((256, 256))
    assert len(through(only_hires, model, FIRST, numbered(32))[0]) == 4
    layer: Any = model.get_submodule(FIRST)
    layer(numbered(32))
    assert len(layer.seen[-1]) == 1, "nothing is left in the model"


def test_sdxl_has_its_own_layers() -> None:
    path = "down_blocks.2.attentions.0.transformer_blocks.7.attn1"
    for is_sdxl, count in ((True, 4), (False, 1)):
        assert len(through(TiledAttention(Hypertile(unet=ON), 1, (256, 256)), unet(path), path, numbered(64), is_sdxl=is_sdxl)[0]) == count


def test_the_seed_draws_the_sizes() -> None:
    swapping = Hypertile(unet=TileChoice(is_on=True, max_tile=128, swap_size=3))

    def counts(seed: int) -> list[int]:
        tiles, model = TiledAttention(swapping, seed, (768, 768)), unet(FIRST)
        return [len(through(tiles, model, FIRST, numbered(96))[0]) for _ in range(8)]

    assert counts(5) == counts(5) != counts(6) and len(set(counts(5))) > 1
    assert set(counts(5)) <= {down * across for down in (6, 4, 3) for across in (6, 4, 3)}, "the three smallest sides from 16 on that divide 96"


@pytest.mark.parametrize(("count", "ratio", "sides"), [(1024, 1.0, (32, 32)), (64 * 96, 2 / 3, (64, 96)), (64 * 96, 1.5, (96, 64)), (97, 1.0, (97, 1))])
def test_sides_of_tokens(count: int, ratio: float, sides: tuple[int, int]) -> None:
    assert token_sides(count, ratio) == sides


def test_the_vae_looks_at_tiles_and_pictures_stay_whole() -> None:
    vae: Any = nn.Module()
    vae.decoder = nn.Module()
    vae.decoder.mid_block = nn.Module()
    vae.decoder.mid_block.attentions = nn.ModuleList([Noting()])
    x = torch.randn(1, 3, 32, 48)
    with TiledAttention(Hypertile(vae=TileChoice(is_on=True, max_tile=128, swap_size=1)), 1, (384, 256)).on_vae(vae):
        out = vae.decoder.mid_block.attentions[0](x)
    assert vae.decoder.mid_block.attentions[0].seen[0].shape == (6, 3, 16, 16) and torch.equal(out, x)
