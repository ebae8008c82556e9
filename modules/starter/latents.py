"""Gives the trained autoencoder Stable Diffusion 1's latent scale, and encodes the pictures that the UNet learns from."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from modules.starter.architecture import LATENT_CHANNELS, LATENT_SCALE, VAE_FACTOR, encode
from modules.starter.drawing import PICTURE_SIZE, Subject, draw, random_pose
from modules.starter.text_training import trainable_subject
from modules.starter.training import WORK_FOLDER, device, half_precision
from modules.starter.vae_training import as_tensor

log = logging.getLogger(__name__)

PICTURES = 12000
SIDE = PICTURE_SIZE // VAE_FACTOR
ENCODED_AT_ONCE = 16

# What live previews of Stable Diffusion 1 multiply latents with to guess red, green and blue (within -1 to 1).
PREVIEW_COLOURS = torch.tensor([[0.298, 0.207, 0.208], [0.187, 0.286, 0.173], [-0.158, 0.189, 0.264], [-0.184, -0.271, -0.473]])


@dataclass(frozen=True, kw_only=True)
class EncodedPictures:
    """latents: (N, 4, SIDE, SIDE), already scaled as the UNet sees them; subjects: what each picture shows."""

    latents: Tensor
    subjects: list[Subject]


@torch.no_grad()
def whiten_latents(vae: AutoencoderKL, pictures: Tensor) -> None:
    """Folds a linear map into the convolutions around the latents: zero mean, unit variance, no correlation.

    After it, ``LATENT_SCALE * encoder mean`` is what the UNet should see, and of all such maps it is the one under
    which Stable Diffusion 1's preview colours fit best. pictures: (N, 3, H, W) within [-1, 1], a few hundred.
    """
    posteriors = [encode(vae, chunk.to(device())) for chunk in pictures.split(ENCODED_AT_ONCE)]
    means = _as_columns(torch.cat([posterior.mean for posterior in posteriors]))
    variances = _as_columns(torch.cat([posterior.var for posterior in posteriors])).mean(dim=1)
    centre = means.mean(dim=1)
    whitening = _inverse_root(torch.cov(means))
    coarse = torch.nn.functional.avg_pool2d(pictures, VAE_FACTOR)
    rotation = _preview_rotation(whitening @ (means - centre[:, None]), _as_columns(coarse))
    _fold(vae, rotation @ whitening / LATENT_SCALE, centre, variances)


def _as_columns(values: Tensor) -> Tensor:
    """(N, C, h, w) to (C, N * h * w), in double precision on the CPU."""
    return values.double().cpu().transpose(0, 1).flatten(1)


def _inverse_root(covariance: Tensor) -> Tensor:
    eigenvalues, eigenvectors = torch.linalg.eigh(covariance)
    return eigenvectors @ torch.diag(eigenvalues.rsqrt()) @ eigenvectors.T


def _preview_rotation(white: Tensor, colours: Tensor) -> Tensor:
    """The orthogonal map of latents under which the fixed preview colours come closest to the picture's (Procrustes)."""
    wanted = white @ colours.T / white.shape[1]  # white latents: this is their regression on the colours
    left, _, right = torch.linalg.svd(PREVIEW_COLOURS.double() @ wanted.T)
    return left @ right


def _fold(vae: AutoencoderKL, matrix: Tensor, centre: Tensor, variances: Tensor) -> None:
    """New latent = matrix (old latent - centre), and back. The encoder's noise becomes one constant per channel."""
    into: Any = vae.quant_conv
    out_of: Any = vae.post_quant_conv
    n = LATENT_CHANNELS
    weight, bias = into.weight.double().cpu(), into.bias.double().cpu()
    new_weight, new_bias = torch.zeros_like(weight), torch.zeros_like(bias)
    new_weight[:n] = torch.einsum("ij,jkhw->ikhw", matrix, weight[:n])
    new_bias[:n] = matrix @ (bias[:n] - centre)
    new_bias[n:] = (matrix**2 @ variances).log()
    into.weight.copy_(new_weight)
    into.bias.copy_(new_bias)
    weight, bias = out_of.weight.double().cpu(), out_of.bias.double().cpu()
    out_of.bias.copy_(bias + weight[:, :, 0, 0] @ centre)
    out_of.weight.copy_(torch.einsum("ijhw,jk->ikhw", weight, torch.linalg.inv(matrix)))


@torch.no_grad()
def encode_pictures(vae: AutoencoderKL, count: int = PICTURES) -> EncodedPictures:
    """Draws and encodes ``count`` pictures outside the held-out combinations; kept on disk for the next call."""
    path = WORK_FOLDER / "latents.pt"
    rng = np.random.default_rng(1)
    subjects = [trainable_subject(rng) for _ in range(count)]
    latents = torch.load(path, weights_only=True) if path.exists() else torch.zeros(0, LATENT_CHANNELS, SIDE, SIDE)
    while len(latents) < count:
        chunk = subjects[len(latents) : len(latents) + ENCODED_AT_ONCE]
        poses = np.random.default_rng(len(latents))
        pictures = as_tensor(np.stack([np.asarray(draw(subject, random_pose(poses))) for subject in chunk])).to(device())
        with half_precision():
            means = encode(vae, pictures).mean
        latents = torch.cat([latents, LATENT_SCALE * means.float().cpu()])
        if len(latents) % 800 < ENCODED_AT_ONCE:
            torch.save(latents, path)
            log.info("encoded %d of %d pictures", len(latents), count)
    torch.save(latents, path)
    return EncodedPictures(latents=latents[:count], subjects=subjects)
