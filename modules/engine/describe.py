"""Words for a picture: which tags are likely enough and how they are written, which texts of a list fit best."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from modules.imaging.resize import RESIZE_AND_FILL, fitted
from modules.loading.deepbooru import SIDE, DeepDanbooru

if TYPE_CHECKING:
    from PIL.Image import Image

    from modules.loading.clip_pair import ClipPair

_RATING = "rating:"                             # tags that say for whom a picture is
_SPECIAL = re.compile(r"([\\()])")              # what means something in a prompt


@dataclass(frozen=True, kw_only=True)
class TagStyle:
    """How tags become words. least: the lowest likelihood, 0 .. 1. left_out: tags, with underlines."""

    least: float = 0.5
    by_alphabet: bool = True
    spaces: bool = True
    escaped: bool = True
    with_scores: bool = False
    left_out: frozenset[str] = frozenset()


def tags_of(picture: Image, model: DeepDanbooru) -> dict[str, float]:
    """tag -> how likely, 0 .. 1."""
    square = np.array(fitted(picture.convert("RGB"), SIDE, SIDE, RESIZE_AND_FILL))
    device = model.head.weight.device
    pixels = (torch.from_numpy(square).float() / 255.0).permute(2, 0, 1)[None].to(device)
    return dict(zip(model.tags, model(pixels).cpu().tolist()))


def written_tags(likely: Mapping[str, float], style: TagStyle) -> str:
    """As a part of a prompt."""
    chosen = [tag for tag, share in likely.items() if share >= style.least and not tag.startswith(_RATING) and tag not in style.left_out]
    chosen.sort(key=(lambda tag: tag) if style.by_alphabet else (lambda tag: -likely[tag]))
    return ", ".join(_written(tag, likely[tag], style) for tag in chosen)


def _written(tag: str, share: float, style: TagStyle) -> str:
    text = tag.replace("_", " ") if style.spaces else tag
    text = _SPECIAL.sub(r"\\\1", text) if style.escaped else text
    return f"({text}:{share:.3f})" if style.with_scores else text


@dataclass(frozen=True, kw_only=True)
class Category:
    """Texts of one kind (artists, mediums ...). most: how many of them are taken."""

    name: str
    texts: Sequence[str]
    most: int = 1


def best_texts(picture: Image, model: ClipPair, categories: Sequence[Category]) -> Iterator[tuple[str, float]]:
    """(text, share of its category, 0 .. 1), category by category, the best first."""
    for category in categories:
        if category.texts:
            shares: list[float] = model.fits(picture, category.texts).tolist()
            best = sorted(range(len(shares)), key=lambda place: -shares[place])
            for place in best[: category.most]:
                yield category.texts[place], shares[place]
