"""Pictures that continue at the opposite edge: convolutions that look round the border, for the time of one batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn


@contextmanager
def tiled(modules: Sequence[nn.Module], wanted: bool = True) -> Iterator[None]:
    """Every convolution of ``modules`` pads with the other side of the picture; afterwards each is as it was."""
    layers = [layer for module in modules for layer in module.modules() if isinstance(layer, nn.Conv2d)] if wanted else []
    before: list[Any] = [layer.padding_mode for layer in layers]
    try:
        for layer in layers:
            layer.padding_mode = "circular"
        yield
    finally:
        for layer, mode in zip(layers, before):
            layer.padding_mode = mode
