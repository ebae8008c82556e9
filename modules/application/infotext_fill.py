"""A request that names only its infotext: the values it leaves out are taken from there, as A1111's API does."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modules.application.infotext_styles import STYLES, pasted_values
from modules.application.paths import Paths
from modules.application.settings_store import SettingsStore
from modules.engine.sampler_registry import AUTOMATIC, samplers, split_sampler_and_schedule
from modules.schema.infotext_read import read_infotext
from modules.schema.infotext_values import request_values, setting_values
from modules.schema.params_hires import SAME_SCHEDULER
from modules.schema.table import ParameterTable

CHECKPOINT = "sd_model_checkpoint"


def fill_from_infotext(settings: SettingsStore, paths: Paths, parameters: ParameterTable, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values, by API name, that ``given["infotext"]`` adds to ``given``; settings in it that differ from the stored ones become overrides.

    Read as the page's paste reads it: older spellings, what is left unsaid, and what the version that wrote it did otherwise. What was
    given wins; a value that cannot be read as its parameter's kind is passed over. A text without a sampler means the first one, as in A1111.
    """
    if not given["infotext"]:
        return {}
    texts = pasted_values(settings, paths, read_infotext(str(given["infotext"]), old_behaviour=settings.get("auto_backcompat")))
    styles = texts.pop(STYLES, None)
    usual = {} if "sampler_index" in given else {"sampler_name": samplers()[0].name}
    found = usual | request_values(parameters, with_samplers_split(texts)) | ({} if styles is None else {"styles": styles})
    overrides = {key: value for key, value in setting_values(texts, settings.table).items() if value != settings.get(key)}
    if settings.get("disable_weights_auto_swap"):       # a pasted text does not exchange the model
        overrides.pop(CHECKPOINT, None)
    own = given.get("override_settings") or {}
    found = {name: value for name, value in found.items() if name not in given}
    return {**found, "override_settings": {**overrides, **own}} if overrides or own else found


def with_samplers_split(texts: Mapping[str, str]) -> dict[str, str]:
    """Old infotexts name the schedule in the sampler: "DPM++ 2M Karras"; both passes'."""
    found = dict(texts)
    for key, schedule, usual in (("Sampler", "Schedule type", AUTOMATIC), ("Hires sampler", "Hires schedule type", SAME_SCHEDULER)):
        if key in found:
            chosen = found.get(schedule, usual)
            found[key], named = split_sampler_and_schedule(found[key], AUTOMATIC if chosen == usual else chosen)
            found[schedule] = chosen if named == AUTOMATIC else named
    return found
