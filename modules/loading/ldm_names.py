"""Which tensor of a single-file checkpoint becomes which tensor of diffusers' modules.

The only file that touches diffusers' private converters. They are run on names instead of tensors, so that the
weights can be read one at a time later; they rename, and flatten 1x1 convolutions, which ``fill`` does by shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint

from modules.families.family import UNET
from modules.loading.fill import Piece

Names = Mapping[str, str]  # the module's tensor name -> the file's


class _Name(str):
    """A tensor's name in the place of a tensor: the converters ask a tensor only whether it is a convolution."""

    ndim = 0
    shape = ()


def unet_names(names: Iterable[str], config: Mapping[str, Any]) -> Names:
    """UNet2DConditionModel's names for the UNet in a checkpoint. config: needs ``layers_per_block``."""
    return convert_ldm_unet_checkpoint({name: _Name(name) for name in names if name.startswith(UNET)}, config)


def vae_names(names: Iterable[str], levels: int) -> Names:
    """AutoencoderKL's names for the VAE in a checkpoint or in a file of its own, in the original or in diffusers' layout."""
    named = {name: _Name(name) for name in names}
    if any("decoder.up_blocks." in name for name in named):
        return {_modern_attention(name.removeprefix(_VAE).removeprefix("vae.")): name for name in named}
    blocks = ["block"] * levels
    return convert_ldm_vae_checkpoint(named, {"down_block_types": blocks, "up_block_types": blocks})


def clip_names(names: Iterable[str], prefix: str) -> Names:
    """CLIPTextModel's names for the text encoder whose tensors begin with ``prefix``.

    transformers 5 has no ``text_model.`` inside; some old checkpoints lack it too. A file of all of CLIP holds more than the text encoder.
    """
    own = {name.removeprefix(prefix): name for name in names if name.startswith(prefix)}
    if any(name.startswith("text_model.") for name in own):
        own = {name: source for name, source in own.items() if name.startswith(("text_model.", "text_projection."))}
    stripped = {name.removeprefix("text_model."): source for name, source in own.items()}
    stripped.pop("embeddings.position_ids", None)
    return stripped


_VAE = "first_stage_model."
_OPEN_CLIP_FIXED = {
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}
_OPEN_CLIP_PARTS = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2", "attn.out_proj": "self_attn.out_proj"}
_OPEN_CLIP_LAYER = re.compile(r"transformer\.resblocks\.(\d+)\.(.+?)[._](weight|bias)")


def open_clip_names(names: Iterable[str], prefix: str, *, projection: bool) -> Mapping[str, str | Piece]:
    """CLIPTextModel's names for a text encoder in OpenCLIP's layout, where query, key and value are one tensor.

    projection: whether the module has ``text_projection``, which OpenCLIP keeps with rows and columns exchanged.
    """
    names = list(names)
    if f"{prefix}text_model.embeddings.token_embedding.weight" in names:
        return _from_transformers(names, prefix)
    found: dict[str, str | Piece] = {}
    for name in names:
        rest = name.removeprefix(prefix)
        if rest == name:
            continue
        layer = _OPEN_CLIP_LAYER.fullmatch(rest)
        if rest in _OPEN_CLIP_FIXED:
            found[_OPEN_CLIP_FIXED[rest]] = name
        elif projection and rest == "text_projection":
            found["text_projection.weight"] = Piece(name, transposed=True)
        elif layer and layer[2] == "attn.in_proj":
            for index, part in enumerate(("q_proj", "k_proj", "v_proj")):
                found[f"encoder.layers.{layer[1]}.self_attn.{part}.{layer[3]}"] = Piece(name, index=index, of=3)
        elif layer:
            found[f"encoder.layers.{layer[1]}.{_OPEN_CLIP_PARTS.get(layer[2], layer[2])}.{layer[3]}"] = name
    return found


def _from_transformers(names: Iterable[str], prefix: str) -> Mapping[str, str | Piece]:
    """The same encoder as transformers saves it: the module's own names, but for the final norm, by which its family is told."""
    own = {name.removeprefix(prefix).removeprefix("text_model."): name for name in names if name.startswith(prefix)}
    own.pop("embeddings.position_ids", None)
    return {name.replace("ln_final.", "final_layer_norm."): source for name, source in own.items()}


def _modern_attention(name: str) -> str:
    """Early diffusers VAEs call the parts of their attention otherwise."""
    if ".attentions." not in name:
        return name
    for old, new in (("query.", "to_q."), ("key.", "to_k."), ("value.", "to_v."), ("proj_attn.", "to_out.0.")):
        name = name.replace(old, new)
    return name
