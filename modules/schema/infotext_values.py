"""A read "parameters" text as values of a request and of settings: for paste, "send to" and the API's ``infotext``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modules.schema.check import checked
from modules.schema.errors import InvalidValue
from modules.schema.setting import Setting
from modules.schema.settings.table import SETTINGS, SettingsTable
from modules.schema.table import ParameterTable

FACE_MODELS = ("CodeFormer", "GFPGAN")
HIRES_MARKS = ("Hires upscale", "Hires upscaler", "Hires resize-1")


def request_values(table: ParameterTable, named: Mapping[str, str]) -> dict[str, Any]:
    """By API name, what ``named`` (from ``read_infotext``) says of the parameters; unreadable values are passed over."""
    values: dict[str, Any] = {}
    for entry in table:
        text = named.get(entry.info.infotext or "")
        if text is None:
            continue
        try:
            values[entry.api_name] = checked(entry, text)
        except InvalidValue:
            continue
    if table.tab == "txt2img":
        values["enable_hr"] = "Denoising strength" in named and any(named.get(mark, "0") not in ("0", "") for mark in HIRES_MARKS)
    return values


def setting_values(named: Mapping[str, str], settings: SettingsTable = SETTINGS) -> dict[str, Any]:
    """By setting key, what ``named`` says of settings; unreadable values are passed over.

    The checkpoint comes as its hash, or as its name where the text has none.
    """
    values: dict[str, Any] = {}
    for key, setting in settings.by_infotext.items():
        text = named.get(key)
        if text is None:
            continue
        try:
            values |= told_of(setting, text)
        except InvalidValue:
            continue
    if "sd_model_checkpoint" not in values and named.get("Model"):
        values["sd_model_checkpoint"] = named["Model"]
    return values


def told_of(setting: Setting, text: str) -> dict[str, Any]:
    """By key, what ``text`` under ``setting``'s name says. Raises InvalidValue.

    "Face restoration" is a switch, yet pictures name the model there: it is on, with that model where it is one of A1111's own.
    """
    if setting.key != "face_restoration" or text.lower() in ("", "none", "true", "false"):
        return {setting.key: setting.checked(text)}
    return {setting.key: True} | ({"face_restoration_model": text} if text in FACE_MODELS else {})
