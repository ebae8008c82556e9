"""The UNet out of a checkpoint, behaving as the original code does at every picture size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from modules.families.family import ModelFamily
from modules.loading.fill import Filling, prepared
from modules.loading.ldm_names import unet_names
from modules.loading.unet_layout import Heads, unet_config
from modules.loading.weights import Weights


class DoublingUpsample(Upsample2D):
    """Doubles, convolves, and only then fits an odd size of the skip connection.

    diffusers resizes to that size before the convolution, which gives other pictures than A1111 wherever width or
    height in pixels is no multiple of 64.
    """

    def forward(self, hidden_states: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """hidden_states (B, C, h, w); output_size (height, width) of the skip connection to meet, in cells."""
        doubled = super().forward(hidden_states)
        if output_size is None or doubled.shape[-2:] == tuple(output_size):
            return doubled
        return nn.functional.interpolate(doubled, size=tuple(output_size), mode="nearest")


def prepare_unet(family: ModelFamily, weights: Weights, heads: Heads) -> Filling[UNet2DConditionModel]:
    """The checkpoint's UNet, its weights not read yet. heads: where a config beside the file gives them.

    An SDXL UNet takes the numbers about the picture's size already embedded: see ``engine/size_conditioning``.

    Raises CannotLoad when tensors are missing or do not fit together.
    """
    config = unet_config(weights.header.path, weights.header.shapes, family, heads)
    with torch.device("meta"):
        module = UNet2DConditionModel(**config)
        for name, plain in list(module.named_modules()):
            if isinstance(plain, Upsample2D):
                module.set_submodule(name, DoublingUpsample(plain.channels, use_conv=True, out_channels=plain.out_channels))
        if "addition_embed_type" in config:
            module.add_time_proj = nn.Identity()    # type: ignore[assignment]
    names = unet_names(weights.header.names, config)
    return prepared(module, names, weights, part="UNet")
