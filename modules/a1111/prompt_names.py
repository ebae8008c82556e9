"""A1111's ``prompt_parser``: its records, and prompts read by our rules."""
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from modules.a1111.patch_points import looked_up
from modules.engine.prompt_attention import parse_attention
from modules.engine.prompt_schedule import pass_timeline, schedule_prompt, split_and

_HOME = "modules.prompt_parser"
re_AND = re.compile(r"\bAND\b")
re_weight = re.compile(r"^((?:\s|.)*?)(?:\s*:\s*([-+]?(?:\d+\.?|\d*\.\d+)))?\s*$")
re_break = re.compile(r"\s*\bBREAK\b\s*", re.DOTALL)
re_attention = re.compile(r"\\[()\[\]\\]|[()\[\]]|:\s*[+-]?[.\d]+\s*\)|[^\\()\[\]:]+|:|\\")


class ScheduledPromptConditioning(NamedTuple):
    """A conditioning and the last step it is for."""

    end_at_step: int
    cond: Any


class SdConditioning(list[str]):
    """Prompts with the picture's size, which SDXL's conditioning wants."""

    def __init__(
        self, prompts: Any, is_negative_prompt: bool = False, width: int | None = None, height: int | None = None, copy_from: Any = None,
        distilled_cfg_scale: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(prompts)
        source = copy_from if copy_from is not None else prompts
        self.is_negative_prompt = is_negative_prompt or getattr(source, "is_negative_prompt", False)
        self.width = width or getattr(source, "width", None)
        self.height = height or getattr(source, "height", None)


class ComposableScheduledPromptConditioning:
    """One AND part: its schedule of conditionings and its weight."""

    def __init__(self, schedules: list[ScheduledPromptConditioning], weight: float = 1.0) -> None:
        self.schedules = schedules
        self.weight = weight


class MulticondLearnedConditioning:
    """All AND parts of all prompts. shape: (number of prompts,)."""

    def __init__(self, shape: tuple[int, ...], batch: list[list[ComposableScheduledPromptConditioning]]) -> None:
        self.shape = shape
        self.batch = batch


class DictWithShape(dict[str, Any]):
    """SDXL's conditioning: "crossattn" and "vector"; its shape is that of "crossattn"."""

    def __init__(self, x: Any, shape: Any = None) -> None:
        super().__init__()
        self.update(x)

    @property
    def shape(self) -> Any:
        return self["crossattn"].shape

    def to(self, *arguments: Any, **keywords: Any) -> DictWithShape:
        return DictWithShape({key: value.to(*arguments, **keywords) if isinstance(value, Tensor) else value for key, value in self.items()})

    def advanced_indexing(self, item: Any) -> DictWithShape:
        return DictWithShape({key: value[item] for key, value in self.items()})


def parse_prompt_attention(text: str) -> list[list[Any]]:
    """[[text, weight], ...]"""
    return [[each.text, each.weight] for each in parse_attention(text)]


def get_learned_conditioning_prompt_schedules(
    prompts: Sequence[str], base_steps: int, hires_steps: int | None = None, use_old_scheduling: bool = False
) -> list[list[list[Any]]]:
    """For each prompt [[last step, text], ...]."""
    timeline = pass_timeline(base_steps, hires_steps, old=use_old_scheduling)
    return [[[each.until, each.text] for each in map(_entry, schedule_prompt(prompt, timeline))] for prompt in prompts]


class _Entry(NamedTuple):
    until: int
    text: str


def _entry(scheduled: Any) -> _Entry:
    return _Entry(*tuple(scheduled)[:2])


def get_multicond_prompt_list(prompts: Any) -> tuple[list[list[tuple[int, float]]], Any, dict[str, int]]:
    """(for each prompt its AND parts as (place in the list, weight), the list of different texts, place by text)."""
    flat = SdConditioning(prompts)
    flat.clear()
    places: dict[str, int] = {}
    found = []
    for prompt in prompts:
        parts = []
        for part in split_and(prompt):
            if part.text not in places:
                places[part.text] = len(flat)
                flat.append(part.text)
            parts.append((places[part.text], part.weight))
        found.append(parts)
    return found, flat, places


def get_learned_conditioning(
    model: Any, prompts: Any, steps: int, hires_steps: int | None = None, use_old_scheduling: bool = False
) -> list[list[ScheduledPromptConditioning]]:
    """Each prompt encoded for all its steps, by ``model.get_learned_conditioning``."""
    found, known = [], {}
    scheduled = looked_up(_HOME, "get_learned_conditioning_prompt_schedules", get_learned_conditioning_prompt_schedules)
    for prompt, schedule in zip(prompts, scheduled(prompts, steps, hires_steps, use_old_scheduling)):
        if prompt not in known:
            texts = SdConditioning([text for _, text in schedule], copy_from=prompts)
            conds = model.get_learned_conditioning(texts)
            known[prompt] = [
                ScheduledPromptConditioning(end, {k: v[i] for k, v in conds.items()} if isinstance(conds, dict) else conds[i])
                for i, (end, _) in enumerate(schedule)
            ]
        found.append(known[prompt])
    return found


def get_multicond_learned_conditioning(
    model: Any, prompts: Any, steps: int, hires_steps: int | None = None, use_old_scheduling: bool = False
) -> MulticondLearnedConditioning:
    parts, flat, _ = looked_up(_HOME, "get_multicond_prompt_list", get_multicond_prompt_list)(prompts)
    learned = looked_up(_HOME, "get_learned_conditioning", get_learned_conditioning)(model, flat, steps, hires_steps, use_old_scheduling)
    batch = [[ComposableScheduledPromptConditioning(learned[place], weight) for place, weight in each] for each in parts]
    return MulticondLearnedConditioning(shape=(len(prompts),), batch=batch)


def _at(schedules: Sequence[ScheduledPromptConditioning], step: int) -> Any:
    return next((each.cond for each in schedules if step <= each.end_at_step), schedules[-1].cond)


def reconstruct_cond_batch(c: Sequence[Sequence[ScheduledPromptConditioning]], current_step: int) -> Any:
    """The conditionings of one step as a batch."""
    conds = [_at(schedules, current_step) for schedules in c]
    if isinstance(conds[0], dict):
        return DictWithShape({key: torch.stack([each[key] for each in conds]) for key in conds[0]})
    return torch.stack(conds)


def stack_conds(tensors: list[Tensor]) -> Tensor:
    """Conditionings of different lengths as a batch: shorter ones repeat their last token."""
    longest = max(each.shape[0] for each in tensors)
    return torch.stack([each if each.shape[0] == longest else torch.vstack([each, each[-1:].repeat(longest - each.shape[0], 1)]) for each in tensors])


def reconstruct_multicond_batch(c: MulticondLearnedConditioning, current_step: int) -> tuple[list[list[tuple[int, float]]], Any]:
    """(for each prompt its parts as (row, weight), all rows)."""
    rows: list[Any] = []
    places = []
    for parts in c.batch:
        listed = []
        for part in parts:
            listed.append((len(rows), part.weight))
            rows.append(_at(part.schedules, current_step))
        places.append(listed)
    if isinstance(rows[0], dict):
        return places, DictWithShape({key: stack_conds([each[key] for each in rows]) for key in rows[0]})
    return places, stack_conds(rows)


_OWN = {each.__name__: each for each in (get_multicond_prompt_list, get_learned_conditioning, get_multicond_learned_conditioning, get_learned_conditioning_prompt_schedules)}


def reader_replaced() -> bool:
    """Whether an extension put something of its own in the place of one of the functions that read prompts."""
    return any(looked_up(_HOME, name, own) is not own for name, own in _OWN.items())


def read_by_replacement(model: Any, prompts: SdConditioning, negatives: SdConditioning, steps: int, hires_steps: int | None, old: bool) -> tuple[Any, Any]:
    """(c, uc) as the functions that stand in ``prompt_parser`` now give them."""
    positive = looked_up(_HOME, "get_multicond_learned_conditioning", get_multicond_learned_conditioning)
    negative = looked_up(_HOME, "get_learned_conditioning", get_learned_conditioning)
    return positive(model, prompts, steps, hires_steps, old), negative(model, negatives, steps, hires_steps, old)
