"""A plain Euler sampler, to look at the model while it trains; the program itself samples in the engine."""

from __future__ import annotations

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor
from transformers.models.clip import CLIPTextModel

from modules.starter.architecture import LATENT_CHANNELS, LATENT_SCALE, VAE_FACTOR, decode, noise_levels, predict_noise, text_states
from modules.starter.drawing import PICTURE_SIZE
from modules.starter.tokens import tokenize


@torch.no_grad()
def sample_pictures(
    unet: UNet2DConditionModel,
    vae: AutoencoderKL,
    text_encoder: CLIPTextModel,
    prompts: list[str],
    steps: int = 20,
    guidance_scale: float = 5.0,
    seed: int = 0,
) -> np.ndarray:
    """Pictures for the prompts: uint8 (B, H, W, 3)."""
    place = next(unet.parameters()).device
    context = text_states(text_encoder, tokenize(prompts + [""] * len(prompts)).to(place))
    alphas = noise_levels().to(place)
    timesteps = torch.linspace(999, 0, steps, device=place).round().long()
    sigmas = [float(s) for s in ((1 - alphas) / alphas).sqrt()[timesteps]] + [0.0]
    side = PICTURE_SIZE // VAE_FACTOR
    noise = torch.randn(len(prompts), LATENT_CHANNELS, side, side, generator=torch.Generator().manual_seed(seed))
    x = noise.to(place) * sigmas[0]
    for timestep, sigma, sigma_next in zip(timesteps, sigmas, sigmas[1:], strict=False):
        x = x + _guided_noise(unet, x, timestep, sigma, context, guidance_scale) * (sigma_next - sigma)
    decoded = decode(vae, x / LATENT_SCALE)
    pixels = ((decoded + 1) * 127.5 + 0.5).clamp(0, 255).byte()
    return pixels.permute(0, 2, 3, 1).cpu().numpy()


def _guided_noise(unet: UNet2DConditionModel, x: Tensor, timestep: Tensor, sigma: float, context: Tensor, guidance_scale: float) -> Tensor:
    scaled = x / (sigma**2 + 1) ** 0.5
    conditional, empty = predict_noise(unet, scaled.repeat(2, 1, 1, 1), timestep, context).chunk(2)
    return empty + guidance_scale * (conditional - empty)
