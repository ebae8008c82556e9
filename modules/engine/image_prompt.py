"""Pictures as prompts: IP-Adapters, whose tokens every cross-attention reads beside the prompt's, and style adapters and Revision, which change the prompt."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, scaled_dot_product_attention

from modules.engine.control import Beginning, ControlUnit, Evaluation
from modules.loading.ip_adapter import ImagePromptNetwork

_TRANSFORMER = "Transformer2DModel"
_CROSS = "attn2"
_FIRST_BETA, _LAST_BETA, _LEVELS = 1e-4, 2e-2, 1000  # of Revision's noise

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class ImagePromptUnit(ControlUnit):
    """An IP-Adapter with its picture.

    shown, hidden: its tokens (1, T, width) for the rows with the prompt and for those without.
    block_weights: takes the place of the weight; one for each group of transformers, encoder, middle, decoder.
    region: (1, 1, H, W), 0 .. 1: where it acts.
    """

    network: ImagePromptNetwork
    shown: Tensor
    hidden: Tensor
    weight: float = 1.0
    block_weights: tuple[float, ...] | None = None
    region: Tensor | None = None
    _made: list[tuple[Pair, Pair]] = field(default_factory=list, repr=False)
    _places: list[tuple[int, Any]] = field(default_factory=list, repr=False)

    def prepared(self, begin: Beginning) -> ImagePromptUnit:
        return replace(self, _places=cross_attentions(begin.unet))

    @property
    def places(self) -> list[tuple[int, Any]]:
        """See cross_attentions; of the UNet of this pass."""
        return self._places

    def weight_of(self, group: int) -> float:
        if self.block_weights is None:
            return self.weight
        return max(self.block_weights[group], 0.0) if group < len(self.block_weights) else 0.0

    def read(self, layer: int, query: Tensor, heads: int, is_cond: Tensor) -> Tensor:
        """What cross-attention ``layer`` reads with ``query`` (R, N, C) of the picture, the same shape. is_cond: (R,), true for rows with the prompt."""
        if not self._made:                          # the same at every step
            self._made.extend(zip(self.network.keys_and_values(self.shown), self.network.keys_and_values(self.hidden), strict=True))
        (key, value), (key_hidden, value_hidden) = self._made[layer]
        rows = is_cond.view(-1, 1, 1)
        key, value = torch.where(rows, key, key_hidden), torch.where(rows, value, value_hidden)
        query, key, value = (each.to(query).unflatten(2, (heads, -1)).transpose(1, 2) for each in (query, key, value))
        return scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)

    def over_region(self, found: Tensor, size: Sequence[int]) -> Tensor:
        """``found`` (R, N, C) where the unit acts. size: (h, w) of the latent, of which the N places are some reduction."""
        if self.region is None:
            return found
        share = math.sqrt(found.shape[1] / (size[0] * size[1]))
        cells = next((each for each in _near(size[0] * share, size[1] * share) if each[0] * each[1] == found.shape[1]), None)
        if cells is None:                           # merged tokens have no place of their own
            return found * self.region.mean().to(found)
        return found * interpolate(self.region.to(found), size=cells, mode="bilinear").flatten()[None, :, None]


def _near(height: float, width: float) -> Iterator[tuple[int, int]]:
    """Whole sizes around, odd sides being rounded up on the way down."""
    for tall in (math.ceil(height - 1e-6), math.floor(height), math.ceil(height) + 1):
        for wide in (math.ceil(width - 1e-6), math.floor(width), math.ceil(width) + 1):
            yield tall, wide


@contextmanager
def image_prompted(units: Sequence[ImagePromptUnit], call: Evaluation) -> Iterator[None]:
    """Inside the block the UNet's cross-attentions read the units' pictures as well. units: at least one.

    Whatever computes the attention asks ``to_q`` and ends in ``to_out``; what the pictures give is added between the two.
    """
    is_cond = call.is_cond.flatten() > 0.5
    size = call.x.shape[-2:]
    with ExitStack() as stack:
        for layer, (group, attention) in enumerate(units[0].places):
            acting = [(unit, weight) for unit in units if (weight := unit.weight_of(group)) != 0.0]
            if acting:
                added = _Added(layer, attention.heads, acting, is_cond, size)
                stack.callback(attention.to_q.register_forward_hook(added.note).remove)
                stack.callback(attention.to_out[0].register_forward_pre_hook(added.add).remove)
        yield


class _Added:
    """Two hooks on one attention: the query is noted, and what it finds in the pictures is added to the result."""

    def __init__(self, layer: int, heads: int, acting: Sequence[tuple[ImagePromptUnit, float]], is_cond: Tensor, size: Sequence[int]) -> None:
        self._layer, self._heads, self._acting, self._is_cond, self._size = layer, heads, acting, is_cond, size
        self._query: Tensor | None = None

    def note(self, module: nn.Module, given: Any, query: Tensor) -> None:
        self._query = query

    def add(self, module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        query, self._query = self._query, None
        if query is None:
            return given
        found = given[0]
        for unit, weight in self._acting:
            seen = unit.read(self._layer, query, self._heads, self._is_cond.to(query.device))
            found = found + unit.over_region(seen * weight, self._size).to(found.dtype)
        return (found, *given[1:])


def cross_attentions(unet: Any) -> list[tuple[int, Any]]:
    """(number of its transformer from encoder over middle to decoder, cross-attention), in the order of IP-Adapter files: encoder, decoder, middle."""
    parts = (unet.down_blocks, unet.mid_block, unet.up_blocks)
    groups = [[each for each in part.modules() if type(each).__name__ == _TRANSFORMER] if part is not None else [] for part in parts]
    numbers = {id(each): number for number, each in enumerate(each for group in groups for each in group)}
    down, middle, up = groups
    return [
        (numbers[id(transformer)], attention)
        for transformer in (*down, *up, *middle)
        for name, attention in transformer.named_modules() if name.endswith(_CROSS)
    ]


@dataclass(frozen=True, kw_only=True, eq=False)
class StyleUnit(ControlUnit):
    """A style adapter: tokens (1, T, width) stand at the end of the prompt; of nothing in the rows without one."""

    tokens: Tensor
    weight: float = 1.0

    def told(self, call: Evaluation) -> Evaluation:
        rows = call.is_cond.view(-1, 1, 1).to(call.context)
        added = self.tokens.to(call.context) * self.weight * rows
        return replace(call, context=torch.cat([call.context, added], dim=1))


@dataclass(frozen=True, kw_only=True, eq=False)
class RevisionUnit(ControlUnit):
    """SDXL's pooled prompt is replaced by what CLIP-G made of a picture, (1, 1280). silent: the prompt's words count for nothing.

    Several add up: the first one replaces, the others are added. noise: 0 .. 1, how much of it is mixed into what was seen.
    """

    embeds: Tensor
    weight: float = 1.0
    silent: bool = False
    first: bool = True
    noise: float = 0.0

    def prepared(self, begin: Beginning) -> RevisionUnit:
        betas = torch.linspace(_FIRST_BETA**0.5, _LAST_BETA**0.5, _LEVELS, dtype=torch.float64) ** 2
        kept = float(torch.cumprod(1.0 - betas, dim=0)[min(max(int(self.noise * _LEVELS), 0), _LEVELS - 1)])
        drawn = begin.stream.randn(tuple(self.embeds.shape)).to(self.embeds)
        return replace(self, embeds=self.embeds * kept**0.5 + drawn * (1.0 - kept) ** 0.5)

    def told(self, call: Evaluation) -> Evaluation:
        if call.vector is None:
            return call
        vector, width = call.vector.clone(), self.embeds.shape[1]
        shown = self.embeds.to(vector) * self.weight * call.is_cond.view(-1, 1).to(vector)
        vector[:, :width] = shown if self.first else vector[:, :width] + shown
        return replace(call, vector=vector, context=torch.zeros_like(call.context) if self.silent else call.context)
