"""Trains the autoencoder on drawn pictures, mostly on crops of 48 pixels: they cost a quarter of a whole picture."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional

from modules.starter.architecture import LATENT_CHANNELS, build_vae, decode, encode
from modules.starter.drawing import PICTURE_SIZE, draw, random_pose, random_subject
from modules.starter.training import Run, device, half_precision, to_device

log = logging.getLogger(__name__)

STEPS = 1150
DECODER_STEPS = 3000
DECODER_NOISE = 0.5  # of the encoder's: the UNet's latents are cleaner than the ones the encoder learned with
CROP = 48
CROPS_PER_STEP = 6
WHOLE_PICTURES_PER_STEP = 1
WHOLE_PICTURE_SHARE = 0.1  # whole pictures too: the norms' statistics differ from those of a crop
KL_WEIGHT = 1e-3


def train_vae(steps: int = STEPS) -> AutoencoderKL:
    """Returns an autoencoder whose encoder is done; its latents are not yet scaled (see latents.py)."""
    torch.manual_seed(0)
    vae = build_vae()
    _start_near_identity(vae)
    run = _run("vae", vae, list(vae.parameters()), steps, peak_rate=3e-4)
    rng = np.random.default_rng(run.step)
    for step in run.remaining_steps():
        pictures = _batch(rng).to(device())
        with half_precision():
            posterior = encode(vae, pictures)
            decoded = decode(vae, posterior.sample())
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        divergence = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
        _improve(run, vae, difference(decoded.float(), pictures) + KL_WEIGHT * divergence, step)
    return vae.eval()


def train_decoder(vae: AutoencoderKL, steps: int = DECODER_STEPS) -> AutoencoderKL:
    """Goes on with the decoder alone, while the latents stay what the UNet has been trained on."""
    vae.encoder.requires_grad_(False)
    if vae.quant_conv is not None:
        vae.quant_conv.requires_grad_(False)
    run = _run("decoder", vae, [p for p in vae.parameters() if p.requires_grad], steps, peak_rate=2e-4)
    rng = np.random.default_rng(1_000_000 + run.step)
    for step in run.remaining_steps():
        pictures = _batch(rng).to(device())
        with half_precision():
            with torch.no_grad():
                posterior = encode(vae, pictures)
                latents = posterior.mean + DECODER_NOISE * posterior.std * torch.randn_like(posterior.mean)
            decoded = decode(vae, latents)
        _improve(run, vae, difference(decoded.float(), pictures), step)
    return vae.eval()


def _run(name: str, vae: AutoencoderKL, weights: list[nn.Parameter], steps: int, peak_rate: float) -> Run:
    to_device(vae)
    optimiser = torch.optim.AdamW(weights, lr=peak_rate, betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
    run = Run(name=name, networks={"vae": vae}, optimiser=optimiser, steps=steps, peak_rate=peak_rate, floor_rate=1e-5)
    run.resume()
    return run


def _improve(run: Run, vae: AutoencoderKL, loss: Tensor, step: int) -> None:
    run.optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(vae.parameters(), 5.0)
    run.optimiser.step()
    if step % 25 == 0:
        log.info("%s step %d: loss %.4f", run.name, step, loss.item())


def _start_near_identity(vae: AutoencoderKL) -> None:
    """Replaces the default weights, under which a picture's colours fade to a hundredth on their way through.

    Paths around the residual blocks keep the variance of what they carry, the blocks themselves start small.
    """
    whole: Any = vae
    with torch.no_grad():
        modules: list[Any] = list(vae.modules())
        for module in modules:
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in modules:
            if isinstance(module, ResnetBlock2D):
                module.conv2.weight *= 0.1
            elif isinstance(module, Attention):
                whole_block: Any = module
                whole_block.to_out[0].weight *= 0.1
        # Two of three channels in each group before a last norm start as constants: the third keeps its mean.
        for block in (whole.encoder.mid_block.resnets[-1], whole.decoder.up_blocks[-1].resnets[-1]):
            block.conv2.bias[1::3] = 2.0
            block.conv2.bias[2::3] = -2.0
        # Little noise at first, or the decoder learns to ignore the latents.
        whole.quant_conv.weight[LATENT_CHANNELS:] *= 0.1
        whole.quant_conv.bias[LATENT_CHANNELS:] = -5.0


def _batch(rng: np.random.Generator) -> Tensor:
    """Pictures or crops, (B, 3, H, W) within [-1, 1]."""
    whole = rng.random() < WHOLE_PICTURE_SHARE
    crops = []
    for _ in range(WHOLE_PICTURES_PER_STEP if whole else CROPS_PER_STEP):
        picture = np.asarray(draw(random_subject(rng), random_pose(rng)))
        if not whole:
            top, left = rng.integers(0, PICTURE_SIZE - CROP + 1, 2)
            picture = picture[top : top + CROP, left : left + CROP]
        crops.append(picture)
    return as_tensor(np.stack(crops))


def as_tensor(pictures: np.ndarray) -> Tensor:
    """uint8 (B, H, W, 3) to float (B, 3, H, W) within [-1, 1]; the memory stays channels-last."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def difference(decoded: Tensor, pictures: Tensor) -> Tensor:
    """How far the decoded pictures are off: colours, and once more the edges, which blur hides from the first."""
    edges = functional.l1_loss(decoded.diff(dim=2), pictures.diff(dim=2)) + functional.l1_loss(decoded.diff(dim=3), pictures.diff(dim=3))
    return functional.l1_loss(decoded, pictures) + functional.mse_loss(decoded, pictures) + 0.5 * edges
