"""What is learnt from: pictures as latents, the words of each, and the batches of an epoch."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor

from modules.engine.encode import as_pixels, encode_range
from modules.schema.params_training import SAMPLING

if TYPE_CHECKING:
    from PIL.Image import Image

    from modules.loading.components import Components

T = TypeVar("T")
ONCE, DETERMINISTIC, _ = SAMPLING


class Chance:
    """What is left to chance in a training. mix: orders and texts; noise: numbers."""

    def __init__(self) -> None:
        self.mix = random.Random()
        self.noise = torch.Generator().manual_seed(self.mix.getrandbits(48))


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingPicture:
    """mean, spread: (C, h, w), where in the VAE's range the latent lies, scaled as the denoiser takes it. fixed: the latent, where it is the same at each step.

    words: its caption. weight: (1, h, w) of mean 1, how much each place counts; None: all alike. text: the prompt, where it is the same at each step.
    """

    words: str
    mean: Tensor
    spread: Tensor
    fixed: Tensor | None = None
    weight: Tensor | None = None
    text: str = ""


def encoded_picture(picture: Image, words: str, components: Components, *, sampling: str, alpha: Image | None, chance: Chance) -> TrainingPicture:
    """picture: RGB, of a size that the model takes. sampling: one of SAMPLING. alpha: "L", the weight of each place. Raises NotFinite."""
    form = components.family.latent
    with torch.no_grad():
        mean, spread = encode_range(as_pixels([picture])[0], components.vae)
    mean, spread = ((mean - form.shift) * form.scale).cpu(), (spread * form.scale).cpu()
    fixed = {DETERMINISTIC: mean, ONCE: mean + spread * torch.randn(mean.shape, generator=chance.noise)}.get(sampling)
    return TrainingPicture(words=words, mean=mean, spread=spread, fixed=fixed, weight=None if alpha is None else weight_of_places(alpha, mean))


def weight_of_places(alpha: Image, latent: Tensor) -> Tensor:
    """(1, h, w). The least is 0, the mean 1; an even picture counts alike everywhere."""
    values = torch.from_numpy(np.asarray(alpha.resize((latent.shape[-1], latent.shape[-2])), dtype=np.float32))[None]
    values = values - values.min()
    return values / values.mean() if values.max() > 0 else torch.ones_like(values)


@dataclass(frozen=True, kw_only=True)
class Wording:
    """How captions become prompts. lines: of the template; [name] stands for what is trained, [filewords] for the caption.

    shuffles: tags, parted by commas, are mixed anew at each step; drops: the share of them that is left out.
    """

    lines: Sequence[str]
    name: str
    shuffles: bool = False
    drops: float = 0.0

    @property
    def changes(self) -> bool:
        """Whether a picture's prompt is another one at each step."""
        return self.shuffles or self.drops > 0

    def text(self, words: str, chance: random.Random) -> str:
        """The prompt for one picture."""
        tags = [tag for tag in words.split(",") if not self.drops or chance.random() > self.drops]
        if self.shuffles:
            chance.shuffle(tags)
        return chance.choice(self.lines).replace("[filewords]", ",".join(tags)).replace("[name]", self.name)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """latents: (B, C, h, w). weights: (B, 1, h, w), or None."""

    latents: Tensor
    texts: tuple[str, ...]
    weights: Tensor | None


def batches_of_groups(groups: Sequence[list[T]], size: int, chance: random.Random) -> list[list[T]]:
    """An epoch of what stands in ``groups``, mixed in place: as many batches as all fill, each of one group; one that is not filled by its own is completed by chance."""
    whole: list[list[T]] = []
    for same in groups:
        chance.shuffle(same)
        whole += [same[start : start + size] for start in range(0, len(same) - size + 1, size)]
    left = [len(same) % size for same in groups]
    for _ in range(sum(map(len, groups)) // size - len(whole)):
        (same,) = chance.choices(groups, left)
        whole.append(chance.choices(same, k=size))
    chance.shuffle(whole)
    return whole


class PictureSet:
    """All pictures of a training. Those of one size go together; an epoch has as many batches as all pictures fill."""

    def __init__(self, pictures: Sequence[TrainingPicture], wording: Wording, *, batch_size: int, chance: Chance) -> None:
        self._wording, self._chance, self._noise = wording, chance.mix, chance.noise
        self.batch_size = min(batch_size, len(pictures))
        by_size = sorted(pictures, key=lambda each: each.mean.shape[-2:])
        self._groups = [list(same) for _, same in groupby(by_size, key=lambda each: each.mean.shape[-2:])]
        self._texts = {id(each): wording.text(each.words, chance.mix) for each in pictures}
        self.count = len(pictures)

    def epoch(self) -> Iterator[Batch]:
        """Every picture once, in an order of chance; what fills no batch of its own size is completed with others of it."""
        yield from map(self._batch, batches_of_groups(self._groups, self.batch_size, self._chance))

    def _batch(self, pictures: Sequence[TrainingPicture]) -> Batch:
        weights = [each.weight if each.weight is not None else torch.ones(1, *each.mean.shape[-2:]) for each in pictures]
        return Batch(
            latents=torch.stack([self._latent(each) for each in pictures]), texts=tuple(map(self._text, pictures)),
            weights=torch.stack(weights) if any(each.weight is not None for each in pictures) else None)

    def _latent(self, picture: TrainingPicture) -> Tensor:
        if picture.fixed is not None:
            return picture.fixed
        return picture.mean + picture.spread * torch.randn(picture.mean.shape, generator=self._noise)

    def _text(self, picture: TrainingPicture) -> str:
        return self._wording.text(picture.words, self._chance) if self._wording.changes else self._texts[id(picture)]
