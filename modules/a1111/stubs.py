"""Names that A1111 has and this program has not: they import, they can be subclassed and asked about, and say on use whose use it was."""
from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.callbacks import caller_file

_made: dict[str, Any] = {}


class NotHere(NotImplementedError, AttributeError):
    """An extension used a part of A1111 that this program has not. Also an AttributeError: many extensions ask that way."""


class StubType(type):
    """The class of stubs. Calling one, or asking it for anything, raises NotHere; assigning to it is noted once."""

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        if cls.__dict__.get("_is_stub"):
            raise _used(cls, "called")
        return super().__call__(*arguments, **keywords)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        raise _used(cls, f"asked for {name!r}")

    def __setattr__(cls, name: str, value: Any) -> None:
        if cls.__dict__.get("_is_stub") and not name.startswith("_abc"):
            note_use(cls.__doc_name__, f"its {name} was replaced, which changes nothing")
        super().__setattr__(name, value)

    def __iter__(cls) -> Any:
        raise _used(cls, "gone through")


def stub(module: str, name: str) -> Any:
    """The stub for ``module.name``, always the same one."""
    full = f"{module}.{name}"
    if full not in _made:
        _made[full] = StubType(name, (), {"__module__": module, "_is_stub": True, "__doc_name__": full, "__doc__": "A part of A1111 that is not here."})
    return _made[full]


def is_stub(value: Any) -> bool:
    return isinstance(value, StubType) and bool(value.__dict__.get("_is_stub"))


def submodules(package: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package of A1111's: its modules are there by attribute, as in a program that has loaded them all."""

    def get(name: str) -> Any:
        if not name.startswith("_") and find_spec(f"{package}.{name}") is not None:
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get


def stubbed(module: str, names: str, late: Callable[[str], Any] | None = None) -> Callable[[str], Any]:
    """A module's ``__getattr__``: ``late`` values first, then stubs for ``names`` (blank-separated), then A1111's other modules, which it imports;
    others are unknown, as in A1111."""
    listed = frozenset(names.split())

    def get(name: str) -> Any:
        if late is not None:
            value = late(name)
            if value is not UNKNOWN:
                return value
        if name in listed:
            note_use(f"{module}.{name}", "", logs=False)
            return stub(module, name)
        if module.startswith("modules.") and name.isidentifier() and not name.startswith("_") and find_spec(f"modules.facade.{name}") is not None:
            return import_module(f"modules.{name}")     # extensions reach modules.shared through modules.images, and replace what is in it
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return get


UNKNOWN = object()


def late_values(table: dict[str, Callable[[], Any]]) -> Callable[[str], Any]:
    """For ``stubbed``: values that are asked for anew each time."""
    return lambda name: table[name]() if name in table else UNKNOWN


def note_use(full_name: str, what: str, *, logs: bool = True) -> None:
    """An extension touched something that does nothing here."""
    if not is_occupied():
        return
    host = current().extensions
    owner = host.owner_of(caller_file())
    host.facts_of(owner).stubs.add(full_name)
    if logs and what:
        host.troubles.note(owner, full_name, what)


def _used(cls: type, how: str) -> NotHere:
    name = cls.__dict__.get("__doc_name__", cls.__name__)
    owner = current().extensions.owner_of(caller_file()) if is_occupied() else "base"
    note_use(name, "", logs=False)
    return NotHere(f"{name} of A1111 is not part of this program; the extension {owner!r} {how.replace('called', 'called it')} and cannot do that here.")
