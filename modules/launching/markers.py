"""Environment markers of requirement lines (PEP 508): does this line hold on this machine?"""
from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping

from modules.launching.versions import VersionUnreadable, is_in_range

_MARKER_WORD = re.compile(
    r"\s*(?:(\()|(\))|(and|or)\b|(not\s+in\b|in\b|===|==|!=|~=|>=|<=|>|<)|(?:'([^']*)'|\"([^\"]*)\")|([a-z_]+))"
)
DEEPEST = 50  # parentheses in one marker; real ones have two or three


def marker_environment() -> dict[str, str]:
    """What environment markers may ask about (PEP 508), as far as requirements use it."""
    return {
        "os_name": os.name,
        "sys_platform": sys.platform,
        "platform_system": platform.system(),
        "platform_machine": platform.machine(),
        "platform_release": platform.release(),
        "platform_python_implementation": platform.python_implementation(),
        "implementation_name": sys.implementation.name,
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "python_full_version": platform.python_version(),
        "extra": "",
    }


def marker_holds(marker: str, environment: Mapping[str, str]) -> bool:
    """Evaluate ``sys_platform == "win32" and python_version < "3.13"``. VersionUnreadable for what is no marker."""
    words = _marker_words(marker)
    value = _any_of(words, environment)
    if words:
        raise VersionUnreadable(f"{marker!r} is not an environment marker.")
    return value


def _marker_words(marker: str) -> list[tuple[str, str]]:
    """The marker as (kind, text) words; text and names are kept apart so that "and" in quotes is no operator."""
    if marker.count("(") > DEEPEST:
        raise VersionUnreadable(f"{marker[:80]!r} is nested too deep.")
    words: list[tuple[str, str]] = []
    position = 0
    while marker[position:].strip():
        match = _MARKER_WORD.match(marker, position)
        if match is None:
            raise VersionUnreadable(f"{marker!r} is not an environment marker.")
        opening, closing, joint, operator, single, double, name = match.groups()
        kinds = (("(", opening), (")", closing), ("joint", joint), ("operator", operator), ("text", single), ("text", double), ("name", name))
        words.append(next((kind, text) for kind, text in kinds if text is not None))
        position = match.end()
    return words


def _any_of(words: list[tuple[str, str]], environment: Mapping[str, str]) -> bool:
    value = _all_of(words, environment)
    while words and words[0] == ("joint", "or"):
        words.pop(0)
        value = _all_of(words, environment) or value
    return value


def _all_of(words: list[tuple[str, str]], environment: Mapping[str, str]) -> bool:
    value = _claim(words, environment)
    while words and words[0] == ("joint", "and"):
        words.pop(0)
        value = _claim(words, environment) and value
    return value


def _claim(words: list[tuple[str, str]], environment: Mapping[str, str]) -> bool:
    if words and words[0][0] == "(":
        words.pop(0)
        value = _any_of(words, environment)
        _take(words, ")")
        return value
    left_is_name = bool(words) and words[0][0] == "name"
    left = _operand(words, environment)
    operator = re.sub(r"\s+", " ", _take(words, "operator"))
    right = _operand(words, environment)
    if operator in ("in", "not in"):
        return (left in right) == (operator == "in")
    try:
        return is_in_range(left, operator + right) if left_is_name else is_in_range(right, _mirrored(operator) + left)
    except VersionUnreadable:
        return {"==": left == right, "!=": left != right}.get(operator, False)


def _mirrored(operator: str) -> str:
    return {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(operator, operator)


def _operand(words: list[tuple[str, str]], environment: Mapping[str, str]) -> str:
    if not words or words[0][0] not in ("text", "name"):
        raise VersionUnreadable("An environment marker ends too early.")
    kind, text = words.pop(0)
    if kind == "text":
        return text
    if text not in environment:
        raise VersionUnreadable(f"{text!r} is no environment marker name.")
    return environment[text]


def _take(words: list[tuple[str, str]], kind: str) -> str:
    if not words or words[0][0] != kind:
        raise VersionUnreadable("An environment marker ends too early.")
    return words.pop(0)[1]
