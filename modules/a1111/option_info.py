"""OptionInfo, as extensions declare settings, and what it becomes in our table."""
from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape, unescape
from typing import Any

from modules.schema.setting import Setting
from modules.schema.widgets import Checkbox, CheckboxGroup, ColorPicker, Dropdown, Hidden, Number, Radio, Slider, TextArea, Widget

Source = Callable[[str, Callable[[], Any]], str]


class OptionInfo:
    """A1111's declaration of one setting. component_args: a dict, or a function that gives one each time it is shown."""

    def __init__(
        self, default: Any = None, label: str = "", component: Any = None, component_args: Any = None, onchange: Any = None,
        section: Any = None, refresh: Any = None, comment_before: str = "", comment_after: str = "", infotext: str | None = None,
        restrict_api: bool = False, category_id: str | None = None,
    ) -> None:  # fmt: skip
        self.default = default
        self.label = label
        self.component = component
        self.component_args = component_args
        self.onchange = onchange
        self.section = section
        self.category_id = category_id
        self.refresh = refresh
        self.do_not_save = False
        self.comment_before = comment_before
        self.comment_after = comment_after
        self.infotext = infotext
        self.restrict_api = restrict_api

    def link(self, label: str, url: str) -> OptionInfo:
        self.comment_before += f"[<a href='{escape(url, quote=True)}' target='_blank'>{escape(label)}</a>]"
        return self

    def js(self, label: str, js_func: str) -> OptionInfo:
        self.comment_before += f"[<a onclick='{escape(js_func, quote=True)}(); return false'>{escape(label)}</a>]"
        return self

    def info(self, info: str) -> OptionInfo:
        self.comment_after += f"<span class='info'>({info})</span>"
        return self

    def html(self, html: str) -> OptionInfo:
        self.comment_after += html
        return self

    def needs_restart(self) -> OptionInfo:
        self.comment_after += " <span class='info'>(requires restart)</span>"
        return self

    def needs_reload_ui(self) -> OptionInfo:
        self.comment_after += " <span class='info'>(requires Reload UI)</span>"
        return self

    def arguments(self) -> dict[str, Any]:
        """The component's keywords now; {} where the extension's function fails."""
        found = self.component_args() if callable(self.component_args) else self.component_args
        return dict(found) if isinstance(found, Mapping) else {}


class OptionHTML(OptionInfo):
    """Words between settings; no value."""

    def __init__(self, text: str) -> None:
        super().__init__(str(text).strip(), label="", component=_html)
        self.do_not_save = True


def _html(**keywords: Any) -> Any:
    raise TypeError("OptionHTML is shown by the Settings page itself")


def options_section(section_identifier: tuple[str, ...], options_dict: dict[str, OptionInfo]) -> dict[str, OptionInfo]:
    """``options_dict`` with its settings put into a section: (id, title) or (id, title, category)."""
    for each in options_dict.values():
        if len(section_identifier) == 2:
            each.section = section_identifier
        elif len(section_identifier) == 3:
            each.section = section_identifier[0:2]
            each.category_id = section_identifier[2]
    return options_dict


@dataclass(frozen=True, kw_only=True)
class ExtensionSetting(Setting):
    """A stranger's setting: any JSON value of its default's kind."""

    option: OptionInfo

    @property
    def words_html(self) -> str:
        """What the extension says beside it, as HTML; its code runs here anyway."""
        return f"{self.option.comment_before} {self.option.comment_after}".strip()

    @property
    def honoured(self) -> bool:
        return True

    def checked(self, value: Any) -> Any:
        """Raises InvalidValue for another kind than the default's, and for what JSON cannot hold."""
        if isinstance(self.default, bool):
            return self._bool(value)
        if isinstance(self.default, int | float) and not (isinstance(value, int | float) and not isinstance(value, bool)):
            value = self._as_number(value)
        elif isinstance(self.default, str) and not isinstance(value, str | type(None)) and not isinstance(value, list | dict):
            value = str(value)
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise self._refuse(type(value).__name__, "something that config.json can hold") from None
        return value

    def _as_number(self, value: Any) -> Any:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise self._refuse(value, "a number") from None
        if not math.isfinite(number):
            raise self._refuse(value, "a number")
        return int(number) if isinstance(self.default, int) and number == int(number) else number

    def fresh_default(self) -> Any:
        try:
            return json.loads(json.dumps(self.default))
        except (TypeError, ValueError):
            return self.default


def setting_of(key: str, option: OptionInfo, source: Source) -> ExtensionSetting:
    """Our declaration of ``option``. source: registers a function that gives choices, and returns its name."""
    words = unescape(re.sub(r"<[^>]*>", "", f"{option.comment_before} {option.comment_after}")).strip()
    return ExtensionSetting(
        key=key, default=_kept(key, option.default), label=str(option.label), widget=_widget(key, option, source), section=section_of(option)[0],
        infotext=option.infotext, needs="restart" if "requires restart" in words else "", description=words, option=option,
    )  # fmt: skip


def _kept(key: str, default: Any) -> Any:
    """``default`` if config.json and the page can hold it. Raises TypeError."""
    try:
        json.dumps(default)
    except (TypeError, ValueError):
        raise TypeError(f"the setting {key} begins with {str(default)[:80]!r} ({type(default).__name__}), which config.json cannot hold") from None
    return default


def section_of(option: OptionInfo) -> tuple[str, str]:
    """(id, title); A1111's own for settings without one."""
    section = option.section
    if isinstance(section, list | tuple) and len(section) >= 2 and section[0]:
        return str(section[0]), str(section[1])
    return "uncategorized", "Uncategorized"


def _widget(key: str, option: OptionInfo, source: Source) -> Widget:
    name = getattr(option.component, "__name__", "").lower()
    try:
        arguments = option.arguments()
    except Exception:
        arguments = {}
    if isinstance(option, OptionHTML) or arguments.get("visible") is False:
        return Hidden()
    listed = arguments.get("choices") or ()
    if name in ("dropdown", "dropdownmulti", "dropdowneditable"):
        return Dropdown(_choices(key, option, listed, source), multiple=bool(arguments.get("multiselect")) or name == "dropdownmulti")
    if name == "radio":
        return Radio(_choices(key, option, listed, source))
    if name == "checkboxgroup":
        return CheckboxGroup(_choices(key, option, listed, source))
    if name == "slider":
        return Slider(_number(arguments, "minimum", 0), _number(arguments, "maximum", 100), _number(arguments, "step", 1))
    if name in ("colorpicker", "formcolorpicker"):
        return ColorPicker()
    if name == "number":
        return Number(precision=arguments.get("precision"))
    if name == "checkbox" or (not name and isinstance(option.default, bool)):
        return Checkbox()
    if not name and isinstance(option.default, int | float):
        return Number(precision=0 if isinstance(option.default, int) else None)
    lines = 8 if name == "code" else int(_number(arguments, "lines", 1))
    return TextArea(lines=max(1, lines), placeholder=str(arguments.get("placeholder") or ""))


def _number(arguments: Mapping[str, Any], name: str, otherwise: float) -> float:
    value = arguments.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else otherwise


def _choices(key: str, option: OptionInfo, listed: Any, source: Source) -> str | tuple[str, ...]:
    if not callable(option.component_args) and not callable(listed):
        return tuple(str(each[0] if isinstance(each, tuple) else each) for each in listed)

    def now() -> list[str]:
        found: Any = option.arguments().get("choices") or ()
        listed_now: Any = found() if callable(found) else found
        return [str(each[0] if isinstance(each, tuple) else each) for each in listed_now]

    return source(key, now)
