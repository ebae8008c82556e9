"""A VAE in CompVis' shape over diffusers': ``encoder.down[0].block[1]``, ``decoder.up[3].upsample``, ``mid.attn_1``, ``encode``, ``decode``.

Made when an extension first asks for it. What is done to one of its parts, to a half or to ``encode`` and ``decode`` takes effect wherever
diffusers' VAE is used; where nothing was done, diffusers' own code runs. See ``ldm_layers``.
"""
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from modules.engine.ldm_layers import Layer, bridged


class ResnetBlock(Layer):
    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.over(inner)
        self.in_channels, self.out_channels, self.use_conv_shortcut = inner.in_channels, inner.out_channels, False
        self.norm1, self.conv1, self.norm2, self.dropout, self.conv2 = inner.norm1, inner.conv1, inner.norm2, inner.dropout, inner.conv2
        if inner.conv_shortcut is not None:
            self.nin_shortcut = inner.conv_shortcut
        bridged(self, lambda input_tensor, temb=None, *_, **__: ((input_tensor, temb), {}))

    def forward(self, x: Tensor, temb: Any = None) -> Tensor:
        return self.run(x, temb)


class PointConvolution(nn.Module):
    """A linear layer as the 1x1 convolution that CompVis has there, over the same weights."""

    linear: Any

    def __init__(self, linear: Any) -> None:
        super().__init__()
        self.__dict__["linear"] = linear
        self.in_channels, self.out_channels, self.kernel_size = linear.in_features, linear.out_features, (1, 1)

    @property
    def weight(self) -> Tensor:
        return self.linear.weight[:, :, None, None]

    @property
    def bias(self) -> Tensor:
        return self.linear.bias

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(x, self.weight, self.bias)


class AttnBlock(Layer):
    """Attention between all places of x (B, C, h, w), added to it."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.over(inner)
        self.in_channels, self.norm = inner.query_dim, inner.group_norm
        self.q, self.k, self.v, self.proj_out = (PointConvolution(each) for each in (inner.to_q, inner.to_k, inner.to_v, inner.to_out[0]))
        bridged(self, lambda hidden_states, *_, **__: ((hidden_states,), {}))

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x)


class MemoryEfficientAttnBlock(AttnBlock):
    """The same under the name that A1111 has with xformers."""


class _Sampling(Layer):
    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.over(inner)
        self.conv, self.with_conv = inner.conv, True
        bridged(self, lambda hidden_states, *_, **__: ((hidden_states,), {}))

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x)


class Downsample(_Sampling):
    """Half the size."""


class Upsample(_Sampling):
    """Twice the size."""


class _Half(Layer):
    """Encoder or decoder."""

    def __init__(self, inner: Any, levels: list[nn.Module]) -> None:
        super().__init__()
        self.over(inner)
        self.conv_in, self.norm_out, self.conv_out = inner.conv_in, inner.conv_norm_out, inner.conv_out
        self.num_resolutions, self.temb_ch = len(levels), 0
        middle = inner.mid_block
        self.mid = nn.Module()
        self.mid.block_1, self.mid.block_2 = (ResnetBlock(each) for each in middle.resnets[:2])
        self.mid.attn_1 = AttnBlock(middle.attentions[0]) if middle.attentions and middle.attentions[0] is not None else nn.Identity()
        bridged(self, lambda sample, *_, **__: ((sample,), {}))

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x)


class Encoder(_Half):
    def __init__(self, inner: Any) -> None:
        levels = [_level(block, "downsample", Downsample, block.downsamplers) for block in inner.down_blocks]
        super().__init__(inner, levels)
        self.down, self.num_res_blocks = nn.ModuleList(levels), len(inner.down_blocks[0].resnets)
        self.ch, self.in_channels, self.resolution = inner.conv_in.out_channels, inner.conv_in.in_channels, 256


class Decoder(_Half):
    """up: the largest size first, as CompVis counts them."""

    give_pre_end = tanh_out = False

    def __init__(self, inner: Any) -> None:
        levels = [_level(block, "upsample", Upsample, block.upsamplers) for block in reversed(inner.up_blocks)]
        super().__init__(inner, levels)
        self.up, self.num_res_blocks = nn.ModuleList(levels), len(inner.up_blocks[0].resnets) - 1
        self.ch, self.out_ch, self.in_channels, self.resolution = inner.conv_norm_out.num_channels, inner.conv_out.out_channels, 3, 256
        self.z_shape = (1, inner.conv_in.in_channels, 32, 32)
        self.last_z_shape: Any = None


def _level(block: Any, name: str, made: type[_Sampling], samplers: Any) -> nn.Module:
    level = nn.Module()
    level.block, level.attn = nn.ModuleList(ResnetBlock(each) for each in block.resnets), nn.ModuleList()
    if samplers:
        setattr(level, name, made(samplers[0]))
    return level


class DiagonalGaussianDistribution:
    """Where latents may lie. parameters: (B, 2C, h, w), means and then logarithms of variances."""

    def __init__(self, parameters: Tensor, deterministic: bool = False) -> None:
        self.parameters, self.deterministic = parameters, deterministic
        self.mean, logvar = torch.chunk(parameters, 2, dim=1)
        self.logvar = torch.clamp(logvar, -30.0, 20.0)      # as it was trained
        self.std, self.var = torch.exp(0.5 * self.logvar), torch.exp(self.logvar)
        if deterministic:
            self.std = self.var = torch.zeros_like(self.mean)

    def sample(self) -> Tensor:
        return self.mean + self.std * torch.randn(self.mean.shape).to(self.mean)

    def mode(self) -> Tensor:
        return self.mean


class AutoencoderKL(nn.Module):
    """The whole: pictures (B, 3, H, W) in -1..1, latents (B, C, h, w) before they are scaled."""

    inner: Any
    own_encode: Any
    own_decode: Any

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.__dict__["inner"] = inner
        self.__dict__["own_encode"], self.__dict__["own_decode"] = inner.encode, inner.decode
        self.encoder, self.decoder = Encoder(inner.encoder), Decoder(inner.decoder)
        self.quant_conv, self.post_quant_conv = inner.quant_conv or nn.Identity(), inner.post_quant_conv or nn.Identity()
        self.embed_dim = inner.config.latent_channels
        inner.encode, inner.decode = self._encoded_for_diffusers, self._decoded_for_diffusers

    def encode(self, x: Tensor) -> DiagonalGaussianDistribution:
        (found,) = self.own_encode(x, return_dict=False)
        return DiagonalGaussianDistribution(found.parameters)

    def decode(self, z: Tensor, *_: Any, **__: Any) -> Tensor:
        return self.own_decode(z, return_dict=False)[0]

    def forward(self, input: Tensor, sample_posterior: bool = True) -> tuple[Tensor, DiagonalGaussianDistribution]:
        posterior = self.encode(input)
        return self.decode(posterior.sample() if sample_posterior else posterior.mode()), posterior

    def _encoded_for_diffusers(self, x: Tensor, return_dict: bool = True) -> Any:
        if "encode" not in self.__dict__:
            return self.own_encode(x, return_dict=return_dict)
        from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution as Theirs
        from diffusers.models.modeling_outputs import AutoencoderKLOutput

        found = Theirs(self.encode(x).parameters)
        return AutoencoderKLOutput(latent_dist=found) if return_dict else (found,)

    def _decoded_for_diffusers(self, z: Tensor, return_dict: bool = True, generator: Any = None) -> Any:
        if "decode" not in self.__dict__:
            return self.own_decode(z, return_dict=return_dict)
        from diffusers.models.autoencoders.vae import DecoderOutput

        found = self.decode(z)
        return DecoderOutput(sample=found) if return_dict else (found,)

    @property
    def dtype(self) -> torch.dtype:
        return self.inner.dtype

    @property
    def device(self) -> torch.device:
        return self.inner.device


def parts_are_rewritten() -> bool:
    """As for the UNet."""
    return any(each.is_rewritten() for each in (ResnetBlock, AttnBlock, Upsample, Downsample))


def ldm_vae(vae: Any) -> Any:
    """The view of ``vae``, always the same one. A VAE of another build is handed out as it is."""
    if not {"encoder", "decoder", "quant_conv", "post_quant_conv"} <= vae.__dict__.get("_modules", {}).keys() | vae.__dict__.keys() or not hasattr(vae.decoder, "up_blocks"):
        return vae
    if not hasattr(vae.decoder.up_blocks[0], "resnets") or not hasattr(vae.decoder, "conv_norm_out"):
        return vae
    found = vae.__dict__.get("ldm_view")
    if found is None:
        found = vae.__dict__["ldm_view"] = AutoencoderKL(vae)
    return found
