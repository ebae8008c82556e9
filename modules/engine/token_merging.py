"""Fewer tokens in the largest self-attention: similar neighbours are averaged before it and copied back after it.

Source: Bolya & Hoffman 2023, "Token Merging for Fast Stable Diffusion" (arXiv:2303.17604), without its random part.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_CELL = 2                                           # of each 2x2 tokens the first one is kept as a target


@dataclass(frozen=True, kw_only=True)
class Merge:
    """Which of N tokens go into which. kept, merged: indices (B, n, 1) into the sources; target: where the merged ones go.

    sources, targets: the places (n,) of both kinds among the N tokens.
    """

    sources: Tensor
    targets: Tensor
    kept: Tensor
    merged: Tensor
    target: Tensor

    def shortened(self, tokens: Tensor) -> Tensor:
        """(B, N, C) -> (B, N - merged, C): kept sources first, then targets, each the mean of what fell on it."""
        sources, targets = tokens[:, self.sources], tokens[:, self.targets]
        width = tokens.shape[-1]
        moved = sources.gather(1, self.merged.expand(-1, -1, width))
        targets = targets.scatter_reduce(1, self.target.expand(-1, -1, width), moved, reduce="mean")
        return torch.cat([sources.gather(1, self.kept.expand(-1, -1, width)), targets], dim=1)

    def restored(self, tokens: Tensor) -> Tensor:
        """The way back: a merged token gets its target's value."""
        count, width = self.kept.shape[1], tokens.shape[-1]
        kept, targets = tokens[:, :count], tokens[:, count:]
        sources = tokens.new_empty(len(tokens), len(self.sources), width)
        sources.scatter_(1, self.kept.expand(-1, -1, width), kept)
        sources.scatter_(1, self.merged.expand(-1, -1, width), targets.gather(1, self.target.expand(-1, -1, width)))
        result = tokens.new_empty(len(tokens), len(self.sources) + len(self.targets), width)
        result[:, self.sources], result[:, self.targets] = sources, targets
        return result


def find_merge(tokens: Tensor, height: int, width: int, ratio: float) -> Merge:
    """The ``ratio`` x N source tokens that are most like one of the targets. tokens: (B, height * width, C)."""
    is_target = torch.zeros(height, width, dtype=torch.bool, device=tokens.device)
    is_target[: height // _CELL * _CELL : _CELL, : width // _CELL * _CELL : _CELL] = True
    places = torch.arange(height * width, device=tokens.device)
    sources, targets = places[~is_target.flatten()], places[is_target.flatten()]
    unit = tokens / tokens.norm(dim=-1, keepdim=True)
    likeness, nearest = (unit[:, sources] @ unit[:, targets].transpose(1, 2)).max(dim=-1)
    order = likeness.argsort(dim=-1, descending=True)[..., None]
    count = min(len(sources), int(height * width * ratio))
    merged = order[:, :count]
    return Merge(sources=sources, targets=targets, kept=order[:, count:], merged=merged, target=nearest[..., None].gather(1, merged))


@contextmanager
def merged_tokens(unet: nn.Module, ratio: float) -> Iterator[None]:
    """``unet``'s self-attention at full latent resolution works on fewer tokens while this is open. ratio: 0 (off) .. 0.9."""
    if ratio <= 0:
        yield
        return
    handles = [handle for block in _transformer_blocks(unet) for handle in _Merging(unet, block, ratio).handles]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _transformer_blocks(unet: nn.Module) -> list[nn.Module]:
    return [module for module in unet.modules() if type(module).__name__ == "BasicTransformerBlock"]


class _Merging:
    """The hooks of one block: note the latent's size, find the merge, shorten before self-attention, restore after it."""

    def __init__(self, unet: nn.Module, block: Any, ratio: float) -> None:
        self._ratio = ratio
        self._size = (0, 0)
        self._merge: Merge | None = None
        self.handles = (
            unet.register_forward_pre_hook(self._note_size),
            block.register_forward_pre_hook(self._find),
            block.attn1.register_forward_pre_hook(self._shorten),
            block.attn1.register_forward_hook(self._restore),
        )

    def _note_size(self, module: nn.Module, arguments: tuple[Any, ...]) -> None:
        self._size = tuple(arguments[0].shape[-2:])

    def _find(self, module: nn.Module, arguments: tuple[Any, ...]) -> None:
        tokens, (height, width) = arguments[0], self._size
        self._merge = find_merge(tokens, height, width, self._ratio) if tokens.shape[1] == height * width else None

    def _shorten(self, module: nn.Module, arguments: tuple[Any, ...]) -> Any:
        return None if self._merge is None else (self._merge.shortened(arguments[0]), *arguments[1:])

    def _restore(self, module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> Tensor | None:
        return None if self._merge is None else self._merge.restored(output)
