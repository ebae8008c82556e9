"""A loaded model computes attention in another way from now on: the setting changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from modules.compute.attention import apply_attention

if TYPE_CHECKING:
    from modules.compute.policy import ComputePolicy
    from modules.loading.components import Components


def attending(components: Components, policy: ComputePolicy) -> Components:
    """The model with attention computed as ``policy`` says; as it is where that is so already."""
    from diffusers.models.attention_processor import AttnProcessor2_0
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    old = components.policy
    if old is None or (old.attention, old.attention_float32) == (policy.attention, policy.attention_float32):
        return components
    new = replace(old, attention=policy.attention, attention_float32=policy.attention_float32)
    for model in (components.unet, components.vae):
        if isinstance(model, UNet2DConditionModel | AutoencoderKL):     # transformers have an attention of their own
            apply_attention(model, new, usual=AttnProcessor2_0())
    return replace(components, policy=new)
