"""The sizes and names of control networks, read off their tensors: ControlNets in the original or in diffusers' layout, T2I-Adapters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from modules.families.family import UNET, ModelFamily, Shapes
from modules.loading.unet_layout import NO_HEADS, Heads, unet_config
from modules.schema.errors import CannotLoad

_ORIGINAL_PREFIX = "control_model."
_HINT_BLOCKS = re.compile(r"input_hint_block\.(\d+)\.weight")
_LAST_HINT_BLOCK = 14
_HEAD_WIDTH = 64
_SD1_CONTEXT, _SD1_HEADS = 768, 8
_UNSHUFFLE = 8  # a T2I-Adapter folds squares of this many pixels into channels

Names = Mapping[str, str]  # the module's tensor name -> the file's


def without_prefix(shapes: Shapes) -> tuple[Shapes, Names]:
    """The shapes by bare original names, and for each bare name the file's own."""
    names = {name.removeprefix(_ORIGINAL_PREFIX).removeprefix("adapter."): name for name in shapes}
    return {bare: shapes[name] for bare, name in names.items()}, names


def controlnet_config(path: object, shapes: Shapes, family: ModelFamily) -> dict[str, Any]:
    """ControlNetModel's config for bare original ``shapes``. Raises CannotLoad for a layout that it cannot express."""
    encoder = {f"{UNET}{name}": shape for name, shape in shapes.items()}
    encoder[f"{UNET}out.2.weight"] = (0,)           # a control network has no output convolution of the UNet's kind
    config = unet_config(path, encoder, family, _heads(shapes))
    for foreign in ("out_channels", "up_block_types", "addition_embed_type", "addition_time_embed_dim", "projection_class_embeddings_input_dim"):
        config.pop(foreign, None)
    blocks = sorted(int(found[1]) for name in shapes if (found := _HINT_BLOCKS.fullmatch(name)))
    if not blocks or blocks[-1] != _LAST_HINT_BLOCK:
        raise CannotLoad(path, "the part that reads the picture is of a layout that this version does not know", "Choose another control model.")
    widths = [shapes[f"input_hint_block.{number}.weight"] for number in blocks]
    config |= {
        "conditioning_channels": widths[0][1],
        "conditioning_embedding_out_channels": (widths[0][0], *(widths[number][0] for number in range(2, len(widths) - 1, 2))),
    }
    if "label_emb.0.0.weight" in shapes:
        config |= {"class_embed_type": "projection", "projection_class_embeddings_input_dim": shapes["label_emb.0.0.weight"][1]}
    return config


def _heads(shapes: Shapes) -> Heads:
    """SD1's attention has eight heads; wider text means heads of 64 channels, which the family row says."""
    context = shapes["middle_block.1.transformer_blocks.0.attn2.to_k.weight"][1]
    return NO_HEADS if context > _SD1_CONTEXT else Heads(count=_SD1_HEADS)


def original_names(shapes: Shapes) -> dict[str, str]:
    """Bare original name of every tensor -> ControlNetModel's name, turned round: module name -> bare name."""
    from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint

    layers = _layers_per_level(shapes)
    named = {name: name for name in shapes if not name.startswith("label_emb.")}
    converted = {ours: theirs for ours, theirs in convert_controlnet_checkpoint(named, {"layers_per_block": layers}).items() if theirs is not None}
    for number, part in ((0, "linear_1"), (2, "linear_2")):
        for kind in ("weight", "bias"):
            if f"label_emb.0.{number}.{kind}" in shapes:
                converted[f"class_embedding.{part}.{kind}"] = f"label_emb.0.{number}.{kind}"
    return converted


def _layers_per_level(shapes: Shapes) -> int:
    """Residual blocks before the first downsampler."""
    return next((number - 1 for number in range(1, 100) if f"input_blocks.{number}.0.op.weight" in shapes), 2)


def diffusers_config(path: object, shapes: Shapes) -> dict[str, Any]:
    """ControlNetModel's config for a file in diffusers' own layout. Raises CannotLoad where parts are missing."""
    try:
        return _diffusers_config(shapes)
    except (KeyError, IndexError) as error:
        raise CannotLoad(path, f"the control network is incomplete: it lacks {error}", "Download the file again.") from error


def _diffusers_config(shapes: Shapes) -> dict[str, Any]:
    levels = _count(shapes, "down_blocks.{}.resnets.0.conv1.weight")
    widths = [shapes[f"down_blocks.{level}.resnets.0.conv1.weight"][0] for level in range(levels)]
    attends = [f"down_blocks.{level}.attentions.0.proj_in.weight" in shapes for level in range(levels)]
    depths = [_count(shapes, f"down_blocks.{level}.attentions.0.transformer_blocks.{{}}.attn2.to_k.weight") or 1 for level in range(levels)]
    depths[-1] = _count(shapes, "mid_block.attentions.0.transformer_blocks.{}.attn2.to_k.weight") if not attends[-1] else depths[-1]
    context = shapes["mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"][1]
    embedding = "controlnet_cond_embedding.blocks.{}.weight"
    steps = _count(shapes, embedding)
    config = {
        "in_channels": shapes["conv_in.weight"][1], "conditioning_channels": shapes["controlnet_cond_embedding.conv_in.weight"][1],
        "block_out_channels": widths, "layers_per_block": _count(shapes, "down_blocks.0.resnets.{}.conv1.weight"),
        "down_block_types": ["CrossAttnDownBlock2D" if each else "DownBlock2D" for each in attends],
        "transformer_layers_per_block": depths, "cross_attention_dim": context,
        "attention_head_dim": [width // _HEAD_WIDTH for width in widths] if context > _SD1_CONTEXT else _SD1_HEADS,
        "use_linear_projection": len(shapes["mid_block.attentions.0.proj_in.weight"]) == 2,
        "conditioning_embedding_out_channels": (shapes["controlnet_cond_embedding.conv_in.weight"][0], *(shapes[embedding.format(step)][0] for step in range(1, steps, 2))),
    }  # fmt: skip
    if "add_embedding.linear_1.weight" in shapes:
        config |= {"class_embed_type": "projection", "projection_class_embeddings_input_dim": shapes["add_embedding.linear_1.weight"][1]}
    return config


def _count(shapes: Shapes, pattern: str) -> int:
    """How many tensors ``pattern`` names, its number counted from 0."""
    found = 0
    while pattern.format(found) in shapes:
        found += 1
    return found


def diffusers_names(shapes: Shapes) -> dict[str, str]:
    """The module's name of every tensor -> the file's. SDXL's size embedding comes ready: it is the class embedding here."""
    return {re.sub(r"^add_embedding\.", "class_embedding.", name): name for name in shapes}


def adapter_config(path: object, shapes: Shapes) -> dict[str, Any]:
    """T2IAdapter's config for bare ``shapes`` of the original full adapter, in its own or in diffusers' layout."""
    body = _adapter_blocks(shapes)
    if not body or "conv_in.weight" not in shapes:
        raise CannotLoad(path, "it is an adapter of a layout that this version does not know", "Choose another control model.")
    first = shapes["conv_in.weight"]
    channels = [widths[-1] for widths in body]
    return {
        "in_channels": first[1] // _UNSHUFFLE**2, "channels": channels, "num_res_blocks": len(body[0]),
        "downscale_factor": _UNSHUFFLE, "adapter_type": "full_adapter",
    }  # fmt: skip


def _adapter_blocks(shapes: Shapes) -> list[list[int]]:
    """Channels of each residual block, by level."""
    if any(".resnets." in name for name in shapes):
        levels: list[list[int]] = []
        while f"body.{len(levels)}.resnets.0.block1.weight" in shapes:
            level, widths = len(levels), []
            while f"body.{level}.resnets.{len(widths)}.block1.weight" in shapes:
                widths.append(shapes[f"body.{level}.resnets.{len(widths)}.block1.weight"][0])
            levels.append(widths)
        return levels
    flat = []
    while f"body.{len(flat)}.block1.weight" in shapes:
        flat.append(shapes[f"body.{len(flat)}.block1.weight"][0])
    return [flat[start : start + 2] for start in range(0, len(flat), 2)]


def adapter_names(shapes: Shapes) -> dict[str, str]:
    """T2IAdapter's tensor name -> bare name in the file."""
    found = {}
    for name in shapes:
        ours = re.sub(r"^body\.(\d+)\.in_conv\.", lambda hit: f"body.{_level_of(hit[1], shapes)}.in_conv.", name)
        if ".resnets." not in name:
            ours = re.sub(r"^body\.(\d+)\.(block[12])\.", lambda hit: f"body.{int(hit[1]) // 2}.resnets.{int(hit[1]) % 2}.{hit[2]}.", ours)
        found[f"adapter.{ours}"] = name
    return found


def _level_of(number: str, shapes: Shapes) -> int:
    """diffusers counts levels, the original counts residual blocks, two to a level."""
    return int(number) if any(".resnets." in name for name in shapes) else int(number) // 2
