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
    (re.compile(r"^transformer(?:\.|_(?!blocks))"), "unet_"),
    (re.compile(r"^(?:text_encoders[._])?(?:text_encoder_3|te3|t5(?:xxl)?)[._](?:transformer[._])?"), "te3_"),
    (re.compile(r"^(?:text_encoders[._])?(?:text_encoder_2|te2|clip_g)[._](?:transformer[._])?(?:text_model[._])?"), "te2_"),
    (re.compile(r"^(?:text_encoders[._])?(?:text_encoder|te1?|clip_[lh])[._](?:transformer[._])?(?:text_model[._])?"), "te_"),
    (re.compile(r"^(?:unet_llm_adapter|text_conditioner)[._]"), "te_llm_adapter_"),     # Anima's, which lies beside its denoiser
    (re.compile(r"^text_model[._]"), "te_"),        # a text encoder's network in a file of its own, as peft and LyCORIS write it
)
WHOLE = "whole"
TEXT_KEYS = ("te_", "te2_", "te3_")  # what the keys of text encoders' layers begin with

# endings of tensors that diffusers and peft write with dots in the layer's path; kohya's path has none
_DOTTED_PARTS = re.compile(
    r"\.(?P<part>lora_[AB](?:\.\w+)?\.(?:weight|bias)|lora(?:_linear_layer)?\.(?:up|down|mid)\.weight|lora_(?:up|down|mid)\.(?:weight|bias)"
    r"|(?:hada|lokr)_\w+|lora_magnitude_vector(?:\.default)?(?:\.weight)?|dora_scale|alpha|diff|diff_b|w_norm|b_norm"
    r"|oft_(?:blocks|diag)|rescale|on_input|[ab][12]\.weight|bias_(?:indices|values|size))$"
)
_ADAPTER = re.compile(r"(?<=^lora_[AB])\.\w+\.(?=weight$|bias$)")     # the name that peft's user gave it, "default" when none
_PROCESSOR = re.compile(r"\.processor\.(?P<layer>to_[qkv]|to_out)_lora\.(?P<side>up|down)\.weight$")
_XLABS = re.compile(r"(?P<layer>(?:double|single)_blocks\.\d+\.processor\.\w+)\.(?P<side>up|down)\.weight$")
_NORM = re.compile(r"(?P<layer>.+\.(?:query|key)_norm)\.scale$")     # a norm as it is to be, in the makers' LoRAs of FLUX.1
_SAME_PART = {
    "lora_A.weight": "lora_down.weight", "lora_B.weight": "lora_up.weight", "lora_B.bias": "lora_up.bias",
    "lora.down.weight": "lora_down.weight", "lora.up.weight": "lora_up.weight", "lora.mid.weight": "lora_mid.weight",
    "lora_magnitude_vector.weight": "lora_magnitude_vector",
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
    xlabs = _XLABS.search(tensor_name)
    if xlabs:
        return TensorPlace(_key(xlabs["layer"]), f"lora_{xlabs['side']}.weight")
    norm = _NORM.fullmatch(tensor_name)
    if norm:
        return TensorPlace(_key(norm["layer"]), WHOLE)
    dotted = _DOTTED_PARTS.search(tensor_name)
    if dotted and "." in tensor_name[: dotted.start()]:
        return TensorPlace(_key(tensor_name[: dotted.start()]), _part(dotted["part"]))
    layer, _, part = tensor_name.partition(".")
    return TensorPlace(_key(layer), _part(part))


def _part(name: str) -> str:
    name = _ADAPTER.sub(".", name).replace(".default", "").replace("_linear_layer", "")
    return _SAME_PART.get(name, name)


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
