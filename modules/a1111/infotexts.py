"""create_infotext: the "parameters" text of a picture, from ``p`` as it is at this moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modules.engine.hooks import GeneratedImage


def create_infotext(
    p: Any, all_prompts: Sequence[str] | None, all_seeds: Sequence[int] | None, all_subseeds: Sequence[int] | None, comments: Any = None, iteration: int = 0,
    position_in_batch: int = 0, use_main_prompt: bool = False, index: int | None = None, all_negative_prompts: Sequence[str] | None = None,
    all_hr_prompts: Sequence[str] | None = None, all_hr_negative_prompts: Sequence[str] | None = None,
) -> str:  # fmt: skip
    """index: the picture among ``all_prompts``; None: ``position_in_batch`` of batch ``iteration``, or the first for ``use_main_prompt``.

    Before the first run of ``p`` there is nothing to write: an empty text. The hires prompts are always ``p``'s: A1111's functions hand them over.
    """
    if p.writer is None:
        return ""
    place = 0 if use_main_prompt else position_in_batch + iteration * p.batch_size if index is None else index
    prompts, negatives = all_prompts or p.all_prompts, all_negative_prompts or p.all_negative_prompts
    of_batch = p.iteration * p.batch_size if prompts is p.prompts and index is not None else 0      # the lists are those of the batch at work
    return p.changes.text(
        p.writer, GeneratedImage(
            picture=None,  # type: ignore[arg-type]  # a text only
            index=place + of_batch, seed=_at(all_seeds or p.all_seeds, place, -1), variation_seed=_at(all_subseeds or p.all_subseeds, place, -1),
            prompt=p.main_prompt if use_main_prompt else _at(prompts, place, ""),
            negative_prompt=p.main_negative_prompt if use_main_prompt else _at(negatives, place, ""), facts=p.last_facts,
        )
    )


def evaluated(params: Mapping[str, Any], p: Any, image: GeneratedImage) -> dict[str, Any]:
    """Extra parameters for one picture: a list has one value for each, a function is asked with A1111's names."""
    asked = {
        "prompt_text": image.prompt, "negative_prompt": image.negative_prompt,
        "all_hr_prompts": getattr(p, "all_hr_prompts", None), "all_hr_negative_prompts": getattr(p, "all_hr_negative_prompts", None),
        "enable_hr": getattr(p, "enable_hr", False),
        "p": p, "all_prompts": p.all_prompts, "all_negative_prompts": p.all_negative_prompts, "all_seeds": p.all_seeds,
        "all_subseeds": p.all_subseeds, "comments": None, "iteration": p.iteration, "position_in_batch": p.batch_index,
        "use_main_prompt": False, "index": image.index, "generation_params": params,
    }  # fmt: skip
    found: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, list):
            found[key] = _at(value, image.index, None)
        elif callable(value):
            try:
                found[key] = value(**asked)
            except Exception as error:  # an extension's own function: its field is left out, the picture is not
                p.comment(f"The infotext field {key!r} could not be written: {error}")
        else:
            found[key] = value
    return found


def with_hires_prompts(params: Mapping[str, Any]) -> dict[str, Any]:
    """``params`` with the prompts of the hires pass as A1111 has them there: functions, asked for each picture's text. Nothing is said of those that are the first pass's."""
    own = {"Hires prompt": _hires_prompt, "Hires negative prompt": _hires_negative_prompt, "Hires schedule type": params.get("Hires schedule type")}
    before = {key: value for key, value in params.items() if key not in own}
    place = next((n for n, key in enumerate(before) if key in ("Hires upscale", "Hires resize")), len(before))
    rows = list(before.items())
    return dict([*rows[:place], *own.items(), *rows[place:]])


def _hires_prompt(p: Any, index: int, prompt_text: str, **_: Any) -> str | None:
    found = _at(p.all_hr_prompts, index, None)
    return None if found == prompt_text else found


def _hires_negative_prompt(p: Any, index: int, negative_prompt: str, **_: Any) -> str | None:
    found = _at(p.all_hr_negative_prompts, index, None)
    return None if found == negative_prompt else found


def _at(values: Any, place: int, otherwise: Any) -> Any:
    if not isinstance(values, list | tuple):
        return otherwise if values is None else values
    return values[place] if place < len(values) else values[-1] if values else otherwise
