"""Settings changed on the page: stored one by one, each refusal in words, what was stored told back to the scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from modules.application.app import App
from modules.schema.errors import WebuiError
from modules.schema.setting import Setting


def is_frozen(app: App, setting: Setting) -> bool:
    """Whether the command line forbids changing it (--freeze-settings and its relatives, --hide-ui-dir-config)."""
    flags = app.flags
    keys = {each.strip() for each in (flags.freeze_specific_settings or "").split(",")}
    sections = {each.strip() for each in (flags.freeze_settings_in_sections or "").split(",")}
    folder = setting.section in ("saving-paths",) and flags.hide_ui_dir_config
    return flags.freeze_settings or folder or setting.key in keys or setting.section in sections


def store_settings(app: App, values: Mapping[str, Any]) -> str:
    """Store ``values`` by key and save. Returns {"changed": {key: value}, "errors": [sentences]} as JSON.

    A value that is refused leaves its setting as it was; the others are stored all the same.
    """
    changed: dict[str, Any] = {}
    errors: list[str] = []
    for key, value in values.items():
        try:
            setting = app.settings.table.find(key)
            if is_frozen(app, setting):
                errors.append(f"Setting {key} ({setting.label}) cannot be changed: the command line freezes it.")
                continue
            before = app.settings.get(key)
            app.settings.set(key, value)
            if app.settings.get(key) != before:
                changed[key] = app.settings.get(key)
        except WebuiError as error:
            errors.append(str(error))
    if changed:
        try:
            app.settings.save()
        except (WebuiError, OSError) as error:
            errors.append(f"The settings hold until the program ends, but could not be written: {error}")
    return json.dumps({"changed": changed, "errors": errors})
