"""Settings changed on the page: stored one by one, each refusal in words, what was stored told back to the scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from modules.application.app import App
from modules.application.settings_rules import check_change
from modules.files.storage import StorageError
from modules.schema.errors import WebuiError


def store_settings(app: App, values: Mapping[str, Any]) -> str:
    """Store ``values`` by key and save. Returns {"changed": {key: value}, "errors": [sentences]} as JSON.

    A value that is refused leaves its setting as it was; the others are stored all the same.
    """
    changed: dict[str, Any] = {}
    errors: list[str] = []
    for key, value in values.items():
        try:
            check_change(app.flags, app.paths, app.settings.table.find(key), value)
            before = app.settings.get(key)
            app.settings.set(key, value)
            if app.settings.get(key) != before:
                changed[key] = app.settings.get(key)
        except WebuiError as error:
            errors.append(str(error))
    if changed:
        try:
            app.settings.save()
        except (WebuiError, StorageError, OSError) as error:
            errors.append(f"The settings hold until the program ends, but could not be written: {error}")
    return json.dumps({"changed": changed, "errors": errors})
