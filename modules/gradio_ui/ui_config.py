"""ui-config.json: what the user wants the page to start with, keyed as in A1111: "txt2img/CFG Scale/value".

Unlike A1111 the file holds only what was changed; every other key in it is left as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modules.engine.sampler_registry import AUTOMATIC, samplers, split_sampler_and_schedule
from modules.files.atomic import write_json
from modules.files.json_object import read_or_set_aside

log = logging.getLogger(__name__)
_BOUNDS = ("minimum", "maximum")
KEYWORDS = ("value", *_BOUNDS, "step")  # what a key may end in, besides "visible"


@dataclass(frozen=True)
class UiConfig:
    """The file's content. ``path``: where it is saved."""

    path: Path
    values: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> UiConfig:
        """A missing file is an empty one; a damaged one is set aside, and the log says where."""
        content, trouble = read_or_set_aside(path, instead="the page starts with its own defaults")
        if trouble:
            log.warning("%s", trouble)
        return cls(path, {**_schedules_of_their_own(content), **content})

    def user_value(self, tab: str, label: str) -> Any:
        """The stored starting value of a field, or None."""
        return self.values.get(f"{tab}/{label}/value")

    def overrides(self, tab: str, label: str, keywords: Mapping[str, Any]) -> dict[str, Any]:
        """Those of ``keywords`` (of a component) that the file replaces, with the file's values.

        A value of another type than the page's, or outside of its choices, is passed over: the file is edited by hand. So are bounds without a way between them;
        of a value outside of the bounds the nearest is taken.
        """
        found: dict[str, Any] = {}
        for name in KEYWORDS:
            stored = self.values.get(f"{tab}/{label}/{name}")
            if stored is not None and name in keywords and _fits(stored, keywords[name], keywords.get("choices")):
                found[name] = stored
        found |= _nearest(found, keywords)
        if "minimum" in keywords:       # the value is what is wrong, or else the bounds
            tried = ({name: value for name, value in found.items() if name not in left} for left in ((), ("value",), _BOUNDS, ("value", *_BOUNDS)))
            found = next((each for each in tried if _in_order(**_numbers({**keywords, **each}))), found)
        if found.get("step", 1) <= 0:
            del found["step"]
        if self.values.get(f"{tab}/{label}/visible") is False:
            found["visible"] = "hidden"
        return found

    def is_open(self, tab: str, label: str, own: bool) -> bool:
        """Whether a fold's checkbox is on at the start. A1111 keeps those of scripts under the script's file ("customscript/refiner.py/txt2img/Refiner/value")."""
        ends = f"{tab}/{label}/value"
        by_script = (value for key, value in self.values.items() if key.startswith("customscript/") and key.endswith(f"/{ends}"))
        found = self.values.get(ends, next(by_script, own))
        return found if isinstance(found, bool) else own

    def first_tab(self) -> str:
        """Which of the page's tabs is shown at the start, by its id ("img2img"); "" where nothing is said."""
        found = self.values.get("webui/Tabs@tabs/selected")
        return found if isinstance(found, str) else ""

    def first_inner_tabs(self) -> dict[str, str]:
        """Which of the tabs inside of tabs is shown at the start: A1111's id of it by the id of the row of tabs ("mode_img2img": "inpaint")."""
        keys = ((key.rpartition("/Tabs@")[2].removesuffix("/selected"), value) for key, value in self.values.items() if "/Tabs@" in key and key.endswith("/selected"))
        return {root: value for root, value in keys if root != "tabs" and isinstance(value, str)}

    def changed(self, values: Mapping[str, Any]) -> UiConfig:
        """A copy with some starting values replaced, by key."""
        return UiConfig(self.path, {**self.values, **values})

    def save(self) -> None:
        """Old or new, never half; the version before stays as ``.bak``. Raises StorageError."""
        write_json(self.path, dict(self.values), backup=True)


def _schedules_of_their_own(content: Mapping[str, Any]) -> dict[str, str]:
    """What "txt2img/Sampling method/value" of A1111 before 1.9 says, "DPM++ 2M Karras", under the keys of sampler and schedule since then."""
    found: dict[str, str] = {}
    for tab in ("txt2img", "img2img"):
        named = content.get(f"{tab}/Sampling method/value")
        sampler, schedule = split_sampler_and_schedule(named, AUTOMATIC) if isinstance(named, str) else ("", AUTOMATIC)
        if schedule != AUTOMATIC and sampler in {each.name for each in samplers()}:
            path = f"customscript/sampler.py/{tab}"
            found |= {f"{path}/Sampling method/value": sampler, f"{path}/Schedule type/value": schedule}
    return found


def _numbers(keywords: Mapping[str, Any]) -> dict[str, Any]:
    return {name: keywords.get(name) for name in ("value", *_BOUNDS)}


def _nearest(found: Mapping[str, Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The value that the slider can have; as A1111's took more than they showed, it reaches further up where requests may ("accepts")."""
    low, high = (found.get(name, keywords.get(name)) for name in _BOUNDS)
    if "value" not in found or not (isinstance(low, int | float) and isinstance(high, int | float) and low < high):
        return {}
    highest = max(high, keywords.get("accepts") or high)
    value = min(max(found["value"], low), highest)
    return {"value": value, "maximum": value} if value > high else {"value": value}


def _in_order(value: Any, minimum: float, maximum: float) -> bool:
    return minimum < maximum and (not isinstance(value, int | float) or minimum <= value <= maximum)


def _fits(stored: Any, own: Any, choices: list[str] | None) -> bool:
    if isinstance(own, list | tuple):       # several of the choices
        return isinstance(stored, list) and (choices is None or all(each in choices for each in stored))
    if choices is not None:
        return stored in choices
    if isinstance(own, bool) or isinstance(stored, bool):
        return isinstance(own, bool) and isinstance(stored, bool)
    if isinstance(own, int | float):
        return isinstance(stored, int | float) and abs(stored) < 1e100         # not NaN either, which Python reads in JSON
    return own is None or isinstance(stored, type(own))
