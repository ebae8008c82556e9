"""One declaration per setting: key, default, label, widget, and the check of a new value."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from modules.schema.errors import InvalidValue, shortened
from modules.schema.settings.honoured import HONOURED
from modules.schema.settings.without_effect import WITHOUT_EFFECT
from modules.schema.widgets import CheckboxGroup, ColorPicker, Dropdown, Radio, Slider, Widget

RELOAD_PAGE = "reload page"
TEXT_LIMIT = 65_536  # characters


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A stored choice of the user.

    key: A1111's name in config.json. section: id of its section. infotext: its key in the "parameters" text; such a
    setting can be an override. axis: its name on the X/Y/Z plot. needs: what must happen before a change acts, "" for
    nothing. accepts: smallest and largest number, where requests may go beyond the slider. one_of: the texts that may be
    typed, in capitals or not; None for any.
    """

    key: str
    default: Any
    label: str
    widget: Widget
    section: str = ""
    infotext: str | None = None
    axis: str | None = None
    needs: str = ""
    description: str = ""
    accepts: tuple[float, float] | None = None
    one_of: tuple[str, ...] | None = None

    @property
    def honoured(self) -> bool:
        """Whether the program reads it now; the others are kept, shown as such and have no effect."""
        return self.key in HONOURED

    @property
    def why_without_effect(self) -> str:
        """The reason where nothing will ever read it; "" where something does, or will."""
        return WITHOUT_EFFECT.get(self.key, "")

    @property
    def elem_id(self) -> str:
        return "setting_" + self.key

    def checked(self, value: Any) -> Any:
        """``value`` as this setting holds it: whole numbers as int, lists as lists.

        Raises InvalidValue (``field``: the key) for a wrong type, a number out of range, an unlisted choice.
        """
        if value is None and self.default is None:
            return None
        if isinstance(self.default, bool):
            return self._bool(value)
        if isinstance(self.default, int | float):
            return self._number(value)
        if isinstance(self.default, tuple):
            return self._list(value)
        if isinstance(self.default, Mapping):
            return self._mapping(value)
        return self._text(value)

    def nearest(self, value: Any) -> Any:
        """The allowed number that is nearest to ``value``, which ``checked`` refused; the default for what is no number."""
        is_number = isinstance(self.default, int | float) and isinstance(value, int | float) and not isinstance(self.default, bool) and not isinstance(value, bool)
        if not is_number or math.isnan(value):
            return self.fresh_default()
        number = min(max(value, self.limits[0]), self.limits[1])
        return round(number) if isinstance(self.default, int) else float(number)

    def fresh_default(self) -> Any:
        """The default as it is stored in config.json: lists, not tuples."""
        return list(self.default) if isinstance(self.default, tuple) else self.default

    def _refuse(self, value: Any, wanted: str) -> InvalidValue:
        shown = shortened(f'"{value}"' if isinstance(value, str) else value)
        return InvalidValue(f"Setting {self.key} ({self.label}) cannot be {shown}: it must be {wanted}.", field=self.key)

    def _bool(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, int | float) and value in (0, 1):
            return bool(value)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        raise self._refuse(value, "true or false")

    def _number(self, value: Any) -> int | float:
        whole = isinstance(self.default, int)
        low, high = self.limits
        wanted = ("a whole number" if whole else "a number") + (f" between {low:g} and {high:g}" if math.isfinite(low) else "")
        number = value
        if isinstance(value, str) and len(value) < 64:
            try:
                number = float(value)
            except ValueError:
                raise self._refuse(value, wanted) from None
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise self._refuse(value, wanted)
        if isinstance(number, float) and not math.isfinite(number):
            raise self._refuse(value, wanted)
        if not low <= number <= high or (whole and number != int(number)):
            raise self._refuse(value, wanted)
        return int(number) if whole else float(number)

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest number, both included."""
        if self.accepts is not None:
            return self.accepts
        return (self.widget.minimum, self.widget.maximum) if isinstance(self.widget, Slider) else (-1e300, 1e300)

    @property
    def choices(self) -> tuple[str, ...] | None:
        """The fixed choices, None where they come from the program or anything goes."""
        listed = self.widget.choices if isinstance(self.widget, Dropdown | Radio | CheckboxGroup) else None
        return listed if isinstance(listed, tuple) else None

    def _text(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self._refuse(value, "text")
        if len(value) > TEXT_LIMIT:
            raise self._refuse(value, f"at most {TEXT_LIMIT:,} characters long")
        if self.choices is not None and value not in self.choices:
            raise self._refuse(value, "one of " + ", ".join(self.choices))
        if self.one_of is not None and value.lower() not in self.one_of:
            raise self._refuse(value, "one of " + ", ".join(filter(None, self.one_of)))
        if isinstance(self.widget, ColorPicker) and not re.fullmatch(r"#(?:[0-9a-fA-F]{3,4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})", value):
            raise self._refuse(value, "a colour such as #ffffff")
        return value

    def _list(self, value: Any) -> list[str]:
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            raise self._refuse(value, "a list of texts")
        if self.choices is not None:
            for each in value:
                if each not in self.choices:
                    raise self._refuse(each, "made of " + ", ".join(self.choices))
        return list(value)

    def _mapping(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise self._refuse(value, "an object with named values")
        return dict(value)


@dataclass(frozen=True, kw_only=True)
class Section:
    """Settings shown together. ``id`` and ``category`` as A1111 has them; both empty for settings without a page."""

    title: str
    id: str
    category: str
    settings: tuple[Setting, ...]


def setting(
    key: str,
    default: Any,
    label: str,
    widget: Widget,
    *,
    infotext: str | None = None,
    axis: str | None = None,
    needs: str = "",
    description: str = "",
    accepts: tuple[float, float] | None = None,
    one_of: tuple[str, ...] | None = None,
) -> Setting:
    """A Setting; its section is filled in by ``section``."""
    return Setting(
        key=key, default=default, label=label, widget=widget, infotext=infotext, axis=axis, needs=needs, description=description, accepts=accepts, one_of=one_of
    )


def section(title: str, id: str, category: str, *settings: Setting) -> Section:
    """A Section whose settings know it."""
    return Section(title=title, id=id, category=category, settings=tuple(replace(each, section=id) for each in settings))
