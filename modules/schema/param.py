"""One declaration per generation parameter: a dataclass field whose metadata says how it is named and shown.

Type checkers see an ordinary ``int``; tools walk the fields and see the table.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeVar

from modules.schema.widgets import Hidden, Widget

T = TypeVar("T")
METADATA_KEY = "param"


class _SameAsDefault:
    def __repr__(self) -> str:
        return "the API's default"


HIDDEN = Hidden()
SAME_AS_DEFAULT: Any = _SameAsDefault()


@dataclass(frozen=True, kw_only=True)
class ParamInfo:
    """What is known of a parameter besides its type and default.

    api_name: A1111's spelling, flat ("cfg_scale"); the field's own name where left out.
    infotext: its key in the "parameters" text; "Size-1" is the first number of "Size".
    axis: its name on A1111's X/Y/Z plot.
    ui_default: what the page starts with, where that differs from the API's default.
    elem_id: A1111's HTML id, "{tab}" standing for txt2img or img2img; "{tab}_" + api_name where left out.
    accepts: smallest and largest value a request may hold; wider than the widget where A1111's API is.
    max_length: longest text, in characters.
    """

    label: str
    api_name: str = ""
    infotext: str | None = None
    axis: str | None = None
    widget: Widget = HIDDEN
    ui_default: Any = SAME_AS_DEFAULT
    elem_id: str = ""
    description: str = ""
    accepts: tuple[float, float] | None = None
    max_length: int | None = None


@dataclass(frozen=True, kw_only=True)
class ParamEntry:
    """A parameter found in a request class. ``type``: its annotation without None; ``optional``: None is allowed."""

    path: tuple[str, ...]
    type: Any
    optional: bool
    default: Any
    info: ParamInfo

    @property
    def name(self) -> str:
        return self.path[-1]

    @property
    def api_name(self) -> str:
        return self.info.api_name

    @property
    def label(self) -> str:
        return self.info.label

    @property
    def page_default(self) -> Any:
        """What the page shows at first; the API's default is ``default``."""
        return self.default if self.info.ui_default is SAME_AS_DEFAULT else self.info.ui_default

    def elem_id(self, tab: str) -> str:
        """The HTML id on ``tab`` ("txt2img" or "img2img"), as A1111 has it."""
        return (self.info.elem_id or "{tab}_" + self.api_name).replace("{tab}", tab)


def param(
    default: T,
    *,
    label: str,
    api_name: str = "",
    infotext: str | None = None,
    axis: str | None = None,
    widget: Widget = HIDDEN,
    ui_default: Any = SAME_AS_DEFAULT,
    elem_id: str = "",
    description: str = "",
    accepts: tuple[float, float] | None = None,
    max_length: int | None = None,
) -> T:
    """A dataclass field with its declaration. The keywords are those of ``ParamInfo``."""
    info = ParamInfo(
        label=label,
        api_name=api_name,
        infotext=infotext,
        axis=axis,
        widget=widget,
        ui_default=ui_default,
        elem_id=elem_id,
        description=description,
        accepts=accepts,
        max_length=max_length,
    )
    if isinstance(default, dict):
        made: Any = field(default_factory=lambda: typing.cast(T, dict(default)), metadata={METADATA_KEY: info})
    else:
        made = field(default=default, metadata={METADATA_KEY: info})
    return made


def group(cls: type[T]) -> T:
    """A field holding a nested group of parameters, at its defaults."""
    made: Any = field(default_factory=cls)
    return made


def walk(cls: type) -> Iterator[ParamEntry]:
    """Every parameter of a request or group class, in declared order, nested groups where they stand."""
    yield from _entries(cls)


@cache
def _entries(cls: type) -> tuple[ParamEntry, ...]:
    hints = typing.get_type_hints(cls)
    found: list[ParamEntry] = []
    for each in dataclasses.fields(cls):
        hint = hints[each.name]
        info = each.metadata.get(METADATA_KEY)
        if info is not None:
            found.append(_entry(each, hint, info))
        elif dataclasses.is_dataclass(hint) and isinstance(hint, type):
            found += [replace(inner, path=(each.name, *inner.path)) for inner in _entries(hint)]
    return tuple(found)


def _entry(each: dataclasses.Field[Any], hint: Any, info: ParamInfo) -> ParamEntry:
    plain, optional = _without_none(hint)
    default = each.default if each.default is not dataclasses.MISSING else each.default_factory()  # type: ignore[misc]
    return ParamEntry(
        path=(each.name,), type=plain, optional=optional, default=default, info=replace(info, api_name=info.api_name or each.name)
    )


def _without_none(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint, False
    others = [each for each in typing.get_args(hint) if each is not types.NoneType]
    return others[0], len(others) < len(typing.get_args(hint))


def get(request: Any, path: tuple[str, ...]) -> Any:
    """The value at ``path`` of a request or group."""
    for name in path:
        request = getattr(request, name)
    return request


def put(request: T, path: tuple[str, ...], value: Any) -> T:
    """A new request with ``value`` at ``path``; the old one is untouched. Nothing is checked here."""
    return put_all(request, {path: value})


def put_all(request: T, values: Mapping[tuple[str, ...], Any]) -> T:
    """``put`` for several paths, none of them inside another: each group is made once."""
    changed: dict[str, Any] = {}
    inner: dict[str, dict[tuple[str, ...], Any]] = {}
    for (name, *rest), value in values.items():
        if rest:
            inner.setdefault(name, {})[tuple(rest)] = value
        else:
            changed[name] = value
    changed |= {name: put_all(getattr(request, name), those) for name, those in inner.items()}
    return replace(typing.cast(Any, request), **changed)
