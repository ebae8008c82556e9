"""Headers whose tensors go by other names than a checkpoint's: a UNet alone, a UNet of diffusers', all names behind one more word.

They are listed under the names that they would have in a single-file checkpoint.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from modules.families.family import UNET
from modules.families.unet_names import original_names
from modules.library.header import Header

_WRAPPERS = ("state_dict.", "module.", "model.", "net.", "ema.")        # what training programs put in front of every name
_COMPILED = "_orig_mod."            # what torch.compile puts into the names below each module that it wraps
_ORIGINAL = ("input_blocks.", "middle_block.", "output_blocks.", "out.", "time_embed.", "label_emb.", "encoder_hid_proj.")
_OF_ORIGINAL = ("input_blocks.0.0.weight", "output_blocks.0.0.in_layers.0.weight", "out.2.weight")
_OF_DIFFUSERS = ("down_blocks.0.resnets.0.conv1.weight", "up_blocks.0.resnets.0.conv1.weight", "time_embedding.linear_1.weight")


def names_in_checkpoint(names: Collection[str]) -> Mapping[str, str]:
    """A name in the file -> its name in a checkpoint; all of them, most often unchanged."""
    if any(_COMPILED in name for name in names):
        plain = {name: name.replace(_COMPILED, "") for name in names}
        if len(set(plain.values())) == len(names):
            renamed = names_in_checkpoint(plain.values())
            return {name: renamed[known] for name, known in plain.items()}
    for wrapper in _WRAPPERS:
        if f"{wrapper}{UNET}input_blocks.0.0.weight" in names:
            return {name: name.removeprefix(wrapper) for name in names}
    if all(name in names for name in _OF_ORIGINAL):
        return {name: f"{UNET}{name}" if name.startswith(_ORIGINAL) else name for name in names}
    if all(name in names for name in _OF_DIFFUSERS):
        renamed = {name: _from_diffusers(name) for name in names}
        if all(renamed.values()):
            return renamed
    return {name: name for name in names}


def as_checkpoint(header: Header) -> Header:
    """``header`` with its tensors under these names; itself where they have them."""
    renamed = names_in_checkpoint(header.tensors)
    if all(new == old for old, new in renamed.items()):
        return header
    return Header.of(header.path, {renamed[name]: entry for name, entry in header.tensors.items()}, header.metadata, header.size)


def _from_diffusers(name: str) -> str:
    """The upsampler's convolution has two names, the last of which is that of blocks with attention."""
    layer, _, ending = name.rpartition(".")
    found = original_names(layer)
    return f"{UNET}{found[-1]}.{ending}" if found else ""
