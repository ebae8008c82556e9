"""What stands on ``p`` for one picture of its run: lists of A1111's that scripts may have cut short or made longer."""

from __future__ import annotations

from typing import Any

from modules.engine.hooks import ImagePlan


def image_plan(p: Any, index: int) -> ImagePlan:
    """Picture number ``index`` of the run, by ``p.all_prompts`` and its like."""
    prompt, negative = str(at(p.all_prompts, index, "")), str(at(p.all_negative_prompts, index, ""))
    return ImagePlan(
        index=index, seed=int(at(p.all_seeds, index, 0)), variation_seed=int(at(p.all_subseeds, index, 0)), prompt=prompt, negative_prompt=negative,
        hires_prompt=str(at(getattr(p, "all_hr_prompts", None), index, "") or prompt),
        hires_negative_prompt=str(at(getattr(p, "all_hr_negative_prompts", None), index, "") or negative),
    )  # fmt: skip


def at(values: Any, index: int, otherwise: Any) -> Any:
    """The value for picture ``index``: the last one where there are too few."""
    if not isinstance(values, list | tuple):
        return otherwise if values is None else values
    return values[index] if index < len(values) else values[-1] if values else otherwise


def stretched(values: Any, length: int) -> list[Any]:
    """``values`` cut to ``length``, or its last one repeated."""
    listed = list(values or [""])
    return [listed[min(n, len(listed) - 1)] for n in range(length)]
