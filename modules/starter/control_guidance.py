"""Teaches the starter ControlNet to put right what sampling does wrong: it learns from latents that its own guided prediction has spoiled.

Training from noised pictures alone never shows it such latents, and guidance enlarges what is left of its errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor
from torch.nn import functional
from transformers import CLIPTextModel

from modules.starter.architecture import VAE_FACTOR, noise_levels, text_states
from modules.starter.captions import Mention, write_caption
from modules.starter.control_training import EncodedMaps, predict_with_map, tell_and_export
from modules.starter.edge_pictures import EdgePicture, caption_of
from modules.starter.export import export_control
from modules.starter.tokens import tokenize
from modules.starter.training import device, to_device
from modules.starter.unet_training import averaged_run, learn

STEPS = 1000
MAPS = 6
PICTURES = 800
PEAK_RATE = 3e-4
GUIDANCE = (2.0, 7.0)
SPOILT_FROM = (250, 1000)  # timesteps at which the first prediction is made
CLEANEST = 20  # timestep
LARGEST_ERROR = (0.05, 0.6)  # of a spoilt latent, root of the mean square: what is seen while sampling
CAPTIONED, EMPTY, GUIDED = 0.5, 0.2, 0.4  # what the three predictions' errors count
FAR_FROM_EDGES, NEAR_EDGES = 0.5, 1.5  # what a latent's cell counts


def guide_control(control: ControlNetModel, unet: UNet2DConditionModel, vae: AutoencoderKL, text_encoder: CLIPTextModel, steps: int = STEPS) -> ControlNetModel:
    """Goes on with a trained ``control``, and exports it on the way. Returns the running average of the weights."""
    for each in (control, unet, vae, text_encoder):
        to_device(each)
    shown = EncodedMaps(vae, PICTURES)
    control.train().requires_grad_(True)
    run, average, rng = averaged_run("guided", control, steps, peak_rate=PEAK_RATE)
    control.controlnet_cond_embedding.register_forward_hook(lambda _module, _maps, read: read.repeat(2, 1, 1, 1))
    errors_seen: list[float] = []
    for step in run.remaining_steps():
        latents, maps, captions = shown.batch(rng, MAPS, caption)
        with torch.no_grad():
            context = text_states(text_encoder, tokenize([*captions, *[""] * MAPS]).to(device()))
        networks = Networks(unet=unet, control=control)
        guidance = torch.empty(MAPS, 1, 1, 1, device=device()).uniform_(*GUIDANCE)
        first = torch.randint(*SPOILT_FROM, (MAPS,), device=device())
        with torch.no_grad():
            spoilt = spoiled(latents, networks.predict(latents, first, context, maps, guidance).guided)
        then = CLEANEST + (torch.rand(MAPS, device=device()) * (0.95 * first - CLEANEST)).long()
        predicted = networks.predict(spoilt, then, context, maps, guidance)
        weights = cell_weights(maps) * timestep_weights(then)
        captioned, empty, guided = (((each - latents) ** 2 * weights).mean() for each in (predicted.captioned, predicted.empty, predicted.guided))
        learn(run, CAPTIONED * captioned + EMPTY * empty + GUIDED * guided)
        errors_seen.append(guided.item())
        tell_and_export("guided", step, "error of the guided latents", errors_seen, average)
    export_control(average)
    return average.eval()


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """Clean latents (B, 4, h, w), as predicted with the captions, without, and by both under guidance."""

    captioned: Tensor
    empty: Tensor
    guided: Tensor


@dataclass(frozen=True, kw_only=True)
class Networks:
    unet: UNet2DConditionModel
    control: ControlNetModel

    def predict(self, latents: Tensor, timesteps: Tensor, context: Tensor, maps: Tensor, guidance: Tensor) -> Predicted:
        """Noises ``latents`` to ``timesteps`` (B,) and predicts them. context: of the captions, then as often of the empty one."""
        alpha = noise_levels().to(device())[timesteps][:, None, None, None]
        noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * torch.randn_like(latents)
        noise = predict_with_map(self.unet, self.control, noisy.repeat(2, 1, 1, 1), timesteps.repeat(2), context, maps)
        captioned, empty = ((noisy - (1 - alpha).sqrt() * each) / alpha.sqrt() for each in noise.chunk(2))
        return Predicted(captioned=captioned, empty=empty, guided=empty + guidance * (captioned - empty))


def spoiled(latents: Tensor, predicted: Tensor) -> Tensor:
    """``latents`` with an error like the one of ``predicted``, no larger than errors are while sampling."""
    error = predicted - latents
    size = (error**2).mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return latents + error * (torch.empty_like(size).uniform_(*LARGEST_ERROR) / size).clamp(max=1.0)


def cell_weights(maps: Tensor) -> Tensor:
    """(B, 1, h, w), mean 1: cells with an edge in them or beside them count more. maps: (B, 3, H, W), 0 or 1."""
    near = functional.max_pool2d(functional.max_pool2d(maps[:, :1], VAE_FACTOR), 3, 1, 1)
    weights = FAR_FROM_EDGES + (NEAR_EDGES - FAR_FROM_EDGES) * near
    return weights / weights.mean()


def timestep_weights(timesteps: Tensor) -> Tensor:
    """(B, 1, 1, 1): an error of clean latents counts less where the noise hides more of them."""
    alpha = noise_levels().to(device())[timesteps]
    return (1 + 0.25 * (1 - alpha) / alpha).rsqrt()[:, None, None, None]


def caption(picture: EdgePicture, rng: np.random.Generator) -> str:
    """Mostly the colours alone, as people say them who leave the shape to the map."""
    kind, subject = rng.random(), picture.subject
    if kind < 0.35:
        return f"a {subject.colour} shape on a {subject.background} background"
    if kind < 0.7:
        return write_caption(Mention(colour=subject.colour, background=subject.background), rng)
    return caption_of(subject, rng, is_free=picture.is_free)
