"""Which layer a LoRA's tensor belongs to: the names that kohya, LyCORIS, diffusers and peft write, and the original layout's.

Every layer has one key, its path in diffusers' modules with underscores: ``unet_down_blocks_0_..._to_q``, ``te_encoder_layers_0_...``;
``te2_`` is the second text encoder's, ``te3_`` the third one's. A flow model's transformer counts as UNet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from modules.families.unet_names import original_names

_PREFIXES = (
    (re.compile(r"^(?:base_model\.model\.)?(?:lora_|lycoris_|oft_)?"), ""),
    (re.compile(r"^(?:model[._])?diffusion_model[._]"), "unet_"),
    (re.compile(r"^transformer[._](?=(?:single_)?transformer_blocks|x_embedder|context_embedder|time_text_embed|norm_out|proj_out|layers|\w+_refiner)"), "unet_"),
    (re.compile(r"^(?:text_encoder_3|te3)[._](?:transformer[._])?"), "te3_"),
    (re.compile(r"^(?:text_encoder_2|te2)[._](?:text_model[._])?"), "te2_"),
    (re.compile(r"^(?:text_encoder|te1?)[._](?:text_model[._])?"), "te_"),
)
TEXT_KEYS = ("te_", "te2_", "te3_")  # what the keys of text encoders' layers begin with

# endings of tensors that diffusers and peft write with dots in the layer's path; kohya's path has none
_DOTTED_PARTS = re.compile(
    r"\.(?P<part>lora_[AB](?:\.default)?\.weight|lora\.(?:up|down|mid)\.weight|lora_(?:up|down|mid)\.weight"
    r"|(?:hada|lokr)_\w+|lora_magnitude_vector(?:\.default)?(?:\.weight)?|dora_scale|alpha|diff|diff_b|w_norm|b_norm)$"
)
_PROCESSOR = re.compile(r"\.processor\.(?P<layer>to_[qkv]|to_out)_lora\.(?P<side>up|down)\.weight$")
_SAME_PART = {
    "lora_A.weight": "lora_down.weight", "lora_B.weight": "lora_up.weight", "lora_A.default.weight": "lora_down.weight",
    "lora_B.default.weight": "lora_up.weight", "lora.down.weight": "lora_down.weight", "lora.up.weight": "lora_up.weight",
    "lora_magnitude_vector": "dora_scale", "lora_magnitude_vector.weight": "dora_scale", "lora_magnitude_vector.default.weight": "dora_scale",
}  # fmt: skip


@dataclass(frozen=True)
class TensorPlace:
    """The layer (its key as the file spells it, with underscores) and which part of its change a tensor is."""

    layer: str
    part: str


def place_of(tensor_name: str) -> TensorPlace:
    """Split a tensor's name; nothing is known yet of whether such a layer exists."""
    processor = _PROCESSOR.search(tensor_name)
    if processor:                           # diffusers' first LoRA files
        layer = processor["layer"].replace("to_out", "to_out.0")
        return TensorPlace(_key(f"{tensor_name[: processor.start()]}.{layer}"), f"lora_{processor['side']}.weight")
    dotted = _DOTTED_PARTS.search(tensor_name)
    if dotted and "." in tensor_name[: dotted.start()]:
        return TensorPlace(_key(tensor_name[: dotted.start()]), _SAME_PART.get(dotted["part"], dotted["part"]))
    layer, _, part = tensor_name.partition(".")
    return TensorPlace(_key(layer), _SAME_PART.get(part, part))


def layer_keys(part: str, module_names: Iterable[str]) -> dict[str, str]:
    """Every key that a file may use for a layer -> the layer's module name. part: "unet", "te" or "te2"."""
    keys: dict[str, str] = {}
    for name in module_names:
        for spelling in (name, *(original_names(name) if part == "unet" else ())):
            keys[f"{part}_{spelling.replace('.', '_')}"] = name
    return keys


def _key(layer: str) -> str:
    for prefix, ours in _PREFIXES:
        layer = prefix.sub(ours, layer)
    layer = layer.replace(".", "_")
    return layer if layer.startswith(("unet_", *TEXT_KEYS)) else f"unet_{layer}"
