"""Reading what the program or a user keeps as JSON. A damaged file stops nothing and is not lost: it is set aside under another name."""
from __future__ import annotations

import codecs
import json
import math
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from modules.files.storage import read_patiently

LARGEST = 256 * 2**20           # bytes; nothing of ours comes near it


class Damaged(Exception):
    """What is wrong with a file's content."""


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``; empty when there is no such file. Numbers that JSON cannot hold are None.

    Editors' byte order marks, and UTF-16, are understood. Raises Damaged: for anything else than a file with an object in it.
    """
    if not os.path.lexists(path):
        return {}
    try:
        if path.stat().st_size > LARGEST:
            raise Damaged(f"it is larger than {LARGEST // 2**20} MB")
        found = json.loads(decoded(read_patiently(path)), parse_constant=lambda name: None, parse_float=_finite)
    except (OSError, ValueError) as error:
        raise Damaged(str(error)) from error
    except RecursionError as error:
        raise Damaged("it is nested too deeply") from error
    if not isinstance(found, dict):
        raise Damaged(f"it holds a {type(found).__name__}, not an object")
    return found


def read_or_set_aside(path: Path, *, instead: str) -> tuple[dict[str, Any], str]:
    """``read_object``; where the file is damaged, the ``NAME.bak`` that was kept of it, else nothing; and a sentence that says where it was put.

    instead: what is done without both ("settings start at their defaults").
    """
    try:
        return read_object(path), ""
    except Damaged as error:
        before = path.with_name(path.name + ".bak")
        with suppress(Damaged):
            if found := read_object(before):
                return found, set_aside(path, error, instead=f"the version before it, {before.name}, is used")
        return {}, set_aside(path, error, instead=instead)


def set_aside(path: Path, reason: object, *, instead: str) -> str:
    """Rename a damaged file to ``NAME.corrupt-TIME``, so that nothing is written over it; the sentence about it."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    number = 1
    while os.path.lexists(aside):
        number += 1
        aside = path.with_name(f"{path.name}.corrupt-{stamp}-{number}")
    try:
        os.replace(path, aside)
    except OSError as error:
        return f"{path} could not be read ({reason}) nor moved ({error}): {instead}."
    return f"{path} could not be read ({reason}): it was kept as {aside.name}, and {instead}."


def decoded(data: bytes) -> str:
    """Text of a file that an editor may have saved with a byte order mark, or in UTF-16. Raises ValueError."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    return data.decode("utf-8-sig")


def _finite(text: str) -> float | None:
    """A number, or None for one that JSON cannot give back."""
    number = float(text)
    return number if math.isfinite(number) else None
