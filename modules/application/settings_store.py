"""The settings' values: config.json as A1111 writes it, checked on the way in, whole on disk at every moment."""
from __future__ import annotations

import copy
import json
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from modules.files.alone import alone_with
from modules.files.atomic import write_json
from modules.files.json_object import Damaged, read_object, read_or_set_aside
from modules.schema.errors import WebuiError
from modules.schema.setting import Section, Setting
from modules.schema.settings.table import SettingsTable

log = logging.getLogger(__name__)
Listener = Callable[[Any], None]


class SettingsStore:
    """Values by key, for any thread. What the file holds beyond our table (A1111's, extensions') is kept as it is."""

    def __init__(self, path: Path, table: SettingsTable) -> None:
        """Reads ``path``; a missing file is an empty one. ``notices`` says what was wrong with it."""
        self.path = path
        self._table = table
        self._lock = threading.RLock()
        self._listeners: dict[str, list[Listener]] = {}
        self.notices: list[str] = []
        self._unsaved: set[str] = set()             # keys that were set since the file was read or written
        self._file = _stamp(path)                   # as it was then
        self._stored = self._read()
        self._values = self._checked_values()

    @property
    def table(self) -> SettingsTable:
        """Every setting that can be asked for, extensions' included."""
        return self._table

    def get(self, key: str) -> Any:
        """The value, or the default where none is stored. Raises UnknownName."""
        setting = self._table.find(key)
        with self._lock:
            return _own(self._values[key]) if key in self._values else setting.fresh_default()

    def set(self, key: str, value: Any) -> bool:
        """Store a checked value; tells the listeners and returns True when it is a new one. Not written to disk before ``save``.

        Raises UnknownName and InvalidValue.
        """
        checked = self._table.find(key).checked(value)
        with self._lock:
            changed = self.get(key) != checked
            self._values[key] = checked
            self._stored[key] = checked
            self._unsaved.add(key)
        if changed:
            self._tell(key, checked)
        return changed

    def update(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Store several values, all or none: the first refused one raises before any is stored. Returns what changed."""
        for key, value in values.items():
            self._table.find(key).checked(value)
        return {key: self.get(key) for key, value in values.items() if self.set(key, value)}

    def as_dict(self) -> dict[str, Any]:
        """Every setting's value by key, in the table's order."""
        return {setting.key: self.get(setting.key) for setting in self._table}

    def unknown(self) -> dict[str, Any]:
        """What config.json holds beyond the table."""
        with self._lock:
            return {key: copy.deepcopy(value) for key, value in self._stored.items() if key not in self._table}

    def unknown_value(self, key: str) -> Any:
        """One of ``unknown``; None where there is none."""
        with self._lock:
            return copy.deepcopy(self._stored.get(key)) if key not in self._table else None

    def keep_unknown(self, key: str, value: Any) -> None:
        """Store a value that no setting describes, as extensions do. Raises ValueError for one that JSON cannot hold."""
        json.dumps(value)
        with self._lock:
            self._stored[key] = value
            self._unsaved.add(key)

    def forget(self, key: str) -> None:
        """Drop what ``keep_unknown`` stored."""
        with self._lock:
            self._stored.pop(key, None)
            self._unsaved.add(key)

    def changed(self) -> dict[str, Any]:
        """The values that differ from their defaults."""
        return {setting.key: value for setting in self._table if setting.key in self._values and (value := self.get(setting.key)) != setting.fresh_default()}

    def save(self) -> None:
        """Write config.json, old or new but never half; the version before stays as config.json.bak. Raises StorageError.

        What another server over the same folder, or a person, wrote there meanwhile stays in the file, but for what was set here too.
        """
        with self._lock, alone_with(self.path):
            self._stored |= {key: value for key, value in self._written_by_others().items() if key not in self._unsaved}
            write_json(self.path, self._stored, backup=True)
            self._file = _stamp(self.path)
            self._unsaved.clear()

    def _written_by_others(self) -> dict[str, Any]:
        if _stamp(self.path) == self._file:
            return {}
        try:
            return read_object(self.path)
        except Damaged:
            return {}

    def on_change(self, key: str, listener: Listener) -> None:
        """Call ``listener`` with each new value of ``key``, on the thread that sets it. Its exceptions go to the log."""
        with self._lock:
            self._listeners.setdefault(key, []).append(listener)

    def register(self, section: Section) -> None:
        """Add an extension's settings; a value that config.json already holds for one of them is taken up."""
        with self._lock:
            self._table = self._table.with_section(section)
            for setting in section.settings:
                if setting.key in self._stored and setting.key not in self._values:
                    self._take(setting, self._stored[setting.key])

    def _tell(self, key: str, value: Any) -> None:
        with self._lock:
            listeners = tuple(self._listeners.get(key, ()))
        for listener in listeners:
            try:
                listener(copy.deepcopy(value))
            except Exception:
                log.exception("what listens to the setting %s failed", key)

    def _read(self) -> dict[str, Any]:
        found, trouble = read_or_set_aside(self.path, instead="settings start at their defaults")
        self.notices += [trouble] if trouble else []
        return found | _of_older_versions(found)

    def _checked_values(self) -> dict[str, Any]:
        self._values: dict[str, Any] = {}
        for key, value in self._stored.items():
            if key in self._table:
                self._take(self._table.find(key), value)
        return self._values

    def _take(self, setting: Setting, value: Any) -> None:
        if value is None and not isinstance(setting.default, int | float):     # A1111 writes null where nothing is chosen: nothing is wrong. A number is none where it was NaN
            return
        try:
            self._values[setting.key] = setting.checked(value)
        except WebuiError as error:
            used = setting.nearest(value)
            self.notices.append(f"{self.path.name}: {error} {'Its default' if used == setting.fresh_default() else used} is used.")
            if used != setting.fresh_default():
                self._values[setting.key] = used


class OverlaidSettings:
    """Settings as one job sees them: those it was given, over a snapshot, over the defaults. Frozen in effect."""

    def __init__(self, table: SettingsTable, *layers: Mapping[str, Any]) -> None:
        """layers: later ones win. Each value is checked. Raises UnknownName and InvalidValue."""
        self.table = table
        self._values = {key: table.find(key).checked(value) for layer in layers for key, value in layer.items()}

    def get(self, key: str) -> Any:
        """The value of ``key``. Raises UnknownName."""
        return self._values[key] if key in self._values else self.table.find(key).fresh_default()


def _listed(value: Any) -> list[str] | None:
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) and value.strip() else None


def _negated(value: Any) -> bool | None:
    return not value if isinstance(value, bool) else None


# Settings by the key that A1111 took up instead (with 1.1.1, 1.4 and 1.6): the older key, and its value in the newer form.
_SUCCESSORS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "quicksettings_list": ("quicksettings", _listed), "ui_reorder_list": ("ui_reorder", _listed), "sd_vae_overrides_per_model_preferences": ("sd_vae_as_default", _negated),
}  # fmt: skip


def _of_older_versions(found: Mapping[str, Any]) -> dict[str, Any]:
    """What the file of an older A1111 says under the keys of today; what stands there under today's beats it."""
    newer = {key: as_newer(found.get(older)) for key, (older, as_newer) in _SUCCESSORS.items() if found.get(key) is None}
    return {key: value for key, value in newer.items() if value is not None}


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes whenever a file is written anew; None where there is none."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


def _own(value: Any) -> Any:
    """A copy for whoever asks, where it could be changed in place. Thousands are asked for with each job."""
    return copy.deepcopy(value) if isinstance(value, list | dict) else value
