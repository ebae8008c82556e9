"""A request that names only its infotext: the values it leaves out are taken from there, as A1111's API does."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modules.schema.errors import WebuiError
from modules.schema.infotext_read import parse_infotext
from modules.schema.settings.table import SettingsTable
from modules.schema.table import ParameterTable

_NOT_FROM_TEXT = frozenset({"sd_model_checkpoint"})     # disable_weights_auto_swap: a pasted text does not exchange the model


def fill_from_infotext(settings: SettingsTable, parameters: ParameterTable, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values, by API name, that ``given["infotext"]`` adds to ``given``; settings in it become overrides.

    What was given wins; a value that cannot be read as its parameter's kind is passed over.
    """
    texts = parse_infotext(str(given["infotext"]))
    found: dict[str, Any] = {}
    overrides: dict[str, Any] = {}
    for key, text in texts.items():
        entry, setting = parameters.by_infotext(key), settings.by_infotext.get(key)
        if entry is not None and entry.api_name not in given:
            found[entry.api_name] = text
        elif entry is None and setting is not None and setting.key not in _NOT_FROM_TEXT:
            try:
                overrides[setting.key] = setting.checked(text)
            except WebuiError:
                continue
    if any(key.startswith("Hires") for key in texts) and "enable_hr" not in given:
        found["enable_hr"] = True
    own = given.get("override_settings") or {}
    return {**found, "override_settings": {**overrides, **own}} if overrides or own else found
