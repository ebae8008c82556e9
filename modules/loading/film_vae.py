"""Qwen-Image's VAE, which is one of films (Wan's): a picture is a film of one frame. Names, sizes, and the module as the others are used."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import AutoencoderKLQwenImage
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from torch import Tensor

from modules.families.family import Shapes

_CELL = 8
_ENDS = {
    "conv1": "quant_conv", "conv2": "post_quant_conv", "encoder.conv1": "encoder.conv_in", "decoder.conv1": "decoder.conv_in",
    **{f"{half}.{theirs}": f"{half}.{ours}" for half in ("encoder", "decoder") for theirs, ours in (("head.0", "norm_out"), ("head.2", "conv_out"))},
}  # fmt: skip
_RESIDUAL = {"residual.0": "norm1", "residual.2": "conv1", "residual.3": "norm2", "residual.6": "conv2", "shortcut": "conv_shortcut"}
_MIDDLE = {"0": "resnets.0", "1": "attentions.0", "2": "resnets.1"}
_BLOCK = re.compile(r"(encoder|decoder)\.(downsamples|upsamples|middle)\.(\d+)\.(.+)")


def film_vae_names(names: Iterable[str], prefix: str) -> dict[str, str]:
    """The module's tensor name -> the file's, for Wan's own names and for diffusers'."""
    own = {name.removeprefix(prefix): name for name in names}
    per_level = _resnets(own)
    return {_renamed(name, per_level): source for name, source in own.items()}


def film_vae_config(shapes: Shapes) -> dict[str, Any]:
    """AutoencoderKLQwenImage's config for tensors of these shapes. Raises KeyError naming a tensor that is missing."""
    width, colours = shapes["encoder.conv_in.weight"][:2]
    multiples, films, depth, number = [], [], 0, 0
    while f"encoder.down_blocks.{number}.conv1.weight" in shapes or f"encoder.down_blocks.{number}.resample.1.weight" in shapes:
        block = f"encoder.down_blocks.{number}."
        number += 1
        if f"{block}conv1.weight" in shapes:
            depth += 1
            multiples[len(films) :] = [shapes[f"{block}conv1.weight"][0] // width]
        else:
            films.append(f"{block}time_conv.weight" in shapes)
    if not multiples:
        raise KeyError("encoder.down_blocks.0.conv1.weight")
    return {
        "base_dim": width, "z_dim": shapes["decoder.conv_in.weight"][1], "dim_mult": multiples, "num_res_blocks": max(depth // len(multiples), 1),
        "temperal_downsample": films, "input_channels": colours,
    }  # fmt: skip


def film_vae_of(config: dict[str, Any]) -> FilmVae:
    made = FilmVae(**config)
    made.register_to_config(latent_channels=made.config["z_dim"], block_out_channels=tuple(made.config["base_dim"] * each for each in made.config["dim_mult"]))
    return made


def _resnets(names: Iterable[str]) -> int:
    """Residual blocks at each of the decoder's levels: what enlarges comes after them."""
    blocks = [match for name in names if (match := _BLOCK.fullmatch(name)) and match[2] == "upsamples"]
    return min((int(match[3]) for match in blocks if match[4].startswith("resample.")), default=len(blocks))


def _renamed(name: str, per_level: int) -> str:
    layer, _, ending = name.rpartition(".")
    if layer in _ENDS:
        return f"{_ENDS[layer]}.{ending}"
    block = _BLOCK.fullmatch(name)
    if block is None:
        return name
    half, group, number, rest = block.groups()
    layer, _, ending = rest.rpartition(".")
    rest = f"{_RESIDUAL.get(layer, layer)}.{ending}"
    if group == "middle":
        return f"{half}.mid_block.{_MIDDLE.get(number, number)}.{rest}"
    if group == "downsamples":
        return f"{half}.down_blocks.{number}.{rest}"
    level, place = divmod(int(number), per_level + 1)
    return f"{half}.up_blocks.{level}.{f'resnets.{place}' if place < per_level else 'upsamplers.0'}.{rest}"


class FilmVae(AutoencoderKLQwenImage):
    """Takes and gives what AutoencoderKL does: pictures (B, 3, H, W) and latents (B, C, h, w), each channel of mean 0 and deviation 1."""

    tile_latent_min_size, tile_sample_min_size = 32, 256

    def encode(self, x: Tensor, return_dict: bool = True) -> Any:
        (found,) = super().encode(x[:, :, None], return_dict=False)
        mean, deviation = self._scale(found.mean)
        spread = found.logvar[:, :, 0] - 2 * deviation.log()
        scaled = DiagonalGaussianDistribution(torch.cat([(found.mean[:, :, 0] - mean) / deviation, spread], dim=1))
        return AutoencoderKLOutput(latent_dist=scaled) if return_dict else (scaled,)

    def decode(self, z: Tensor, return_dict: bool = True) -> Any:
        return self._first_frame(super().decode(self._film(z)), return_dict)

    def tiled_decode(self, z: Tensor, return_dict: bool = True) -> Any:
        """In tiles of ``tile_latent_min_size`` cells that overlap by a quarter."""
        side = self.tile_latent_min_size * _CELL
        self.tile_sample_min_height = self.tile_sample_min_width = side
        self.tile_sample_stride_height = self.tile_sample_stride_width = side * 3 // 4
        return self._first_frame(super().tiled_decode(self._film(z)), return_dict)

    def set_attn_processor(self, processor: Any) -> None:
        """Its one layer of attention is PyTorch's own, and stays so."""

    def _film(self, z: Tensor) -> Tensor:
        mean, deviation = self._scale(z)
        return (z * deviation + mean)[:, :, None]

    def _first_frame(self, decoded: Any, return_dict: bool) -> Any:
        decoded.sample = decoded.sample[:, :, 0]
        return decoded if return_dict else (decoded.sample,)

    def _scale(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """(mean, deviation) of each channel as the VAE itself has them, (C, 1, 1)."""
        config: Any = self.config
        mean, deviation = (torch.tensor(values, device=like.device, dtype=like.dtype).view(-1, 1, 1) for values in (config.latents_mean, config.latents_std))
        return mean, deviation
