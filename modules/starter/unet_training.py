"""Trains the UNet to predict the noise in encoded pictures, given their captions."""

from __future__ import annotations

import copy
import logging
from typing import Any, TypeVar

import numpy as np
import torch
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn
from transformers.models.clip import CLIPTextModel

from modules.starter.architecture import build_unet, noise_levels, predict_noise, text_states
from modules.starter.captions import choose_mention, write_caption
from modules.starter.latents import EncodedPictures
from modules.starter.tokens import tokenize
from modules.starter.training import Run, device, half_precision, to_device

log = logging.getLogger(__name__)

Network = TypeVar("Network", bound=nn.Module)
STEPS = 8000
BATCH = 32
EMPTY_CAPTION_SHARE = 0.1  # classifier-free guidance needs the prediction without a caption
AVERAGE_DECAY = 0.999
SNR_CEILING = 10.0
HIGH_NOISE_CEILING = 3.0


def train_unet(pictures: EncodedPictures, text_encoder: CLIPTextModel, steps: int = STEPS) -> UNet2DConditionModel:
    """Returns the running average of the weights, which draws better than the last ones."""
    torch.manual_seed(0)
    unet = build_unet()
    _start_near_identity(unet)
    to_device(unet)
    to_device(text_encoder)
    text_encoder.eval().requires_grad_(False)
    run, average, rng = averaged_run("unet", unet, steps)
    alphas, weights = noise_levels().to(device()), loss_weights().to(device())
    losses: list[float] = []
    for step in run.remaining_steps():
        latents, captions = _batch(pictures, rng)
        timesteps = torch.randint(0, 1000, (len(latents),), device=device())
        noise = torch.randn_like(latents)
        alpha = alphas[timesteps][:, None, None, None]
        noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
        with half_precision():
            with torch.no_grad():
                context = text_states(text_encoder, tokenize(captions).to(device()))
            predicted = predict_noise(unet, noisy, timesteps, context)
        errors = ((predicted.float() - noise) ** 2).mean(dim=(1, 2, 3))
        loss = (errors * weights[timesteps]).mean()
        learn(run, loss)
        losses.append(errors.mean().item())
        if step % 50 == 0:
            log.info("unet step %d: noise error %.4f", step, float(np.mean(losses[-50:])))
    return average.eval()


def averaged_run(name: str, network: Network, steps: int, peak_rate: float = 8e-4) -> tuple[Run, Network, np.random.Generator]:
    """A run of ``network``, gone on from its last step; the running average of its weights; what chooses its batches from there."""
    average = copy.deepcopy(network).requires_grad_(False)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    run = Run(name=name, networks={name: network, "average": average}, optimiser=optimiser, steps=steps, peak_rate=peak_rate, floor_rate=2e-5)
    run.resume()
    torch.manual_seed(run.step)
    return run, average, np.random.default_rng(run.step)


def learn(run: Run, loss: Tensor, decay: float = AVERAGE_DECAY) -> None:
    """One step of an ``averaged_run`` against ``loss``. decay: of the running average."""
    network, average = run.networks[run.name], run.networks["average"]
    run.optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    run.optimiser.step()
    update_average(average, network, run.step, decay)


def loss_weights() -> Tensor:
    """What each timestep's squared noise error counts, (1000,), mean 1.

    Min-SNR keeps the nearly clean timesteps from ruling. Beyond it, timesteps of much noise count more than one:
    there the words alone decide on colours and shape, and an error of the picture hides behind the noise.
    Source: Hang et al. 2023 (arXiv:2303.09556) for the ceiling.
    """
    alphas = noise_levels()
    snr = alphas / (1 - alphas)
    weights = torch.minimum(snr.rsqrt().clamp(1.0, HIGH_NOISE_CEILING), SNR_CEILING / snr)
    return weights / weights.mean()


def _start_near_identity(unet: UNet2DConditionModel) -> None:
    """Blocks start by adding nothing, and the paths around them keep the variance of what they carry."""
    shortcuts: list[Any] = [unet.conv_in]
    with torch.no_grad():
        module: Any
        for module in unet.modules():
            if isinstance(module, ResnetBlock2D):
                module.conv2.weight *= 0.1
                shortcuts += [module.conv_shortcut] if module.conv_shortcut is not None else []
            elif isinstance(module, Transformer2DModel):
                module.proj_out.weight *= 0.1
            elif isinstance(module, Downsample2D | Upsample2D):
                shortcuts.append(module.conv)
        for convolution in shortcuts:
            nn.init.normal_(convolution.weight, std=convolution.weight[0].numel() ** -0.5)
        nn.init.zeros_(unet.conv_out.weight)


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, step: int, decay: float = AVERAGE_DECAY) -> None:
    """Moves the running average; early on it follows quickly, so that the random start is soon forgotten."""
    decay = min(decay, (1 + step) / (10 + step))
    for slow, fast in zip(average.parameters(), network.parameters(), strict=True):
        slow.lerp_(fast, 1 - decay)


def _batch(pictures: EncodedPictures, rng: np.random.Generator) -> tuple[Tensor, list[str]]:
    chosen = rng.integers(0, len(pictures.subjects), BATCH)
    mentions = [choose_mention(pictures.subjects[i], rng) for i in chosen]
    captions = [write_caption(m, rng) if rng.random() > EMPTY_CAPTION_SHARE else "" for m in mentions]
    latents = pictures.latents[torch.from_numpy(chosen)].to(device())
    return latents.contiguous(memory_format=torch.channels_last), captions
