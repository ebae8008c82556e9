"""What the denoiser is conditioned on at each step: text encoder output of all images, AND parts and schedule entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

RowWeights = tuple[tuple[tuple[int, float], ...], ...]


@dataclass(frozen=True, kw_only=True)
class ScheduledConditioning:
    """``tensor`` (T, C) is used up to and including step ``until``. vector: (V,), SDXL's pooled text and sizes; None for others."""

    until: int
    tensor: Tensor
    vector: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class ConditioningPart:
    """One AND part of one image's prompt, or its whole negative prompt. weight: its factor in guidance, may be negative."""

    entries: tuple[ScheduledConditioning, ...]
    weight: float = 1.0

    def index_at(self, step: int) -> int:
        """The entry in use; past the last step it is the first one again, as in A1111 (DPM adaptive gets there)."""
        return next((index for index, entry in enumerate(self.entries) if step <= entry.until), 0)


@dataclass(frozen=True, kw_only=True)
class StepConditioning:
    """One step's rows.

    cond: (n, T, C), the AND parts of all images in order.
    cond_weights: per image the (row of ``cond``, weight) of its parts.
    uncond: (B, T', C), one row per image; T' may differ from T.
    vector_cond, vector_uncond: pooled and size conditioning of SDXL; None for SD1 and SD2.
    """

    cond: Tensor
    cond_weights: RowWeights
    uncond: Tensor
    vector_cond: Tensor | None = None
    vector_uncond: Tensor | None = None


class PromptConditioning:
    """The conditioning of one batch through one pass.

    facts: infotext key -> value, in A1111's order ("Old prompt editing timelines", "Emphasis", "TI hashes").
    comments: sentences for the user.
    empty_prompt: (1, 77, C), what ``pad_cond_uncond`` fills up with; None where that is off.
    """

    def __init__(
        self,
        positive: Sequence[Sequence[ConditioningPart]],
        negative: Sequence[ConditioningPart],
        *,
        facts: Mapping[str, object] | None = None,
        comments: Sequence[str] = (),
        empty_prompt: Tensor | None = None,
    ) -> None:
        self.positive = tuple(tuple(parts) for parts in positive)
        self.negative = tuple(negative)
        self.facts: Mapping[str, object] = dict(facts or {})
        self.comments = tuple(comments)
        self.empty_prompt = empty_prompt
        self.cond_weights = _row_weights(self.positive)
        self._cond = _Latest([part for parts in self.positive for part in parts])
        self._uncond = _Latest(self.negative)

    def at(self, step: int) -> StepConditioning:
        """The conditioning of the denoiser's call number ``step``, from 0. Equal steps give the same tensor objects."""
        cond, uncond = self._cond.at(step), self._uncond.at(step)
        return StepConditioning(
            cond=cond.rows, cond_weights=self.cond_weights, uncond=uncond.rows, vector_cond=cond.vectors, vector_uncond=uncond.vectors
        )


@dataclass
class _Latest:
    """The rows of the step asked for last, stacked: they seldom change from one step to the next."""

    parts: Sequence[ConditioningPart]
    indices: tuple[int, ...] = ()
    rows: Tensor = field(default_factory=lambda: torch.empty(0))
    vectors: Tensor | None = None

    def at(self, step: int) -> _Latest:
        indices = tuple(part.index_at(step) for part in self.parts)
        if indices != self.indices:
            self.indices = indices
            entries = [part.entries[index] for part, index in zip(self.parts, indices)]
            self.rows = _stacked([entry.tensor for entry in entries])
            vectors = [entry.vector for entry in entries if entry.vector is not None]
            self.vectors = torch.stack(vectors) if vectors else None
        return self


def _stacked(tensors: list[Tensor]) -> Tensor:
    """(T, C) tensors as (n, T, C); shorter ones repeat their last token, as A1111 does."""
    length = max(len(tensor) for tensor in tensors)
    return torch.stack([torch.cat([tensor, tensor[-1:].expand(length - len(tensor), -1)]) if len(tensor) < length else tensor for tensor in tensors])


def _row_weights(positive: Sequence[Sequence[ConditioningPart]]) -> RowWeights:
    row = 0
    weights = []
    for parts in positive:
        weights.append(tuple((row + number, part.weight) for number, part in enumerate(parts)))
        row += len(parts)
    return tuple(weights)
