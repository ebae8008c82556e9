"""Trains the starter ControlNet: a copy of the UNet's encoder that reads an edge map, while the UNet itself stays as it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor
from transformers.models.clip import CLIPTextModel

from modules.starter.architecture import LATENT_SCALE, encode, noise_levels, text_states
from modules.starter.edge_pictures import EdgePicture, caption_of, edge_picture
from modules.starter.export import export_control
from modules.starter.tokens import tokenize
from modules.starter.training import WORK_FOLDER, device, to_device
from modules.starter.unet_training import EMPTY_CAPTION_SHARE, averaged_run, learn, loss_weights
from modules.starter.vae_training import as_tensor

log = logging.getLogger(__name__)

STEPS = 4000
MAPS = 8
NOISES = 2  # of each picture in a batch: reading a map costs as much as the rest of the network
PICTURES = 2000
ENCODED_AT_ONCE = 16
EXPORT_EVERY = 250
HINT_CHANNELS = (16, 32, 96, 256)  # of the original's part that reads the picture
CELL = 8  # pixels
Caption = Callable[[EdgePicture, np.random.Generator], str]


def train_control(unet: UNet2DConditionModel, vae: AutoencoderKL, text_encoder: CLIPTextModel, steps: int = STEPS, pictures: int = PICTURES) -> ControlNetModel:
    """Returns the running average of the weights; on the way it is exported again and again, so that an early stop leaves a usable file."""
    for each in (unet, vae, text_encoder):
        to_device(each)
    shown = EncodedMaps(vae, pictures)
    torch.manual_seed(0)
    control = build_control(unet)
    to_device(control)
    run, average, rng = averaged_run("control", control, steps)
    control.controlnet_cond_embedding.register_forward_hook(lambda _module, _maps, read: read.repeat_interleave(NOISES, dim=0))
    alphas, weights = noise_levels().to(device()), loss_weights().to(device())
    errors_seen: list[float] = []
    for step in run.remaining_steps():
        latents, maps, captions = shown.batch(rng, MAPS, _caption)
        latents = latents.repeat_interleave(NOISES, dim=0)
        timesteps = torch.randint(0, 1000, (len(latents),), device=device())
        noise = torch.randn_like(latents)
        alpha = alphas[timesteps][:, None, None, None]
        noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
        with torch.no_grad():
            context = text_states(text_encoder, tokenize(captions).to(device())).repeat_interleave(NOISES, dim=0)
        predicted = predict_with_map(unet, control, noisy, timesteps, context, maps)
        errors = ((predicted - noise) ** 2).mean(dim=(1, 2, 3))
        loss = (errors * weights[timesteps]).mean()
        learn(run, loss)
        errors_seen.append(loss.item())
        tell_and_export("control", step, "weighted noise error", errors_seen, average)
    export_control(average)
    return average.eval()


def tell_and_export(stage: str, step: int, what: str, errors_seen: Sequence[float], average: ControlNetModel) -> None:
    """Every fifty steps the mean of the last errors is said; every EXPORT_EVERY the file is written, so that an early stop leaves a usable one."""
    if step % 50 == 0:
        log.info("%s step %d: %s %.4f", stage, step, what, float(np.mean(errors_seen[-50:])))
    if step % EXPORT_EVERY == EXPORT_EVERY - 1:
        export_control(average)


def build_control(unet: UNet2DConditionModel) -> ControlNetModel:
    """Starts as the UNet's encoder, with connections that are zero: it changes nothing until it has learned something."""
    control = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=HINT_CHANNELS)
    control.set_attn_processor(AttnProcessor())
    return control.train().requires_grad_(True)


def predict_with_map(unet: UNet2DConditionModel, control: ControlNetModel, noisy: Tensor, timesteps: Tensor, context: Tensor, maps: Tensor) -> Tensor:
    """maps: (B, 3, H, W), 0 or 1; the others as in ``predict_noise``, in training several to a map."""
    networks: Any = control, unet
    down, middle = networks[0](noisy, timesteps, context, controlnet_cond=maps, return_dict=False)
    return networks[1](noisy, timesteps, context, down_block_additional_residuals=down, mid_block_additional_residual=middle).sample


@dataclass(frozen=True, kw_only=True, eq=False)
class ShownPicture:
    """latent: (4, 12, 12); edges: uint8 (H, W), 0 or 255; both moved by the same cells."""

    latent: Tensor
    edges: np.ndarray
    known: EdgePicture


class EncodedMaps:
    """Pictures as latents with their edge maps, kept on disk for the next call."""

    def __init__(self, vae: AutoencoderKL, count: int) -> None:
        path = WORK_FOLDER / "edges.pt"
        self.latents = torch.zeros(0, 4, 12, 12)
        if path.exists():
            self.latents = torch.load(path, weights_only=True)
        self._known: list[EdgePicture] = []
        WORK_FOLDER.mkdir(exist_ok=True)
        for start in range(0, count, ENCODED_AT_ONCE):
            rng = np.random.default_rng([3, start])
            chunk = [edge_picture(rng) for _ in range(ENCODED_AT_ONCE)]
            self._known += chunk
            if start >= len(self.latents):
                with torch.no_grad():
                    means = encode(vae, as_tensor(np.stack([each.picture for each in chunk])).to(device())).mean
                self.latents = torch.cat([self.latents, LATENT_SCALE * means.cpu()])
                if start % 800 == 0:
                    torch.save(self.latents, path)
                    log.info("encoded %d of %d pictures", start, count)
        torch.save(self.latents, path)

    def batch(self, rng: np.random.Generator, count: int, caption: Caption) -> tuple[Tensor, Tensor, list[str]]:
        """``count`` latents (B, 4, 12, 12), maps (B, 3, 96, 96) of 0 and 1, captions."""
        chosen = [self.choose(rng) for _ in range(count)]
        read = torch.from_numpy(np.stack([each.edges for each in chosen])).float()[:, None].expand(-1, 3, -1, -1) / 255
        return torch.stack([each.latent for each in chosen]).to(device()), read.to(device()), [caption(each.known, rng) for each in chosen]

    def choose(self, rng: np.random.Generator) -> ShownPicture:
        """Any of them with any of its maps. Some are moved by a cell: their grounds are even."""
        index = int(rng.integers(0, len(self._known)))
        known = self._known[index]
        edges = known.maps[rng.integers(len(known.maps))]
        down, right = (int(n) for n in rng.integers(-1, 2, 2)) if rng.random() < 0.5 and not _near_rim(edges) else (0, 0)
        latent = self.latents[index].roll((down, right), dims=(1, 2))
        return ShownPicture(latent=latent, edges=np.roll(edges, (CELL * down, CELL * right), axis=(0, 1)), known=known)


def _caption(picture: EdgePicture, rng: np.random.Generator) -> str:
    return caption_of(picture.subject, rng, is_free=picture.is_free) if rng.random() > EMPTY_CAPTION_SHARE else ""


def _near_rim(edges: np.ndarray) -> bool:
    inner = edges[2 * CELL : -2 * CELL, 2 * CELL : -2 * CELL]
    return bool(np.count_nonzero(edges) != np.count_nonzero(inner))
