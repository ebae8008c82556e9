"""Small networks that stand in for a VAE: TAESD (both ways) and A1111's VAE-approx (latents to half-size pictures). Told by their tensors' names."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from diffusers.models.autoencoders.vae import DecoderTiny, EncoderTiny
from diffusers.models.unets.unet_2d_blocks import AutoencoderTinyBlock
from torch import Tensor, nn
from torch.nn import functional

from modules.families.family import LatentFormat
from modules.loading.weights import read_tensors
from modules.schema.errors import CannotLoad

_SLOPE = 0.1                # of VAE-approx's leaky rectifiers
_WIDTH = 64                 # channels inside TAESD


class ApproximateDecoder(nn.Module):
    """VAE-approx: convolutions over the latent at twice its size, as a picture with room around it."""

    def __init__(self, shapes: list[tuple[int, ...]]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(inner, outer, (rows, columns)) for outer, inner, rows, columns in shapes)
        self._room = sum((shape[2] - 1) // 2 for shape in shapes)

    def forward(self, latents: Tensor) -> Tensor:
        x = functional.pad(functional.interpolate(latents, scale_factor=2, mode="nearest"), (self._room,) * 4)
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), _SLOPE)
        return x


class PooledBlock(AutoencoderTinyBlock):
    """A block of TAESD for FLUX.2, which sees the means of the whole picture by way of its normalisation."""

    def __init__(self) -> None:
        super().__init__(_WIDTH, _WIDTH, "relu")
        inner = _WIDTH * 4
        self.pool = nn.Sequential(nn.Conv2d(_WIDTH, inner, 1, bias=False), nn.GroupNorm(4, inner), nn.ReLU(), nn.Conv2d(inner, _WIDTH, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + self.pool(x))


def _with_pools(module: DecoderTiny | EncoderTiny, state: dict[str, Tensor]) -> DecoderTiny | EncoderTiny:
    """The module with such blocks where the file has them."""
    for number in {int(name.split(".")[1]) for name in state if ".pool." in name}:
        if number < len(module.layers) and isinstance(module.layers[number], AutoencoderTinyBlock):
            module.layers[number] = PooledBlock()
    return module


def load_quick_decoder(path: Path, latent: LatentFormat, *, device: str, dtype: str) -> nn.Module:
    """Latents of format ``latent`` as the denoiser has them (B, C, h, w) -> pictures (B, 3, H, W) in -1 .. 1. Raises CannotLoad."""
    state = read_tensors(path)
    if "conv1.weight" in state:
        names = sorted((name for name in state if re.fullmatch(r"conv\d+\.weight", name)), key=lambda name: int(name[4:-7]))
        shapes = [tuple(state[name].shape) for name in names]
        if any(len(shape) != 4 for shape in shapes):
            raise _not_such(path, "no VAE-approx")
        state = {f"layers.{number}.{ending}": state.get(f"{name[:-6]}{ending}", torch.empty(0)) for number, name in enumerate(names) for ending in ("weight", "bias")}
        return _filled(path, ApproximateDecoder(shapes), state, latent.channels, first="layers.0.weight").to(device, getattr(torch, dtype))
    state = _named_alike(state, "decoder", shift=1)
    module = _with_pools(DecoderTiny(latent.channels, 3, (3, 3, 3, 1), (_WIDTH,) * 4, 2, "relu", "nearest"), state)
    return _filled(path, module, state, latent.channels, first="layers.0.weight").to(device, getattr(torch, dtype))


def load_quick_encoder(path: Path, latent: LatentFormat, *, device: str, dtype: str) -> nn.Module:
    """Pictures (B, 3, H, W) in -1 .. 1 -> latents as the denoiser has them. Raises CannotLoad."""
    state = _named_alike(read_tensors(path), "encoder", shift=0)
    module = _with_pools(EncoderTiny(3, latent.channels, (1, 3, 3, 3), (_WIDTH,) * 4, "relu"), state)
    return _filled(path, module, state, latent.channels, first="").to(device, getattr(torch, dtype))


def _named_alike(state: dict[str, Tensor], half: str, *, shift: int) -> dict[str, Tensor]:
    """diffusers' names for those that the makers give by number. shift: their decoder begins with a layer that holds no weights."""
    found = {}
    for name, tensor in state.items():
        own = name.removeprefix(f"{half}.").removeprefix("layers.") if name.startswith(half) else name
        number, _, rest = own.partition(".")
        if number.isdecimal():
            found[f"layers.{int(number) - (0 if '.layers.' in name else shift)}.{rest}"] = tensor
    return found


def _filled(path: Path, module: nn.Module, state: dict[str, Tensor], channels: int, *, first: str) -> nn.Module:
    """first: the tensor whose second side is the number of channels of the latents."""
    if first in state and state[first].ndim == 4 and state[first].shape[1] != channels:
        raise _not_such(path, f"made for latents of {state[first].shape[1]} channels, and these have {channels}")
    try:
        module.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise _not_such(path, "neither TAESD nor VAE-approx") from error
    return module.eval().requires_grad_(False)


def _not_such(path: Path, what: str) -> CannotLoad:
    return CannotLoad(path, f"it is {what}", "Get the file again from its makers.")


class SubstituteVae(nn.Module):
    """A model's VAE with quick networks in the place of its decoder, its encoder, or both; used as the VAE itself is."""

    tile_latent_min_size = tile_sample_min_size = 0

    def __init__(self, vae: Any, latent: LatentFormat, *, quick_decoder: nn.Module | None, quick_encoder: nn.Module | None) -> None:
        super().__init__()
        self.vae, self.quick_decoder, self.quick_encoder = vae, quick_decoder, quick_encoder
        self._latent = latent

    @property
    def config(self) -> Any:
        return self.vae.config

    @property
    def encoder(self) -> Any:
        return self.vae.encoder

    @property
    def decoder(self) -> Any:
        return self.vae.decoder

    @property
    def quant_conv(self) -> Any:
        return self.vae.quant_conv

    @property
    def post_quant_conv(self) -> Any:
        return self.vae.post_quant_conv

    def encode(self, x: Tensor, return_dict: bool = True) -> Any:
        if self.quick_encoder is None:
            return self.vae.encode(x, return_dict=return_dict)
        mean = self.quick_encoder(x) / self._latent.scale + self._latent.shift
        found = SimpleNamespace(mean=mean, std=torch.zeros_like(mean), mode=lambda: mean, sample=lambda *_: mean)
        return SimpleNamespace(latent_dist=found) if return_dict else (found,)

    def decode(self, z: Tensor, return_dict: bool = True) -> Any:
        if self.quick_decoder is None:
            return self.vae.decode(z, return_dict=return_dict)
        found = self.quick_decoder((z - self._latent.shift) * self._latent.scale)
        return SimpleNamespace(sample=found) if return_dict else (found,)

    def tiled_decode(self, z: Tensor, return_dict: bool = True) -> Any:
        if self.quick_decoder is not None:
            return self.decode(z, return_dict)
        self.vae.tile_latent_min_size, self.vae.tile_sample_min_size = self.tile_latent_min_size, self.tile_sample_min_size
        return self.vae.tiled_decode(z, return_dict=return_dict)
