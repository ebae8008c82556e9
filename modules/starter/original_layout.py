"""Writes and reads the networks under the names of Stable Diffusion 1's original single files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers.models.clip import CLIPTextModel

from modules.starter.architecture import build_text_encoder, build_unet, build_vae

UNET_PREFIX = "model.diffusion_model."
VAE_PREFIX = "first_stage_model."
TEXT_PREFIX = "cond_stage_model.transformer.text_model."
CONTROL_PREFIX = "control_model."

UNET_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
}  # fmt: skip
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def original_tensors(unet: UNet2DConditionModel, vae: AutoencoderKL, text_encoder: CLIPTextModel) -> dict[str, Tensor]:
    """All weights in float16 by their original names."""
    tensors = {UNET_PREFIX + _unet_name(name, unet): t for name, t in _weights(unet).items()}
    tensors |= {VAE_PREFIX + _vae_name(name, vae): _as_convolution(name, t) for name, t in _weights(vae).items()}
    tensors |= {TEXT_PREFIX + name: t for name, t in _weights(text_encoder).items() if "position_ids" not in name}
    return {name: tensor.half().contiguous() for name, tensor in tensors.items()}


def control_tensors(control: ControlNetModel) -> dict[str, Tensor]:
    """A ControlNet's weights in float16 by their original names."""
    return {CONTROL_PREFIX + _control_name(name, control): t.half().contiguous() for name, t in _weights(control).items()}


def read_networks(path: Path) -> tuple[UNet2DConditionModel, AutoencoderKL, CLIPTextModel]:
    """The three networks of a file that ``original_tensors`` wrote, in float32, ready to use."""
    tensors = load_file(path)
    unet, vae, text_encoder = build_unet(), build_vae(), build_text_encoder()
    fill: list[tuple[nn.Module, Callable[[str], str]]] = [
        (unet, lambda name: UNET_PREFIX + _unet_name(name, unet)),
        (vae, lambda name: VAE_PREFIX + _vae_name(name, vae)),
        (text_encoder, lambda name: TEXT_PREFIX + name),
    ]
    for network, original in fill:
        known = network.state_dict()
        found = {name: tensors[original(name)].float().view_as(t) for name, t in known.items() if "position_ids" not in name}
        network.load_state_dict(found, strict=False)
        network.eval().requires_grad_(False)
    return unet, vae, text_encoder


def fill_control(control: ControlNetModel, path: Path) -> None:
    """The weights of a file that ``control_tensors`` wrote, in float32."""
    tensors = load_file(path)
    control.load_state_dict({name: tensors[CONTROL_PREFIX + _control_name(name, control)].float().view_as(t) for name, t in control.state_dict().items()})


def _control_name(name: str, control: ControlNetModel) -> str:
    if found := re.match(r"controlnet_cond_embedding\.(conv_in|conv_out|blocks\.(\d+))\.(.*)", name):
        blocks = 2 * (len(control.config["conditioning_embedding_out_channels"]) - 1)
        place = {"conv_in": 0, "conv_out": blocks + 1}.get(found[1], int(found[2] or 0) + 1)
        return f"input_hint_block.{2 * place}.{found[3]}"  # an activation stands between
    if found := re.match(r"controlnet_down_blocks\.(\d+)\.(.*)", name):
        return f"zero_convs.{found[1]}.0.{found[2]}"
    if found := re.match(r"controlnet_mid_block\.(.*)", name):
        return f"middle_block_out.0.{found[1]}"
    return _unet_name(name, control)


def _weights(network: nn.Module) -> Mapping[str, Tensor]:
    return {name: tensor.detach().to("cpu", torch.float32) for name, tensor in network.state_dict().items()}


def _renamed(name: str, table: Mapping[str, str]) -> str:
    """Replaces the first entry of the table that ``name`` begins with."""
    for ours, original in table.items():
        if name == ours or name.startswith(f"{ours}."):
            return original + name[len(ours) :]
    return name


def _unet_name(name: str, unet: UNet2DConditionModel | ControlNetModel) -> str:
    layers = int(unet.config["layers_per_block"])
    if found := re.match(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.*)", name):
        side, level, kind, index, rest = found[1], int(found[2]), found[3], int(found[4]), found[5]
        if side == "down":  # place 0 is conv_in; each level ends with its downsampler
            place = 1 + level * (layers + 1) + (layers if kind == "downsamplers" else index)
            part = {"resnets": "0", "attentions": "1", "downsamplers": "0.op"}[kind]
        else:
            place = level * (layers + 1) + (layers if kind == "upsamplers" else index)
            has_attention = "CrossAttn" in unet.config["up_block_types"][level]
            part = {"resnets": "0", "attentions": "1", "upsamplers": f"{2 if has_attention else 1}.conv"}[kind]
        if kind.endswith("samplers"):
            rest = rest.removeprefix("conv.")
        elif kind == "resnets":
            rest = _renamed(rest, UNET_RESNET)
        return f"{'input' if side == 'down' else 'output'}_blocks.{place}.{part}.{rest}"
    if found := re.match(r"mid_block\.(resnets|attentions)\.(\d+)\.(.*)", name):
        if found[1] == "attentions":
            return f"middle_block.1.{found[3]}"
        return f"middle_block.{2 * int(found[2])}.{_renamed(found[3], UNET_RESNET)}"
    return _renamed(name, UNET_ENDS)


def _vae_name(name: str, vae: AutoencoderKL) -> str:
    levels = len(vae.config["block_out_channels"])
    name = re.sub(r"down_blocks\.(\d+)\.resnets", r"down.\1.block", name)
    name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", name)
    # the original counts the decoder's levels from the largest picture down
    name = re.sub(r"up_blocks\.(\d+)\.resnets", lambda m: f"up.{levels - 1 - int(m[1])}.block", name)
    name = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", name)
    name = re.sub(r"mid_block\.resnets\.(\d+)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
    if found := re.match(r"(\w+)\.mid_block\.attentions\.0\.(.*)", name):
        return f"{found[1]}.mid.attn_1.{_renamed(found[2], VAE_ATTENTION)}"
    return name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")


def _as_convolution(name: str, tensor: Tensor) -> Tensor:
    """The original VAE's attention maps are 1x1 convolutions."""
    return tensor[:, :, None, None] if ".attentions." in name and tensor.ndim == 2 else tensor
