"""Styles whose texts stand in the prompts of a read "parameters" text: they are chosen again, and their texts taken out."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from modules.application.paths import Paths, styles_files
from modules.application.settings_store import SettingsStore
from modules.engine.styles import find_styles, read_styles
from modules.schema.infotext_compat import a1111_version

STYLES = "Styles array"                         # A1111's key for the names; a list
_HIRES = (("Hires prompt", "Prompt"), ("Hires negative prompt", "Negative prompt"))
_STYLES_IN_HIRES = (1, 8, 0, 139)               # up to this version the hires prompts of texts were without styles


def with_styles_found(values: Mapping[str, Any], settings: SettingsStore, paths: Paths) -> dict[str, Any]:
    """``values`` by infotext key, by the setting infotext_styles: prompts without the texts of known styles, and the names under ``STYLES``.

    Where the two passes had different styles the texts stay as they are.
    """
    rule, found = settings.get("infotext_styles"), dict(values)
    if rule == "Ignore" or "Prompt" not in values:
        return found
    styles = list(read_styles(styles_files(paths)).values())
    names, prompt, negative = find_styles(values["Prompt"], values.get("Negative prompt") or "", styles)
    version = a1111_version(str(values.get("Version", "")))
    if any(values.get(key) for key, _usual in _HIRES) and (version is None or version > _STYLES_IN_HIRES):
        before = [values.get(key) or values.get(usual) or "" for key, usual in _HIRES]
        hires_names, *hires = find_styles(before[0], before[1], styles)
        if hires_names != names:
            return found
        found |= {key: "" if text == first else text for (key, _usual), text, first in zip(_HIRES, hires, (prompt, negative)) if values.get(key)}
    found |= {"Prompt": prompt, "Negative prompt": negative}
    return found | {STYLES: names} if rule == "Apply" or (rule == "Apply if any" and names) else found


def pasted_values(settings: SettingsStore, paths: Paths, values: Mapping[str, Any], skipped: Iterable[str] | None = None) -> dict[str, Any]:
    """What programs are told of a text: ``with_styles_found``, without the keys that the setting infotext_skip_pasting names, or ``skipped``."""
    left_out = set(settings.get("infotext_skip_pasting") or () if skipped is None else skipped)
    return {key: value for key, value in with_styles_found(values, settings, paths).items() if key not in left_out}
