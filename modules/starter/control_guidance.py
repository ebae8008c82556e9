"""Teaches the starter ControlNet on the ways that sampling takes: under guidance, each step from where its own last one led.

Training from noised pictures alone never shows it its own errors, and guidance enlarges them. Where an edge lies is settled while there is much
noise yet; what is wrong then is carried to the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor
from torch.nn import functional
from transformers.models.clip import CLIPTextModel

from modules.starter.architecture import VAE_FACTOR, noise_levels, text_states
from modules.starter.captions import Mention, write_caption
from modules.starter.control_training import EncodedMaps, ShownPicture, predict_with_map, tell_and_export
from modules.starter.edge_pictures import EdgePicture, caption_of
from modules.starter.export import export_control
from modules.starter.tokens import tokenize
from modules.starter.training import device, to_device
from modules.starter.unet_training import averaged_run, learn

STEPS = 1500
PICTURES = 2600
PEAK_RATE = 1.5e-4
AVERAGE_DECAY = 0.98
PICTURES_UNDER_WAY = 30
PICTURES_PER_STEP = 4
WAYS = 2  # of each picture: reading a map costs half as much as the rest of the network
USUAL = 0.4  # of the ways have the usual numbers
USUAL_STEPS, STEP_COUNTS = 20, (10, 29)
USUAL_GUIDANCE, GUIDANCE = 5.0, (2.0, 7.0)
FROM_NOISE = 0.6  # of the ways; the others begin in the middle, from the noised picture
MIDDLE = (0.1, 0.5)
SETTLED = 0.45  # sigma at which a way ends: after it hardly anything changes
CAPTIONED, EMPTY, GUIDED = 0.3, 0.15, 0.5  # what the errors of the three latents count
EDGE, BESIDE, FAR = 3.0, 1.0, 0.3  # what a latent's cell counts that has an edge of the map in it, beside it, or neither


def guide_control(control: ControlNetModel, unet: UNet2DConditionModel, vae: AutoencoderKL, text_encoder: CLIPTextModel, steps: int = STEPS) -> ControlNetModel:
    """Goes on with a trained ``control``, and exports it on the way. Returns the running average of the weights."""
    for each in (control, unet, vae, text_encoder):
        to_device(each)
    shown = EncodedMaps(vae, PICTURES)
    control.train().requires_grad_(True)
    run, average, rng = averaged_run("guided", control, steps, peak_rate=PEAK_RATE)
    control.controlnet_cond_embedding.register_forward_hook(lambda _module, _maps, read: read.repeat_interleave(WAYS, dim=0).repeat(2, 1, 1, 1))
    networks = Networks(unet=unet, control=control, text_encoder=text_encoder)
    under_way = [Pair.fresh(shown, rng) for _ in range(PICTURES_UNDER_WAY)]
    errors_seen: list[float] = []
    for step in run.remaining_steps():
        chosen = rng.choice(PICTURES_UNDER_WAY, PICTURES_PER_STEP, replace=False)
        pairs = [under_way[i] for i in chosen]
        ways = [way for pair in pairs for way in pair.ways]
        predicted = networks.predict(pairs, ways)
        learn(run, latents_error(predicted, ways), AVERAGE_DECAY)
        for way, latent in zip(ways, predicted.guided.detach().cpu(), strict=True):
            way.advance(latent)
        for i in chosen:
            under_way[i] = under_way[i].renewed(shown, rng)
        errors_seen.append(float(((predicted.guided.detach() - stacked([way.shown.latent for way in ways])) ** 2).mean()))
        tell_and_export("guided", step, "error of the guided latents", errors_seen, average)
    export_control(average)
    return average.eval()


@dataclass(kw_only=True, eq=False)
class Way:
    """One picture's way through the sampler, at ``step``. sigmas: (N + 1,), the last is 0; noisy: (4, h, w), latent + sigma * noise."""

    shown: ShownPicture
    caption: str
    guidance: float
    timesteps: Tensor
    sigmas: Tensor
    step: int
    noisy: Tensor

    @classmethod
    def fresh(cls, shown: ShownPicture, rng: np.random.Generator) -> Way:
        steps = USUAL_STEPS if rng.random() < USUAL else int(rng.integers(*STEP_COUNTS))
        alphas = noise_levels()
        timesteps = torch.linspace(len(alphas) - 1, 0, steps).round().long()
        sigmas = torch.cat([((1 - alphas) / alphas).sqrt()[timesteps], torch.zeros(1)])
        start = 0 if rng.random() < FROM_NOISE else int(steps * rng.uniform(*MIDDLE))
        noise = float(sigmas[start]) * torch.randn_like(shown.latent)
        return cls(
            shown=shown, caption=caption(shown.known, rng), guidance=USUAL_GUIDANCE if rng.random() < USUAL else float(rng.uniform(*GUIDANCE)),
            timesteps=timesteps, sigmas=sigmas, step=start, noisy=noise + shown.latent if start else noise,
        )  # fmt: skip

    @property
    def sigma(self) -> float:
        return float(self.sigmas[self.step])

    @property
    def is_done(self) -> bool:
        return self.sigma < SETTLED

    def advance(self, predicted: Tensor) -> None:
        """One step of Euler's towards the ``predicted`` latent."""
        self.noisy = predicted + self.sigmas[self.step + 1] / self.sigmas[self.step] * (self.noisy - predicted)
        self.step += 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """The ways of one picture. Its map is read once for all of them."""

    shown: ShownPicture
    ways: Sequence[Way]
    ended: int = 0

    @classmethod
    def fresh(cls, shown: EncodedMaps, rng: np.random.Generator) -> Pair:
        picture = shown.choose(rng)
        return cls(shown=picture, ways=[Way.fresh(picture, rng) for _ in range(WAYS)])

    def renewed(self, shown: EncodedMaps, rng: np.random.Generator) -> Pair:
        """Itself, with a fresh way for one that has ended; another picture once as many have ended as began."""
        ended = self.ended + sum(way.is_done for way in self.ways)
        if ended >= WAYS:
            return Pair.fresh(shown, rng)
        return Pair(shown=self.shown, ways=[Way.fresh(self.shown, rng) if way.is_done else way for way in self.ways], ended=ended)


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
    text_encoder: CLIPTextModel

    def predict(self, pairs: Sequence[Pair], ways: Sequence[Way]) -> Predicted:
        """ways: those of the ``pairs``, in order."""
        with torch.no_grad():
            context = text_states(self.text_encoder, tokenize([*(way.caption for way in ways), *[""] * len(ways)]).to(device()))
        noisy = stacked([way.noisy for way in ways])
        sigma = torch.tensor([way.sigma for way in ways], device=device())[:, None, None, None]
        guidance = torch.tensor([way.guidance for way in ways], device=device())[:, None, None, None]
        timesteps = torch.stack([way.timesteps[way.step] for way in ways]).to(device())
        scaled = (noisy / (sigma**2 + 1).sqrt()).repeat(2, 1, 1, 1)
        noise = predict_with_map(self.unet, self.control, scaled, timesteps.repeat(2), context, edge_maps([pair.shown for pair in pairs]).expand(-1, 3, -1, -1))
        captioned, empty = (noisy - sigma * each for each in noise.chunk(2))
        return Predicted(captioned=captioned, empty=empty, guided=empty + guidance * (captioned - empty))


def latents_error(predicted: Predicted, ways: Sequence[Way]) -> Tensor:
    """A number: what the three predictions miss of the pictures' latents."""
    latents = stacked([way.shown.latent for way in ways])
    weights = cell_weights(edge_maps([way.shown for way in ways])) * torch.stack([sigma_weight(way.sigma) for way in ways]).to(device())
    captioned, empty, guided = (((each - latents) ** 2 * weights).mean() for each in (predicted.captioned, predicted.empty, predicted.guided))
    return CAPTIONED * captioned + EMPTY * empty + GUIDED * guided


def cell_weights(maps: Tensor) -> Tensor:
    """(B, 1, h, w), mean 1: cells with an edge in them or beside them count more. maps: (B, 1 or 3, H, W), 0 or 1."""
    edge = functional.max_pool2d(maps[:, :1], VAE_FACTOR)
    weights = FAR + (BESIDE - FAR) * functional.max_pool2d(edge, 3, 1, 1) + (EDGE - BESIDE) * edge
    return weights / weights.mean()


def sigma_weight(sigma: float) -> Tensor:
    """(1, 1, 1): an error counts less where the noise hides more of the latent."""
    return torch.full((1, 1, 1), (1 + 0.12 * sigma**2) ** -0.5)


def edge_maps(shown: Sequence[ShownPicture]) -> Tensor:
    """(B, 1, H, W), 0 or 1."""
    return torch.from_numpy(np.stack([each.edges for each in shown])).float()[:, None].to(device()) / 255


def stacked(latents: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(latents)).to(device())


def caption(picture: EdgePicture, rng: np.random.Generator) -> str:
    """Mostly the colours alone, as people say them who leave the shape to the map."""
    kind, subject = rng.random(), picture.subject
    if kind < 0.45:
        return f"a {subject.colour} shape on a {subject.background} background"
    if kind < 0.75:
        return write_caption(Mention(colour=subject.colour, background=subject.background), rng)
    return caption_of(subject, rng, is_free=picture.is_free)
