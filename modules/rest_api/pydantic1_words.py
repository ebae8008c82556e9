"""Pydantic 1's words on Pydantic 2, for the models of extensions. The only place where pydantic is patched.

A1111 has Pydantic 1: there ``Optional[str]`` without a default may be left out, and ``Model.__config__`` is the class to make a
``class Config`` from, and ``Model.__fields__[name].required = False`` makes a field one that may be left out, and ``model.json(indent=2)`` takes json.dumps' words. Only classes that extensions define are read so.
"""
from __future__ import annotations

import json
import sys
import types
import typing
import warnings
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from pydantic import BaseModel
from pydantic.fields import FieldInfo


class _Config:
    """What ``Model.__config__`` is: a base for a ``class Config``."""


_OF_DUMPS = frozenset({"skipkeys", "ensure_ascii", "check_circular", "allow_nan", "cls", "indent", "separators", "sort_keys"})
_owning: list[Callable[[str], object]] = []
_of_extensions: WeakSet[type[BaseModel]] = WeakSet()


def install(owning: Callable[[str], object]) -> None:
    """Teach pydantic the old words; process-wide. owning: file -> the extension that it belongs to, or None."""
    is_first, _owning[:] = not _owning, [owning]
    if not is_first:
        return
    warnings.filterwarnings("ignore", message="Valid config keys have changed in V2")
    original = BaseModel.__pydantic_init_subclass__.__func__

    def made(cls: type[BaseModel], **keywords: Any) -> None:
        original(cls, **keywords)
        file = getattr(sys.modules.get(cls.__module__), "__file__", None)
        if file and _owning[0](file) is not None:
            _of_extensions.add(cls)
            _make_optional(cls)

    BaseModel.__pydantic_init_subclass__ = classmethod(made)  # type: ignore[assignment, method-assign]
    own_json = BaseModel.json

    def as_json(self: BaseModel, **given: Any) -> str:
        words = {name: given.pop(name) for name in _OF_DUMPS & given.keys()}
        return json.dumps(self.model_dump(mode="json", **given), **words) if words else own_json(self, **given)

    BaseModel.json = as_json
    BaseModel.__config__ = _Config  # type: ignore[attr-defined]
    FieldInfo.required = property(FieldInfo.is_required, _set_required)  # type: ignore[attr-defined]


def _make_optional(cls: type[BaseModel]) -> None:
    changed = False
    for field in cls.model_fields.values():
        if field.is_required() and _may_be_none(field.annotation):
            field.default, changed = None, True
    if changed:
        cls.model_rebuild(force=True, raise_errors=False)


def _set_required(field: FieldInfo, required: bool) -> None:
    """What Pydantic 1 takes after the class is made, Pydantic 2 only when it is built: so the field's class is built again."""
    if required or not field.is_required():
        return
    field.default = None
    for cls in list(_of_extensions):
        if any(each is field for each in cls.model_fields.values()):
            cls.model_rebuild(force=True, raise_errors=False)


def _may_be_none(annotation: Any) -> bool:
    return annotation is None or (typing.get_origin(annotation) in (typing.Union, types.UnionType) and type(None) in typing.get_args(annotation))
