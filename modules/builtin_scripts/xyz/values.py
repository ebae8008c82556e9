"""The values of an axis, from what was typed: a list with commas, ranges "1-5", "1-5 (+2)", "1-10 [5]" among them."""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from modules.schema.errors import InvalidValue

MOST_VALUES = 2000
LONGEST_RANGE = 80              # characters; the patterns below take quadratic time on long blanks
_WANTED = {int: "a whole number or a range such as 1-5 (+2)", float: "a number or a range such as 1-2 (+0.5)"}
_NUMBER = r"([+-]?\s*\d+(?:\.\d*)?)"
_RANGE = re.compile(rf"\s*{_NUMBER}\s*-\s*{_NUMBER}(?:\s*\(([+-]\d+(?:\.\d*)?)\s*\))?\s*")
_COUNTED = re.compile(rf"\s*{_NUMBER}\s*-\s*{_NUMBER}\s*\[(\d+)\s*\]\s*")


def str_permutations(x: Any) -> Any:
    """The type of an axis whose values are all orders of what was typed; extensions name it."""
    return x


def split_values(text: str, *, blanks: bool = False) -> list[str]:
    """Comma-separated texts; one in double quotes may have commas of its own. blanks: empty ones count too, if there are others."""
    found = all_values(text)
    return found if blanks and any(found) else [each for each in found if each]


def all_values(text: str) -> list[str]:
    """The same, empty ones among them."""
    rows = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        return [each.strip() for row in rows for each in row]
    except csv.Error as error:          # a field longer than 128 kB
        raise InvalidValue(f"The values of this axis cannot be read: {error}.", "Write fewer of them, with commas between.", field="script_args") from error


def joined(values: Sequence[Any]) -> str:
    """The other way."""
    out = io.StringIO()
    csv.writer(out).writerow(values)
    return out.getvalue().strip()


def typed_values(label: str, kind: Callable[[Any], Any], texts: Sequence[Any]) -> list[Any]:
    """The values of axis ``label``, ranges spread out where it holds numbers. Raises InvalidValue for one that is none."""
    if kind is str_permutations:
        if len(texts) > 6:
            raise InvalidValue(f"{label}: {len(texts)} parts have too many orders; at most 6 are accepted.", field="script_args")
        return list(itertools.permutations(texts))
    found: list[Any] = []
    for text in texts:
        spread = _spread(str(text), whole=kind is int) if kind in (int, float) else None
        if len(found) + len(spread or ()) > MOST_VALUES:
            raise InvalidValue(f"{label}: more than {MOST_VALUES} values.", "Use a larger step.", field="script_args")
        for each in [text] if spread is None else spread:
            try:
                found.append(kind(each))
            except (TypeError, ValueError) as error:
                wanted = _WANTED.get(kind, str(error)[:200])
                raise InvalidValue(f"{label}: {str(each)[:60]!r} is no value of this axis ({wanted}).", field="script_args") from error
    return found


def _spread(text: str, *, whole: bool) -> list[Any] | None:
    """A range, both ends in it; None for a single number."""
    if len(text) > LONGEST_RANGE:
        return None
    match = _COUNTED.fullmatch(text)
    if match:
        start, end, count = _number(match[1]), _number(match[2]), min(int(match[3]), MOST_VALUES + 1)
        values = [start + (end - start) * n / max(count - 1, 1) for n in range(count)]
        return [int(each) for each in values] if whole else [round(each, 10) for each in values]
    match = _RANGE.fullmatch(text)
    if not match:
        return None
    start, end, step = _number(match[1]), _number(match[2]), _number(match[3] or "1")
    if whole and any(each != int(each) for each in (start, end, step)):
        return None
    if not step or (end - start) * step < 0:
        return []
    steps = (end - start) / step
    # Whole numbers stay within the range; others end at the first that is not before its end, as A1111 counts: 1-2 (+0.3) goes to 2.2.
    count = min((int(steps + 1e-9) if whole else math.ceil(steps - 1e-9)) + 1, MOST_VALUES + 1)
    return [int(start + step * n) if whole else round(start + step * n, 10) for n in range(count)]


def _number(text: str) -> float:
    return float(text.replace(" ", ""))
