"""One value from outside, made into what a parameter holds, or refused with a sentence.

Lenient as JSON clients need it: numbers may come as text, whole numbers as 20.0. A yes/no is never a number.
"""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from typing import Any

from modules.schema.errors import InvalidValue, shortened
from modules.schema.param import ParamEntry
from modules.schema.widgets import Radio

TRUE_WORDS = frozenset({"true", "t", "yes", "y", "on", "1"})
FALSE_WORDS = frozenset({"false", "f", "no", "n", "off", "0"})
ROUNDING = 1e-6      # programs add up 0.05 twenty times and send 1.0000000000000002, or reckon with 32 bits
LONGEST_NUMBER = 64  # characters; Python's int() takes quadratic time on long texts


def checked(entry: ParamEntry, value: Any) -> Any:
    """``value`` as ``entry`` holds it. None stands for the default where the parameter cannot be None.

    Raises InvalidValue, which names the label, the API name, the value and what would be accepted.
    """
    if value is None:
        return None if entry.optional else entry.default
    kind = typing.get_origin(entry.type) or entry.type
    if kind is bool:
        return _bool(entry, value)
    if kind is int:
        return _within(entry, _int(entry, value))
    if kind is float:
        return _within(entry, _float(entry, value))
    if kind is str:
        return _text(entry, value)
    if kind is tuple:
        return _tuple(entry, value)
    if issubclass(kind, Mapping) if isinstance(kind, type) else False:
        return _mapping(entry, value)
    return None if isinstance(value, str) and not value.strip() else value  # clients send "" for a picture that there is not


def _refuse(entry: ParamEntry, value: Any, wanted: str) -> InvalidValue:
    shown = shortened(f'"{value}"' if isinstance(value, str) else value)
    return InvalidValue(f"{entry.label} ({entry.api_name}) cannot be {shown}: it must be {wanted}.", field=entry.api_name)


def _bool(entry: ParamEntry, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    if isinstance(value, str):
        word = value.strip().lower() if len(value) < LONGEST_NUMBER else ""
        if word in TRUE_WORDS or word in FALSE_WORDS:
            return word in TRUE_WORDS
        if (position := _choice(entry, value)) is not None:
            return bool(position)
    raise _refuse(entry, value, "true or false")


def _int(entry: ParamEntry, value: Any) -> int:
    wanted = "a whole number" + _range_words(entry)
    if isinstance(value, bool):
        raise _refuse(entry, value, wanted)
    if isinstance(value, int):
        return value
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return int(value)
    if isinstance(value, str) and len(value) <= LONGEST_NUMBER:
        if (position := _choice(entry, value)) is not None:
            return position
        try:
            return int(value)
        except ValueError:
            number = _number_in(value)
            if number is not None and math.isfinite(number) and number == int(number):
                return int(number)
    raise _refuse(entry, value, wanted)


def _float(entry: ParamEntry, value: Any) -> float:
    """A whole number stays one: A1111's page writes "CFG scale: 7" into pictures. Its API, whose bodies hold floats, writes 7.0, and so does ours."""
    wanted = "a number" + _range_words(entry)
    number: float | None = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:  # a whole number beyond 1e308
            number = math.inf
    elif isinstance(value, str) and len(value) <= LONGEST_NUMBER:
        number = _number_in(value)
    if number is None or not math.isfinite(number):
        raise _refuse(entry, value, wanted)
    return value if isinstance(value, int) else number


def _number_in(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _choice(entry: ParamEntry, value: str) -> int | None:
    """The position of a choice given by its text, for choices that are counted."""
    widget = entry.info.widget
    if isinstance(widget, Radio) and widget.index and value in widget.choices:
        return widget.choices.index(value)
    return None


def _within(entry: ParamEntry, number: Any) -> Any:
    smallest, largest = limits(entry)
    if smallest <= number <= largest:
        return number
    nearest = min(max(number, smallest), largest)
    if isinstance(number, float) and abs(number - nearest) <= ROUNDING * max(1.0, abs(nearest)):
        return float(nearest)
    raise _refuse(entry, number, f"between {_plain(smallest)} and {_plain(largest)}")


def limits(entry: ParamEntry) -> tuple[float, float]:
    """Smallest and largest number a request may hold."""
    if entry.info.accepts is not None:
        return entry.info.accepts
    widget = entry.info.widget
    return getattr(widget, "minimum", -math.inf), getattr(widget, "maximum", math.inf)


def _range_words(entry: ParamEntry) -> str:
    smallest, largest = limits(entry)
    return "" if math.isinf(smallest) else f" between {_plain(smallest)} and {_plain(largest)}"


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def _text(entry: ParamEntry, value: Any) -> str:
    if not isinstance(value, str):
        raise _refuse(entry, value, "text")
    limit = entry.info.max_length
    if limit is not None and len(value) > limit:
        raise InvalidValue(
            f"{entry.label} ({entry.api_name}) is {len(value):,} characters long; at most {limit:,} are accepted.",
            "Shorten it.",
            field=entry.api_name,
        )
    return value


def _tuple(entry: ParamEntry, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _refuse(entry, value, "a list")
    if typing.get_args(entry.type)[0] is str:
        return tuple(_text(entry, each) for each in value)
    return tuple(value)


def _mapping(entry: ParamEntry, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _refuse(entry, value, "an object with named values")
    return dict(value)
