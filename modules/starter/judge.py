"""The judge of generated pictures: a small classifier of drawn pictures that never sees a prompt.

It names the object and its colour; the background's colour is read from the picture's border.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from modules.starter.drawing import COLOUR_NAMES, COLOURS, OBJECTS, PICTURE_SIZE, draw, random_pose, random_subject
from modules.starter.training import Run, device
from modules.starter.vae_training import as_tensor

log = logging.getLogger(__name__)

WEIGHTS = Path(__file__).parents[2] / "tests" / "starter_judge" / "judge.safetensors"
STEPS = 1500
BATCH = 48
CHANNELS = (24, 48, 64, 96)
BORDER = 4  # pixels: objects keep further away from the edge


class Judge(nn.Module):
    """Pictures (B, 3, 96, 96) within [-1, 1] to scores of objects (B, objects) and colours (B, colours)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 3
        for channels in CHANNELS:
            layers += [nn.Conv2d(width, channels, 3, stride=2, padding=1), nn.BatchNorm2d(channels), nn.ReLU()]
            width = channels
        self.features = nn.Sequential(*layers, nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten())
        self.object_scores = nn.Linear(9 * width, len(OBJECTS))
        self.colour_scores = nn.Linear(9 * width, len(COLOUR_NAMES))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(pictures)
        return self.object_scores(features), self.colour_scores(features)


def load_judge(path: Path = WEIGHTS) -> Judge:
    judge = Judge()
    judge.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in load_file(path).items()})
    return judge.eval()


@torch.no_grad()
def name_contents(judge: Judge, pictures: np.ndarray) -> list[tuple[str, str, str]]:
    """(object, colour, background) for each picture of uint8 (B, H, W, 3); other sizes are scaled to the judge's."""
    if pictures.shape[1:3] != (PICTURE_SIZE, PICTURE_SIZE):
        scaled = [Image.fromarray(p).resize((PICTURE_SIZE, PICTURE_SIZE), Image.Resampling.LANCZOS) for p in pictures]
        pictures = np.stack([np.asarray(picture) for picture in scaled])
    object_scores, colour_scores = judge(as_tensor(pictures))
    objects, colours = object_scores.argmax(dim=1).tolist(), colour_scores.argmax(dim=1).tolist()
    return [(OBJECTS[o], COLOUR_NAMES[c], background_colour(p)) for o, c, p in zip(objects, colours, pictures, strict=True)]


def background_colour(picture: np.ndarray) -> str:
    """The named colour nearest to the median of the border. picture: uint8 (H, W, 3)."""
    b = BORDER
    strips = (picture[:b], picture[-b:], picture[:, :b], picture[:, -b:])
    median = np.median(np.concatenate([strip.reshape(-1, 3) for strip in strips]), axis=0)
    distances = [float(np.linalg.norm(median - np.array(colour))) for colour in COLOURS.values()]
    return COLOUR_NAMES[int(np.argmin(distances))]


def train_judge(steps: int = STEPS) -> Judge:
    """Trains the classifier and writes its weights beside the tests."""
    torch.manual_seed(0)
    judge = Judge().to(device())
    optimiser = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=0.01)
    run = Run(name="judge", networks={"judge": judge}, optimiser=optimiser, steps=steps, peak_rate=2e-3, floor_rate=1e-5)
    run.resume()
    rng = np.random.default_rng(run.step)
    for step in run.remaining_steps():
        pictures, objects, colours = drawn_pictures(rng, BATCH)
        object_scores, colour_scores = judge(_disturbed(as_tensor(pictures), rng).to(device()))
        loss = functional.cross_entropy(object_scores, objects.to(device()))
        loss = loss + functional.cross_entropy(colour_scores, colours.to(device()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 100 == 0:
            log.info("judge step %d: loss %.4f", step, loss.item())
    judge = judge.cpu().eval()
    halves = {name: t.half() if t.is_floating_point() else t for name, t in judge.state_dict().items()}
    WEIGHTS.parent.mkdir(parents=True, exist_ok=True)
    save_file(halves, WEIGHTS)
    log.info("wrote %s; on fresh drawings it names %s", WEIGHTS, accuracy_on_drawings(judge))
    return judge


def drawn_pictures(rng: np.random.Generator, count: int) -> tuple[np.ndarray, Tensor, Tensor]:
    """Pictures as uint8 (count, H, W, 3), and the numbers of their objects and colours."""
    subjects = [random_subject(rng) for _ in range(count)]
    pictures = np.stack([np.asarray(draw(subject, random_pose(rng))) for subject in subjects])
    objects = torch.tensor([OBJECTS.index(subject.object) for subject in subjects])
    colours = torch.tensor([COLOUR_NAMES.index(subject.colour) for subject in subjects])
    return pictures, objects, colours


def accuracy_on_drawings(judge: Judge, count: int = 1000, seed: int = 123) -> dict[str, float]:
    """The share of fresh drawings whose object, colour and background the judge names rightly."""
    rng = np.random.default_rng(seed)
    subjects = [random_subject(rng) for _ in range(count)]
    pictures = np.stack([np.asarray(draw(subject, random_pose(rng))) for subject in subjects])
    named = name_contents(judge, pictures)
    return {
        "object": sum(n[0] == s.object for n, s in zip(named, subjects, strict=True)) / count,
        "colour": sum(n[1] == s.colour for n, s in zip(named, subjects, strict=True)) / count,
        "background": sum(n[2] == s.background for n, s in zip(named, subjects, strict=True)) / count,
    }


def _disturbed(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Blur, noise and a shift, so that the judge is no stickler for clean edges."""
    if rng.random() < 0.5:
        factor = float(rng.uniform(0.35, 0.9))
        small = functional.interpolate(pictures, scale_factor=factor, mode="bilinear", antialias=True)
        pictures = functional.interpolate(small, size=pictures.shape[2:], mode="bilinear")
    pictures = pictures.roll((int(rng.integers(-4, 5)), int(rng.integers(-4, 5))), dims=(2, 3))
    return pictures + torch.randn(pictures.shape) * float(rng.uniform(0, 0.12))
