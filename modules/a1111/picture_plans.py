"""What stands on ``p`` for one picture of its run: lists of A1111's that scripts may have cut short or made longer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from modules.a1111.prompt_networks import tag_texts
from modules.engine.hooks import BatchPlan, ImagePlan


def image_plan(p: Any, index: int) -> ImagePlan:
    """Picture number ``index`` of the run, by ``p.all_prompts`` and its like."""
    prompt, negative = str(at(p.all_prompts, index, "")), str(at(p.all_negative_prompts, index, ""))
    return ImagePlan(
        index=index, seed=int(at(p.all_seeds, index, 0)), variation_seed=int(at(p.all_subseeds, index, 0)), prompt=prompt, negative_prompt=negative,
        hires_prompt=str(at(getattr(p, "all_hr_prompts", None), index, "") or prompt),
        hires_negative_prompt=str(at(getattr(p, "all_hr_negative_prompts", None), index, "") or negative),
    )  # fmt: skip


def with_changes(p: Any, plan: BatchPlan, bare: Sequence[str], hires_bare: Sequence[str]) -> BatchPlan:
    """``plan`` with what process_batch made of prompts and seeds. bare: the prompts without tags that were there before.

    The plan keeps the tags, for they say what is in the weights; and the noise of the first pass is drawn already.
    """
    count = len(plan.images)
    texts, negatives, seeds, subseeds = (stretched(each, count) for each in (p.prompts, p.negative_prompts, p.seeds, p.subseeds))
    hires, hires_negatives = (stretched(getattr(p, name, None), count) for name in ("hr_prompts", "hr_negative_prompts"))
    changed = [
        replace(
            image, prompt=_told(texts[n], bare[n], image.prompt), negative_prompt=str(negatives[n]), seed=int(seeds[n]), variation_seed=int(subseeds[n]),
            hires_prompt=_told(hires[n], hires_bare[n], image.hires_prompt) if hires_bare else image.hires_prompt,
            hires_negative_prompt=str(hires_negatives[n]) if hires_bare else image.hires_negative_prompt, first_noise=image.first_seeds,
        )
        for n, image in enumerate(plan.images)
    ]  # fmt: skip
    return replace(plan, images=tuple(changed))


def _told(text: Any, bare: str, own: str) -> str:
    return own if text == bare else f"{text}{tag_texts(own)}"


def at(values: Any, index: int, otherwise: Any) -> Any:
    """The value for picture ``index``: the last one where there are too few."""
    if not isinstance(values, list | tuple):
        return otherwise if values is None else values
    return values[index] if index < len(values) else values[-1] if values else otherwise


def stretched(values: Any, length: int) -> list[Any]:
    """``values`` cut to ``length``, or its last one repeated."""
    listed = list(values or [""])
    return [listed[min(n, len(listed) - 1)] for n in range(length)]
