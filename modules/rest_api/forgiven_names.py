"""Names in a request that are not here: a program sends those of another machine, or of another program. As A1111 does, the picture is drawn with what there is; the log and the answer's comments say so.

Only names that A1111 passes over: it refuses those of upscalers, scripts, settings and of second checkpoints too.
"""
from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from modules.application.app import App
from modules.application.generation import CHECKPOINT_KEY, chosen_checkpoint
from modules.engine.sampler_registry import AUTOMATIC, find_sampler, find_schedule, samplers
from modules.schema.errors import UnknownName
from modules.schema.params_hires import SAME_SCHEDULER

log = logging.getLogger(__name__)


def with_known_names(app: App, values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """``values`` of a request, by API name, with a sampler and schedules that there are, and without a checkpoint that there is not; and a sentence for each."""
    found, said = dict(values), []
    sampler = "sampler_name" if found.get("sampler_name") else "sampler_index"
    for key, find, usual in ((sampler, find_sampler, samplers()[0].name), ("scheduler", find_schedule, AUTOMATIC), ("hr_scheduler", find_schedule, SAME_SCHEDULER)):
        if found.get(key) != usual and (message := _unknown(find, found.get(key))):
            found[key] = usual
            said.append(f"{message} {usual} was used instead.")
    overrides = found.get("override_settings") or {}
    if message := _unknown(lambda name: chosen_checkpoint(app, name, strict=True), overrides.get(CHECKPOINT_KEY)):
        found["override_settings"] = {key: value for key, value in overrides.items() if key != CHECKPOINT_KEY}
        said.append(f"{message} The one in use was used instead.")
    for sentence in said:
        log.warning("%s", sentence)
    return found, tuple(said)


def _unknown(find: Callable[[str], object], name: Any) -> str:
    """What there is to say of a name that is not here. What is no text is left to the checks of its type."""
    if not isinstance(name, str) or not name.strip():
        return ""
    try:
        find(name)
    except UnknownName as error:
        return error.message
    return ""
