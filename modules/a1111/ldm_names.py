"""Small functions of CompVis' ldm and sgm that extensions use by themselves, written anew."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from modules.a1111.stubs import NotHere
from modules.engine import ldm_vae
from modules.engine.ldm_layers import (
    BasicTransformerBlock,
    CrossAttention,
    Downsample,
    MemoryEfficientCrossAttention,
    ResBlock,
    SpatialTransformer,
    TimestepBlock,
    TimestepEmbedSequential,
    Upsample,
    th,
)
from modules.engine.ldm_unet import UNetModel


def exists(value: Any) -> bool:
    return value is not None


def default(value: Any, otherwise: Any) -> Any:
    """``value``, or ``otherwise`` (called if it can be) where it is None."""
    if value is not None:
        return value
    return otherwise() if callable(otherwise) and not isinstance(otherwise, type | nn.Module) else otherwise


def zero_module(module: nn.Module) -> nn.Module:
    """``module`` with all its parameters zero."""
    for parameter in module.parameters():
        parameter.detach().zero_()
    return module


def conv_nd(dims: int, *arguments: Any, **keywords: Any) -> nn.Module:
    return (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1](*arguments, **keywords)


def avg_pool_nd(dims: int, *arguments: Any, **keywords: Any) -> nn.Module:
    return (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)[dims - 1](*arguments, **keywords)


def linear(*arguments: Any, **keywords: Any) -> nn.Module:
    return nn.Linear(*arguments, **keywords)


class DDIMSampler:
    """CompVis' first sampler. A1111 draws by others, and this program too: what extensions put into it acts in neither."""

    def __init__(self, model: Any, schedule: str = "linear", **keywords: Any) -> None:
        self.model, self.schedule = model, schedule

    def sample(self, *arguments: Any, **keywords: Any) -> Any:
        raise NotHere("CompVis' DDIMSampler draws nothing here; process_images does, with the sampler DDIM.")

    make_schedule = ddim_sampling = p_sample_ddim = stochastic_encode = encode = decode = sample


class GroupNorm32(nn.GroupNorm):
    """Group norm computed in float32."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.float()).type(input.dtype)


def normalization(channels: int) -> nn.Module:
    return GroupNorm32(32, channels)


def checkpoint(func: Callable[..., Any], inputs: Any, params: Any = None, flag: bool = False) -> Any:
    """Nothing is trained here, so nothing need be computed twice."""
    return func(*inputs)


def timestep_embedding(timesteps: Tensor, dim: int, max_period: int = 10000, repeat_only: bool = False) -> Tensor:
    """Sinusoids (B, dim) of timesteps (B,): cosines first. Source: Vaswani et al. 2017, in the form used by Ho et al. 2020."""
    if repeat_only:
        return timesteps[:, None].repeat(1, dim)
    half = dim // 2
    frequencies = torch.exp(-math.log(max_period) * torch.arange(half, dtype=torch.float32, device=timesteps.device) / half)
    angles = timesteps[:, None].float() * frequencies[None]
    found = torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)
    return torch.cat([found, torch.zeros_like(found[:, :1])], dim=-1) if dim % 2 else found


def make_beta_schedule(schedule: str, n_timestep: int, linear_start: float = 1e-4, linear_end: float = 2e-2, cosine_s: float = 8e-3) -> Any:
    """Betas of the training schedule, float64."""
    if schedule == "linear":  # evenly spaced square roots, as Stable Diffusion was trained
        return np.linspace(linear_start**0.5, linear_end**0.5, n_timestep, dtype=np.float64) ** 2
    if schedule == "cosine":
        steps = np.arange(n_timestep + 1, dtype=np.float64) / n_timestep + cosine_s
        alphas = np.cos(steps / (1 + cosine_s) * np.pi / 2) ** 2
        return np.clip(1 - alphas[1:] / alphas[:-1], 0, 0.999)
    spread = np.linspace(linear_start, linear_end, n_timestep, dtype=np.float64)
    return spread if schedule == "sqrt_linear" else spread**0.5


def append_dims(x: Tensor, target_dims: int) -> Tensor:
    """``x`` with dimensions of size 1 behind its own until it has ``target_dims``."""
    return x[(...,) + (None,) * (target_dims - x.ndim)]


UTIL = {each.__name__: each for each in (checkpoint, conv_nd, avg_pool_nd, linear, normalization, zero_module, timestep_embedding, make_beta_schedule, GroupNorm32)}
ATTENTION: dict[str, Any] = {
    "default": default, "exists": exists, "zero_module": zero_module, "checkpoint": checkpoint,
    **{each.__name__: each for each in (CrossAttention, MemoryEfficientCrossAttention, BasicTransformerBlock, SpatialTransformer)},
}  # fmt: skip
OPENAI = {**UTIL, **{each.__name__: each for each in (UNetModel, ResBlock, TimestepBlock, TimestepEmbedSequential, Downsample, Upsample)}, "th": th}
VAE = {each.__name__: each for each in (ldm_vae.AttnBlock, ldm_vae.MemoryEfficientAttnBlock, ldm_vae.ResnetBlock, ldm_vae.Encoder, ldm_vae.Decoder, ldm_vae.Downsample, ldm_vae.Upsample)}
GENERAL = {"default": default, "exists": exists, "append_dims": append_dims}
