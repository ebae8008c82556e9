"""The sizes of a UNet, read off its tensors' names and shapes: no config file and no network is needed.

What shapes cannot tell is the number of attention heads; the family row knows it, or a config beside the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modules.families.family import UNET, ModelFamily, Shapes
from modules.schema.errors import CannotLoad

SIZE_WIDTH = 256        # values that each number about the picture's size becomes in SDXL


@dataclass(frozen=True)
class _Level:
    """One resolution. depths: transformer blocks after each of its residual blocks, 0 where it has none."""

    channels: int
    depths: tuple[int, ...]

    @property
    def has_attention(self) -> bool:
        return any(self.depths)

    @property
    def depth(self) -> int | list[int]:
        """As UNet2DConditionModel takes it: one number for all, or a list."""
        return (self.depths[0] or 1) if len(set(self.depths)) == 1 else list(self.depths)


@dataclass(frozen=True, kw_only=True)
class Heads:
    """What a config beside the file says of the UNet's attention: how many heads each has, or how wide a head is."""

    count: int | None = None
    width: int | None = None


NO_HEADS = Heads()


def unet_config(path: object, shapes: Shapes, family: ModelFamily, heads: Heads = NO_HEADS) -> dict[str, Any]:
    """UNet2DConditionModel's config for the UNet in a checkpoint with these shapes.

    Raises CannotLoad when tensors are missing, or the layout is one that UNet2DConditionModel cannot express.
    """
    try:
        return _config(path, shapes, family, heads)
    except KeyError as error:
        raise CannotLoad(path, f"its UNet is incomplete: it lacks {error.args[0]}", "Download the file again.") from error


def _config(path: object, shapes: Shapes, family: ModelFamily, heads: Heads) -> dict[str, Any]:
    down = _levels(path, shapes)
    layers = {len(level.depths) for level in down}
    if len(layers) != 1:
        raise CannotLoad(path, f"its UNet has {sorted(layers)} layers per level; only an equal number can be run", "Choose another model.")
    up = _levels_up(path, shapes, down) if f"{UNET}output_blocks.0.0.out_layers.3.weight" in shapes else down[::-1]     # control networks have none
    first, middle = shapes[f"{UNET}input_blocks.0.0.weight"], _depth(shapes, f"{UNET}middle_block.1.")
    width = [level.channels for level in down]
    depths = [level.depth for level in down]
    if middle and not down[-1].has_attention:
        depths[-1] = middle
    if middle and depths[-1] != middle:
        raise CannotLoad(path, "the middle of its UNet is not as deep as the level around it", "Choose another model.")
    head_width = heads.width or family.head_width
    config: dict[str, Any] = {
        "in_channels": first[1],
        "out_channels": shapes[f"{UNET}out.2.weight"][0],
        "block_out_channels": width,
        "layers_per_block": len(down[0].depths),
        "down_block_types": ["CrossAttnDownBlock2D" if level.has_attention else "DownBlock2D" for level in down],
        "mid_block_type": _middle_type(shapes, middle),
        "up_block_types": ["CrossAttnUpBlock2D" if level.has_attention else "UpBlock2D" for level in up],
        "transformer_layers_per_block": depths,
        "cross_attention_dim": _first(shapes, ".attn2.to_k.weight")[1],
        "use_linear_projection": len(_first(shapes, ".proj_in.weight")) == 2,
        # UNet2DConditionModel calls the number of heads attention_head_dim
        "attention_head_dim": heads.count or (heads.width is None and family.fixed_heads) or [max(channels // head_width, 1) for channels in width],
    }
    if any(len(set(level.depths)) > 1 for level in (*down, *up)) or [level.depths[0] for level in up] != [level.depths[0] for level in reversed(down)]:
        config["reverse_transformer_layers_per_block"] = [level.depth for level in up]
    size_embedding = shapes.get(f"{UNET}label_emb.0.0.weight")
    if size_embedding is not None:
        config |= {"addition_embed_type": "text_time", "addition_time_embed_dim": SIZE_WIDTH, "projection_class_embeddings_input_dim": size_embedding[1]}
    return config


def _levels(path: object, shapes: Shapes) -> list[_Level]:
    """Walk the down path: residual blocks (with transformers after them or not), each level ended by a downsampler."""
    levels: list[_Level] = []
    channels, depths = 0, []
    for number in range(1, 1000):
        block = f"{UNET}input_blocks.{number}."
        if f"{block}0.op.weight" in shapes:
            levels.append(_level(path, channels, depths))
            depths = []
        elif f"{block}0.out_layers.3.weight" in shapes:
            channels = shapes[f"{block}0.out_layers.3.weight"][0]
            depths.append(_depth(shapes, f"{block}1."))
        else:
            break
    levels.append(_level(path, channels, depths))
    return levels


def _levels_up(path: object, shapes: Shapes, down: list[_Level]) -> list[_Level]:
    """The way back, the smallest resolution first; each level has one residual block more than on the way down."""
    count = len(down[0].depths) + 1
    levels = []
    for place, level in enumerate(reversed(down)):
        blocks = [f"{UNET}output_blocks.{place * count + number}." for number in range(count)]
        for block in blocks:
            shapes[f"{block}0.out_layers.3.weight"]     # raises KeyError for half a UNet
        levels.append(_level(path, level.channels, [_depth(shapes, f"{block}1.") for block in blocks]))
    return levels


def _level(path: object, channels: int, depths: list[int]) -> _Level:
    if not depths or (any(depths) and not all(depths)):
        raise CannotLoad(path, f"one level of its UNet has transformers of depths {depths}; only some everywhere, or none, can be run", "Choose another model.")
    return _Level(channels, tuple(depths))


def _middle_type(shapes: Shapes, depth: int) -> str | None:
    """Residual blocks with transformers between them; one alone (SSD-1B); nothing (KOALA)."""
    if depth:
        return "UNetMidBlock2DCrossAttn"
    return "UNetMidBlock2D" if f"{UNET}middle_block.0.out_layers.3.weight" in shapes else None


def _first(shapes: Shapes, ending: str) -> tuple[int, ...]:
    """The shape of the first UNet tensor whose name ends so."""
    found = next((shape for name, shape in shapes.items() if name.startswith(UNET) and name.endswith(ending)), None)
    if found is None:
        raise KeyError(f"{UNET}...{ending}")
    return found


def _depth(shapes: Shapes, prefix: str) -> int:
    """How many transformer blocks follow each other under ``prefix``."""
    depth = 0
    while f"{prefix}transformer_blocks.{depth}.attn2.to_k.weight" in shapes:
        depth += 1
    return depth
