"""The sizes and names of ControlNets, read off their tensors: in the original or in diffusers' layout."""

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
_MIDDLE = "middle_block.1.norm.weight"
_XL_CONTEXT = 2048

Names = Mapping[str, str]  # the module's tensor name -> the file's


def without_prefix(shapes: Shapes) -> tuple[Shapes, Names]:
    """The shapes by bare original names, and for each bare name the file's own."""
    names = {name.removeprefix(_ORIGINAL_PREFIX).removeprefix("adapter."): name for name in shapes}
    return {bare: shapes[name] for bare, name in names.items()}, names


def controlnet_config(path: object, shapes: Shapes, family: ModelFamily) -> dict[str, Any]:
    """ControlNetModel's config for bare original ``shapes``. Raises CannotLoad for a layout that it cannot express."""
    encoder = {f"{UNET}{name}": shape for name, shape in shapes.items()}
    encoder[f"{UNET}out.2.weight"] = (0,)           # a control network has no output convolution of the UNet's kind
    if _text_width(shapes) is None:                 # SDXL's small ones have no attention: what only attention needs may be anything
        encoder |= {f"{UNET}none.attn2.to_k.weight": (0, _XL_CONTEXT), f"{UNET}none.proj_in.weight": (0, 0)}
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
    return NO_HEADS if (_text_width(shapes) or _XL_CONTEXT) > _SD1_CONTEXT else Heads(count=_SD1_HEADS)


def _text_width(shapes: Shapes) -> int | None:
    """Of the text conditioning that it reads; None where it reads none."""
    return next((shape[1] for name, shape in shapes.items() if name.endswith(".attn2.to_k.weight")), None)


def original_names(shapes: Shapes) -> dict[str, str]:
    """Bare original name of every tensor -> ControlNetModel's name, turned round: module name -> bare name."""
    from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint

    layers = _layers_per_level(shapes)
    named = {name: name for name in shapes if not name.startswith("label_emb.")}
    named.setdefault(_MIDDLE, _MIDDLE)              # the converter counts the middle's parts, and would miss the last of two
    found = convert_controlnet_checkpoint(named, {"layers_per_block": layers})
    converted = {ours: theirs for ours, theirs in found.items() if theirs is not None and theirs in shapes}
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
    middle = _count(shapes, "mid_block.attentions.0.transformer_blocks.{}.attn2.to_k.weight")
    depths[-1] = (middle or 1) if not attends[-1] else depths[-1]
    context = _text_width(shapes) or _XL_CONTEXT
    embedding = "controlnet_cond_embedding.blocks.{}.weight"
    steps = _count(shapes, embedding)
    config = {
        "in_channels": shapes["conv_in.weight"][1], "conditioning_channels": shapes["controlnet_cond_embedding.conv_in.weight"][1],
        "block_out_channels": widths, "layers_per_block": _count(shapes, "down_blocks.0.resnets.{}.conv1.weight"),
        "down_block_types": ["CrossAttnDownBlock2D" if each else "DownBlock2D" for each in attends],
        "transformer_layers_per_block": depths, "cross_attention_dim": context, "mid_block_type": "UNetMidBlock2DCrossAttn" if middle else "UNetMidBlock2D",
        "attention_head_dim": [width // _HEAD_WIDTH for width in widths] if context > _SD1_CONTEXT else _SD1_HEADS,
        "use_linear_projection": len(shapes.get("mid_block.attentions.0.proj_in.weight", (0, 0))) == 2,
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
