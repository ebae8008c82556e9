"""Extensions' files are not always below the program, which A1111's were by default: with --data-dir they are elsewhere.

An extension that asks for a path relative to the program (or to the working directory, which it takes for that) gets the whole path then:
it names the file wherever it is used, on the disk and behind ``/file=``. Nobody but extensions' own files is answered so.
"""
from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.places import data_path, script_path

_DONE = "_knows_of_data_dir"


def install() -> None:
    """Process-wide; doing it twice changes nothing."""
    if not hasattr(PurePath.relative_to, _DONE):
        PurePath.relative_to = _relative_to(PurePath.relative_to)
        os.path.relpath = _relpath(os.path.relpath)


def _relative_to(original: Callable[..., Any]) -> Any:
    @functools.wraps(original)
    def relative_to(self: PurePath, *other: Any, **named: Any) -> Any:
        try:
            return original(self, *other, **named)
        except ValueError:
            if len(other) == 1 and _is_programs(other[0]) and _is_elsewhere(self) and _asked_by_extension():
                return self
            raise

    setattr(relative_to, _DONE, True)
    return relative_to


def _relpath(original: Callable[..., Any]) -> Any:
    @functools.wraps(original)
    def relpath(path: Any, start: Any = os.curdir) -> Any:
        if isinstance(path, str) and _is_elsewhere(path) and _is_programs(start) and _asked_by_extension():
            return os.path.abspath(path)
        return original(path, start)

    return relpath


def _is_programs(start: Any) -> bool:
    """The program's folder, or the working directory."""
    return isinstance(start, str | PurePath) and os.path.abspath(start) in (os.path.abspath(script_path()), os.getcwd())


def _is_elsewhere(path: str | PurePath) -> bool:
    """In a data folder that does not lie below the program's."""
    data, program = (os.path.join(os.path.abspath(each), "") for each in (data_path(), script_path()))
    return os.path.isabs(path) and not data.startswith(program) and os.path.abspath(path).startswith(data)


def _asked_by_extension() -> bool:
    return is_occupied() and current().extensions.owning(sys._getframe(2).f_code.co_filename) is not None
