"""A1111's ``shared.opts``: settings as attributes, a plain dict of values, and the door through which extensions add theirs."""
from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.option_info import ExtensionSetting, OptionInfo, section_of, setting_of
from modules.a1111.running import running_work
from modules.application.generation import CHECKPOINT_KEY, chosen_checkpoint
from modules.application.settings_rules import FOLDERS, PLACES, is_frozen
from modules.schema.errors import WebuiError
from modules.schema.setting import Section, Setting
from modules.schema.widgets import CheckboxGroup, Dropdown, Radio, Slider

log = logging.getLogger(__name__)
_ABSENT = object()


class OptionValues(dict[str, Any]):
    """``opts.data``: every value by key. What is put in is stored as a setting, what is taken out has its default again; reading it is reading a dict."""

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, store(key, value))

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        if key in current().settings.table:
            store(key, current().settings.table.find(key).fresh_default())
        else:
            current().settings.forget(key)

    def pop(self, key: str, *default: Any) -> Any:
        if key not in self and default:
            return default[0]
        value = self[key]
        del self[key]
        return value

    def update(self, *others: Any, **values: Any) -> None:
        for key, value in dict(*others, **values).items():
            self[key] = value

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def refreshed(self) -> OptionValues:
        """With what is true now."""
        settings = current().settings
        work = running_work()
        now = {**settings.unknown(), **settings.as_dict(), **(work.overrides if work is not None else {})}
        now |= {key: _seen(key, now[key]) for key in (FOLDERS | {CHECKPOINT_KEY}) & now.keys()}
        for gone in self.keys() - now.keys():
            super().__delitem__(gone)
        super().update(now)
        return self


class OptionTable(dict[str, OptionInfo]):
    """``opts.data_labels``, alias ``shared.options_templates``: what is put in becomes a setting."""

    def __setitem__(self, key: str, option: OptionInfo) -> None:
        register(key, option)       # first: what is no declaration is not kept, and fails where its extension is known
        super().__setitem__(key, option)

    def update(self, *others: Any, **options: Any) -> None:
        for key, option in dict(*others, **options).items():
            self[key] = option

    def refreshed(self) -> OptionTable:
        for setting in current().settings.table:
            if setting.key not in self:
                super().__setitem__(setting.key, option_of(setting))
        return self


class Options:
    """See the module's first line. An unknown key raises AttributeError, as in A1111: extensions ask that way whether it is there."""

    typemap = {int: float}

    def __init__(self) -> None:
        self.__dict__["_values"] = OptionValues()
        self.__dict__["_table"] = OptionTable()

    @property
    def data(self) -> OptionValues:
        values: OptionValues = self.__dict__["_values"]
        return values.refreshed()

    @property
    def data_labels(self) -> OptionTable:
        table: OptionTable = self.__dict__["_table"]
        return table.refreshed()

    @property
    def restricted_opts(self) -> set[str]:
        return set(PLACES)

    def __getattr__(self, key: str) -> Any:
        value = value_of(key)
        if value is _ABSENT:
            raise AttributeError(f"there is no setting {key!r}")
        return value

    def __setattr__(self, key: str, value: Any) -> None:
        if value_of(key) is _ABSENT:
            self.__dict__[key] = value
        else:
            store(key, value)

    def set(self, key: str, value: Any, is_api: bool = False, run_callbacks: bool = True) -> bool:
        """Store; whether it is another value than before. False for a setting that may not be changed."""
        before = value_of(key)
        try:
            return bool(store(key, value) != before)
        except (WebuiError, RuntimeError) as error:
            log.warning("setting %s was not changed: %s", key, error)
            return False

    def get_default(self, key: str) -> Any:
        table = current().settings.table
        return table.find(key).fresh_default() if key in table else None

    def save(self, filename: str | None = None) -> None:
        """Write config.json; ``filename`` is A1111's, and ours is always the one of this server."""
        current().settings.save()

    def load(self, filename: str | None = None) -> None:
        """The settings are loaded when the server starts."""

    def add_option(self, key: str, info: OptionInfo) -> None:
        """A setting of an extension's own. It shows on the Settings page and in the API, and is kept in config.json."""
        self.__dict__["_table"][key] = info

    def onchange(self, key: str, func: Callable[[], Any], call: bool = True) -> None:
        """Call ``func`` after each change of ``key``, and now."""
        if key in current().settings.table:
            current().settings.on_change(key, lambda value: func())
        if call:
            func()

    def dumpjson(self) -> str:
        return json.dumps(self.data)

    def cast_value(self, key: str, value: Any) -> Any:
        """``value``, a text from an infotext, as the setting holds it."""
        if value is None:
            return None
        return current().settings.table.find(key).checked(value)

    def same_type(self, x: Any, y: Any) -> bool:
        return x is None or y is None or self.typemap.get(type(x), type(x)) == self.typemap.get(type(y), type(y))

    def reorder(self) -> None:
        """The page keeps sections together by itself."""

    def settle(self) -> None:
        """Take up what extensions changed on their OptionInfo after they had added it (its section, mostly)."""
        for key, option in tuple(self.__dict__["_table"].items()):
            known = current().settings.table.by_key.get(key)
            if known is None or (isinstance(known, ExtensionSetting) and known.section != section_of(option)[0]):
                register(key, option)


def value_of(key: str) -> Any:
    """The value of a setting, declared or not; ``_ABSENT`` where there is none."""
    settings, work = current().settings, running_work()
    if work is not None and key in work.overrides:
        return _seen(key, work.overrides[key])
    if key in settings.table:
        return _seen(key, settings.get(key))
    return settings.unknown().get(key, _ABSENT)


def store(key: str, value: Any) -> Any:
    """Store a value of any key; what is stored. Raises RuntimeError where the command line freezes it, InvalidValue."""
    app = current()
    if key not in app.settings.table:
        app.settings.keep_unknown(key, value)
        return value
    if is_frozen(app.flags, app.settings.table.find(key)):
        raise RuntimeError(f"changing the setting {key} is disabled by the command line")
    work = running_work()
    if work is not None and key in work.overrides:     # it holds as long as what it takes the place of
        work.overrides = {**work.overrides, key: app.settings.table.find(key).checked(value)}
        if key != CHECKPOINT_KEY:
            return _seen(key, work.overrides[key])
    app.settings.set(key, value)
    stored = app.settings.get(key)
    if work is not None:            # a script changes it for what its own job does next
        work.settings[key] = stored
        if key == CHECKPOINT_KEY and app.catalogue.checkpoints():
            work.checkpoint = chosen_checkpoint(app, stored).name
    return _seen(key, stored)


def _seen(key: str, value: Any) -> Any:
    """A folder for pictures as extensions find it: what is relative to a data folder elsewhere is no path from the working directory, as in A1111.

    The checkpoint in use where none was ever chosen: A1111 stores the name of each that it loads.
    """
    if key == CHECKPOINT_KEY and not value and current().catalogue.checkpoints():
        return chosen_checkpoint(current(), None, looks=False).title
    if key not in FOLDERS or not isinstance(value, str) or not value:
        return value
    folder = current().paths.output_folder(value)
    return value if folder == Path(os.path.abspath(value)) else str(folder)


def register(key: str, option: OptionInfo) -> None:
    """Make ``option`` a setting of this server; one of ours keeps its declaration."""
    if not isinstance(key, str):
        raise TypeError(f"the key of a setting is a text, not {key!r}")
    app = current()
    known = app.settings.table.by_key.get(key)
    if known is not None and not isinstance(known, ExtensionSetting):
        return
    section_id, title = section_of(option)
    setting = setting_of(key, option, _source)
    app.settings.register(Section(title=title, id=section_id, category=option.category_id or "", settings=(setting,)))
    if option.onchange is not None:
        app.settings.on_change(key, lambda value: option.onchange())


def option_of(setting: Setting) -> OptionInfo:
    """One of our settings as A1111 declares it; its component is the widget's name."""
    if isinstance(setting, ExtensionSetting):
        return setting.option
    return OptionInfo(setting.fresh_default(), setting.label, None, dict(_arguments(setting)), section=(setting.section, setting.section), infotext=setting.infotext)


def _arguments(setting: Setting) -> Iterator[tuple[str, Any]]:
    widget = setting.widget
    if isinstance(widget, Slider):
        yield from (("minimum", widget.minimum), ("maximum", widget.maximum), ("step", widget.step))
    elif isinstance(widget, Dropdown | Radio | CheckboxGroup) and not isinstance(widget.choices, str):
        yield "choices", list(widget.choices)


def _source(key: str, choices: Callable[[], Any]) -> str:
    name = f"extension setting {key}"
    current().extensions.choices[name] = choices
    return name


def refresh_choices(key: str) -> None:
    """Press the refresh button of an extension's setting. Raises whatever its function raises."""
    setting = current().settings.table.by_key.get(key) if is_occupied() else None
    if isinstance(setting, ExtensionSetting) and callable(setting.option.refresh):
        setting.option.refresh()


opts = Options()
