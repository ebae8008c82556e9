"""Facts and prompts -> the "parameters" text, in A1111's format, as it stands in image files."""

from __future__ import annotations

import json
from collections.abc import Mapping

from modules.schema.params_hires import SAME_CHECKPOINT, SAME_SAMPLER, SAME_SCHEDULER, Hires
from modules.schema.params_img2img import INPAINT_AREAS, MASK_MODES, MASKED_CONTENT, Inpaint
from modules.schema.result import RunFacts

NEGATIVE_PREFIX = "Negative prompt: "


def write_infotext(prompt: str, negative_prompt: str, fields: Mapping[str, object]) -> str:
    """The prompt, a line for the negative prompt when there is one, and one line of ``Key: value, ...``.

    fields: by infotext key, in order; None is left out. ``infotext_read.parse_infotext`` reads it back.
    """
    line = ", ".join(f"{key}: {quoted(value)}" for key, value in fields.items() if value is not None)
    negative = f"\n{NEGATIVE_PREFIX}{negative_prompt}" if negative_prompt else ""
    return f"{prompt}{negative}\n{line}".strip()


def quoted(value: object) -> str:
    """``value`` as text, in JSON's quotes where a comma, a colon or a line break would break the line apart.

    What extensions give as an object (``Hashes``) stands there as JSON itself, as in A1111: Civitai reads it so.
    """
    text = str(value)
    if any(mark in text for mark in ",:\n\r") or text != text.strip() or text.startswith('"'):
        try:
            return json.dumps(value, ensure_ascii=False)
        except (TypeError, ValueError):
            return json.dumps(text, ensure_ascii=False)
    return text


def run_infotext(prompt: str, negative_prompt: str, facts: RunFacts) -> str:
    """``write_infotext`` for the facts of a run."""
    return write_infotext(prompt, negative_prompt, facts.fields())


def hires_fields(
    hires: Hires, *, prompt: str = "", negative_prompt: str = "", sampler: str = "", schedule: str = ""
) -> dict[str, object]:
    """What ``RunFacts.extra`` says of a hires pass, in A1111's order; nothing when it is off.

    The keywords are the first pass's: what is the same there is not said again. The schedule keeps its place with None: what it
    was is known only when the second pass has been drawn.
    """
    if not hires.enabled:
        return {}
    asked_size = bool(hires.resize_width or hires.resize_height)
    named: dict[str, object | None] = {
        "Hires checkpoint": _other(hires.checkpoint_name, SAME_CHECKPOINT),
        "Hires sampler": _other(hires.sampler_name, SAME_SAMPLER, sampler),
        "Hires prompt": _other(hires.prompt, prompt),
        "Hires negative prompt": _other(hires.negative_prompt, negative_prompt),
        "Hires schedule type": _other(hires.scheduler, SAME_SCHEDULER, schedule),
        "Hires resize": f"{hires.resize_width}x{hires.resize_height}" if asked_size else None,
        "Hires upscale": None if asked_size else hires.scale,
        "Hires steps": hires.second_pass_steps or None,
        "Hires upscaler": hires.upscaler,
    }
    return {key: value for key, value in named.items() if value is not None or key == "Hires schedule type"}


def _other(name: str | None, *same: str) -> str | None:
    return name if name and name not in same else None


def inpaint_fields(inpaint: Inpaint) -> dict[str, object]:
    """What ``RunFacts.extra`` says of a masked img2img run, in A1111's order; only what is not the usual."""
    blur_x, blur_y = inpaint.blur
    named: dict[str, object | None] = {
        "Mask mode": MASK_MODES[1] if inpaint.invert else None,
        "Mask blur": blur_x if blur_x == blur_y and blur_x > 0 else None,
        "Inpaint area": INPAINT_AREAS[1] if inpaint.only_masked else None,
        "Masked area padding": inpaint.padding if inpaint.only_masked else None,
        "Masked content": MASKED_CONTENT[inpaint.content] if inpaint.content != 1 else None,
    }
    return {key: value for key, value in named.items() if value is not None}
