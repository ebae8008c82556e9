"""FLUX.2's VAE: AutoencoderKL whose latents are normalised by patches of two by two cells, with statistics that lie in its file. Names, sizes, module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.vae import Decoder, DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from torch import Tensor, nn

from modules.families.family import LatentFormat, Shapes
from modules.loading.ldm_names import vae_names
from modules.loading.vae_layout import vae_config

_STATISTICS = ("bn.running_mean", "bn.running_var")
_SIDE = 2                           # cells
_EPSILON = 1e-4                     # batch normalisation's, in its makers' program
_CONVOLUTIONS = {"encoder.quant_conv.": "quant_conv.", "decoder.post_quant_conv.": "post_quant_conv."}    # its makers have them inside


def is_patched(shapes: Shapes) -> bool:
    """Whether the VAE among these tensors has such statistics."""
    return any(name.endswith(_STATISTICS[0]) for name in shapes)


def patched_vae_names(names: Iterable[str], prefix: str, levels: int) -> dict[str, str]:
    """The module's tensor name -> the file's, for its makers' names and for diffusers'."""
    own = {_renamed(name.removeprefix(prefix)): name for name in names}
    statistics = {name: own.pop(name) for name in _STATISTICS if name in own}
    own = {name: source for name, source in own.items() if not name.startswith("bn.")}      # how many pictures were counted
    return {name: own[source] for name, source in vae_names(own, levels).items()} | statistics


def patched_vae_of(path: object, shapes: Shapes, latent: LatentFormat) -> PatchedVae:
    """shapes: of the module's tensors. Raises CannotLoad when half of it is missing or its latents do not fit ``latent``."""
    config = vae_config(path, shapes, latent)
    made = PatchedVae(**config)
    levels = len(config["block_out_channels"])
    widths = [shapes.get(f"decoder.up_blocks.{number}.resnets.0.conv1.weight", (0,))[0] for number in reversed(range(levels))]
    if widths != config["block_out_channels"] and all(widths):      # published with a smaller decoder too
        made.decoder = _decoder(config, widths)
    return made


class Statistics(nn.Module):
    """Mean and variance of each value of a patch, (4 * C,), in the order channel, row, column."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("running_mean", torch.zeros(count))
        self.register_buffer("running_var", torch.ones(count))

    def for_latent(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """(mean, deviation) of each value of a latent like ``z`` (B, C, h, w)."""
        return self._spread_over(self.running_mean.to(z), z), self._spread_over((self.running_var.float() + _EPSILON).sqrt().to(z), z)

    def _spread_over(self, values: Tensor, z: Tensor) -> Tensor:
        rows, columns = z.shape[-2:]
        return values.view(-1, _SIDE, _SIDE).repeat(1, -(-rows // _SIDE), -(-columns // _SIDE))[:, :rows, :columns]


class PatchedVae(AutoencoderKL):
    """Takes and gives what AutoencoderKL does; each value of its latents has mean 0 and deviation 1."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.bn = Statistics(config["latent_channels"] * _SIDE**2)

    def encode(self, x: Tensor, return_dict: bool = True) -> Any:
        (found,) = super().encode(x, return_dict=False)
        mean, deviation = self.bn.for_latent(found.mean)
        scaled = DiagonalGaussianDistribution(torch.cat([(found.mean - mean) / deviation, found.logvar - 2 * deviation.log()], dim=1))
        return AutoencoderKLOutput(latent_dist=scaled) if return_dict else (scaled,)

    def decode(self, z: Tensor, return_dict: bool = True, generator: Any = None) -> Any:
        mean, deviation = self.bn.for_latent(z)
        plain: Any = z * deviation + mean
        return super().decode(plain, return_dict=return_dict)


def _decoder(config: Mapping[str, Any], widths: Sequence[int]) -> Decoder:
    return Decoder(
        in_channels=config["latent_channels"], out_channels=config["out_channels"], up_block_types=config["up_block_types"], block_out_channels=tuple(widths),
        layers_per_block=config["layers_per_block"], mid_block_add_attention=config["mid_block_add_attention"],
    )  # fmt: skip


def _renamed(name: str) -> str:
    return next((name.replace(theirs, ours) for theirs, ours in _CONVOLUTIONS.items() if name.startswith(theirs)), name)
