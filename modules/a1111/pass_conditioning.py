"""``p.c`` and ``p.uc``: the encoded prompts in A1111's form, and what scripts made of them in ours again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from modules.a1111.prompt_names import (
    ComposableScheduledPromptConditioning,
    DictWithShape,
    MulticondLearnedConditioning,
    ScheduledPromptConditioning,
)
from modules.engine.conditioning import ConditioningPart, PromptConditioning, ScheduledConditioning

Uncond = list[list[ScheduledPromptConditioning]]


def in_a1111s_form(conditioning: PromptConditioning) -> tuple[MulticondLearnedConditioning, Uncond]:
    """(c, uc). Tensors of their own: what is encoded is kept for other jobs, and scripts change theirs in place."""
    batch = [[ComposableScheduledPromptConditioning(_schedules(part), part.weight) for part in parts] for parts in conditioning.positive]
    return MulticondLearnedConditioning(shape=(len(batch),), batch=batch), [_schedules(part) for part in conditioning.negative]


def taken_back(conditioning: PromptConditioning, c: Any, uc: Any) -> PromptConditioning:
    """``conditioning`` itself where c and uc say the same, else what they say. Raises whatever is wrong with them."""
    found = conditioning_of(c, uc)
    positive, negative = found.positive, found.negative
    if len(positive) != len(conditioning.positive) or len(negative) != len(conditioning.negative) or not all(positive):
        raise ValueError(f"there are {len(positive)} prompts and {len(negative)} negative ones for {len(conditioning.positive)} pictures")
    if all(_alike(one, other) for one, other in zip(positive, conditioning.positive)) and _alike(negative, conditioning.negative):
        return conditioning
    return PromptConditioning(positive, negative, facts=conditioning.facts, comments=conditioning.comments, empty_prompt=conditioning.empty_prompt)


def conditioning_of(c: Any, uc: Any) -> PromptConditioning:
    """What c and uc say, by themselves. Raises whatever is wrong with them."""
    return PromptConditioning([[_part(part.schedules, part.weight) for part in parts] for parts in c.batch], [_part(schedules, 1.0) for schedules in uc])


def _schedules(part: ConditioningPart) -> list[ScheduledPromptConditioning]:
    return [ScheduledPromptConditioning(entry.until, _cond(entry)) for entry in part.entries]


def _cond(entry: ScheduledConditioning) -> Any:
    cross = entry.tensor.clone()
    return cross if entry.vector is None else DictWithShape({"crossattn": cross, "vector": entry.vector.clone()})


def _part(schedules: Any, weight: float) -> ConditioningPart:
    entries = []
    for each in schedules:
        cross, vector = (each.cond["crossattn"], each.cond["vector"]) if isinstance(each.cond, dict) else (each.cond, None)
        if not isinstance(cross, Tensor) or cross.ndim != 2:
            raise TypeError(f"a conditioning is a tensor of two dimensions, not {type(cross).__name__} {tuple(getattr(cross, 'shape', ()))}")
        entries.append(ScheduledConditioning(until=int(each.end_at_step), tensor=cross, vector=vector))
    if not entries:
        raise ValueError("a prompt has no conditioning at all")
    return ConditioningPart(entries=tuple(entries), weight=float(weight))


def _alike(found: Any, own: Any) -> bool:
    """Whether all parts say the same, to the last bit."""
    if len(found) != len(own):
        return False
    return all(
        one.weight == other.weight and len(one.entries) == len(other.entries)
        and all(a.until == b.until and torch.equal(a.tensor, b.tensor) and _equal(a.vector, b.vector) for a, b in zip(one.entries, other.entries))
        for one, other in zip(found, own)
    )  # fmt: skip


def _equal(one: Tensor | None, other: Tensor | None) -> bool:
    return other is None if one is None else other is not None and torch.equal(one, other)
