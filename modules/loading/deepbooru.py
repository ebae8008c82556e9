"""DeepDanbooru (Kim 2019, "custom v3") as A1111's file has it: a picture -> how likely each of some nine thousand tags is.

A residual network whose normalisation has been worked into its convolutions; they are numbered in the order in which they are
computed, and their shapes say which block they belong to. No library carries it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from modules.loading.pickle_weights import is_pickle, read_pickle
from modules.schema.errors import CannotLoad

SIDE = 512                                      # of the pictures that it was trained on
_NAME = "n_Conv_{}."


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """A convolution, padded as TensorFlow does: on the far side first."""

    weight: Tensor
    bias: Tensor | None

    @property
    def side(self) -> int:
        return self.weight.shape[-1]

    def __call__(self, x: Tensor, stride: int = 1) -> Tensor:
        missing = [max(self.side - (length % stride or stride), 0) for length in x.shape[:1:-1]]        # width, then height
        padded = F.pad(x, [each for all_of_it in missing for each in (all_of_it // 2, all_of_it - all_of_it // 2)])
        return F.conv2d(padded, self.weight, self.bias, stride)


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Three convolutions beside a way around them, which has one of its own where a stage begins."""

    layers: tuple[Layer, Layer, Layer]
    around: Layer | None
    stride: int

    def __call__(self, x: Tensor) -> Tensor:
        first, second, third = self.layers
        inner = third(F.relu(second(F.relu(first(x)), self.stride)))
        return F.relu(inner + (x if self.around is None else self.around(x, self.stride)))


@dataclass(frozen=True, kw_only=True, eq=False)
class DeepDanbooru:
    """tags: by place in what it gives."""

    tags: tuple[str, ...]
    stem: Layer
    blocks: tuple[Block, ...]
    head: Layer

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> Tensor:
        """Pixels (1, 3, 512, 512), 0 .. 1 -> (number of tags), 0 .. 1."""
        x = F.relu(self.stem(pixels, 2))
        x = F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=float("-inf")), 3, 2)
        for block in self.blocks:
            x = block(x)
        return torch.sigmoid(self.head(x).mean(dim=(2, 3)))[0]


def load_deepbooru(path: Path, device: torch.device) -> DeepDanbooru:
    """The network in ``path``, in float32. Raises CannotLoad."""
    if not is_pickle(path):
        raise CannotLoad(path, "it is not DeepDanbooru as A1111 keeps it", "Download the file again.")
    table = read_pickle(path)
    tags = table.get("tags") if isinstance(table, Mapping) else None
    if not isinstance(tags, (list, tuple)) or not all(isinstance(each, str) for each in tags):
        raise CannotLoad(path, "it holds no list of tags, so it is not DeepDanbooru as A1111 keeps it", "Download the file again.")
    try:
        layers = list(_layers(table, device))
        model = DeepDanbooru(tags=tuple(tags), stem=layers[0], blocks=tuple(_blocks(layers[1:-1])), head=layers[-1])
    except (LookupError, ValueError, AttributeError, TypeError) as error:
        raise CannotLoad(path, "its layers are not those of DeepDanbooru", "Download the file again.") from error
    if len(model.tags) != model.head.weight.shape[0]:
        raise CannotLoad(path, f"it names {len(model.tags)} tags and tells {model.head.weight.shape[0]}", "Download the file again.")
    return model


def _layers(table: Mapping[str, Any], device: torch.device) -> Iterator[Layer]:
    number = 0
    while (name := _NAME.format(number)) + "weight" in table:
        weight, bias = table[name + "weight"], table.get(name + "bias")
        if weight.dim() != 4:
            raise ValueError(name)
        yield Layer(weight=weight.to(device, torch.float32), bias=None if bias is None else bias.to(device, torch.float32))
        number += 1


def _blocks(layers: list[Layer]) -> Iterator[Block]:
    """The first stage keeps the sides of what the stem gives; each later one halves them.

    The way around is numbered before the three layers where it widens, after them where it does not.
    """
    place = 0
    while place < len(layers):
        widens = layers[place + 1].side == 1
        first, second, third = layers[place + widens : place + widens + 3]
        if (first.side, second.side, third.side) != (1, 3, 1):
            raise ValueError(place)
        around = layers[place] if widens else next((each for each in layers[place + 3 : place + 4] if _keeps_width(each)), None)
        yield Block(layers=(first, second, third), around=around, stride=2 if around is not None and place else 1)
        place += 3 + (around is not None)


def _keeps_width(layer: Layer) -> bool:
    return layer.weight.shape[0] == layer.weight.shape[1]
