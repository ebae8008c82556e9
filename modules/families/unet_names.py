"""What diffusers' UNet modules are called in the original single-file layout."""

from __future__ import annotations

import re

_LAYERS_PER_BLOCK = 2       # in all Stable Diffusion UNets: blocks of the original layout are counted through

_FIXED_NAMES = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0", "conv_out": "out.2", "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
    "encoder_hid_proj": "encoder_hid_proj",
}  # fmt: skip
_RESNET_PARTS = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0", "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}  # fmt: skip
_BLOCK_PART = re.compile(r"(down_blocks|up_blocks|mid_block)(?:\.(\d+))?\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)(?:\.(.+))?")


def original_names(name: str) -> tuple[str, ...]:
    """A UNet module's path in the original single-file layout; none for one that has none there.

    The convolution of an upsampler stands third in blocks with attention, second in those without: it gets both names.
    """
    if name in _FIXED_NAMES:
        return (_FIXED_NAMES[name],)
    match = _BLOCK_PART.fullmatch(name)
    if not match:
        return ()
    side, block, kind, number, rest = match[1], int(match[2] or 0), match[3], int(match[4]), match[5] or ""
    tail = f".{_RESNET_PARTS.get(rest, rest) if kind == 'resnets' else rest}" if rest else ""
    if side == "mid_block":
        return (f"middle_block.{number * 2 if kind == 'resnets' else 1}{tail}",)
    if side == "down_blocks":
        first = block * (_LAYERS_PER_BLOCK + 1) + 1
        return (f"input_blocks.{first + _LAYERS_PER_BLOCK}.0.op" if kind == "downsamplers" else f"input_blocks.{first + number}.{_slot(kind)}{tail}",)
    first = block * (_LAYERS_PER_BLOCK + 1)
    if kind == "upsamplers":
        return tuple(f"output_blocks.{first + _LAYERS_PER_BLOCK}.{place}.conv" for place in (1, 2))
    return (f"output_blocks.{first + number}.{_slot(kind)}{tail}",)


def _slot(kind: str) -> int:
    return 0 if kind == "resnets" else 1
