"""The "parameters" text -> values by key. Lenient: any text is read, in time linear in its length.

Written by hand and not as one regular expression, because those take quadratic time on hostile texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from modules.schema.infotext_compat import by_version, canonical, fill_defaults

FEWEST_PAIRS = 3  # a last line with fewer is still prompt
LONGEST = 1_048_576  # characters; what comes after is not read
NEGATIVE = "Negative prompt:"
KEY_END = re.compile(r"[^\w \-/]")
PIXELS = re.compile(r"(\d{1,9})x(\d{1,9})")
QUOTE_OR_ESCAPE = re.compile(r'["\\]')


def read_infotext(text: str, *, old_behaviour: bool = True) -> dict[str, str]:
    """Everything ``text`` says and leaves unsaid, by A1111's keys; "Size: 512x768" as "Size-1" and "Size-2".

    Old spellings are renamed and A1111's defaults on paste filled in. old_behaviour: also switch on what the
    version that wrote it did otherwise (the setting auto_backcompat).
    """
    named = canonical(parse_infotext(text))
    fill_defaults(named)
    if old_behaviour:
        by_version(named)
    return named


def parse_infotext(text: str) -> dict[str, str]:
    """Only what stands in ``text``: "Prompt", "Negative prompt", then its own keys in order. Reads back what
    ``write_infotext`` wrote. Never fails: a text without parameters is all prompt.
    """
    lines = text[:LONGEST].replace("\r\n", "\n").strip().split("\n")
    lines, pairs = _parameter_line(lines)
    prompt, negative = _prompts(lines)
    named = {"Prompt": prompt, "Negative prompt": negative}
    for key, value, was_quoted in pairs:
        if key in ("Prompt", "Negative prompt"):  # only the lines above say what they are
            continue
        size = None if was_quoted else PIXELS.fullmatch(value)
        if size is None:
            named[key] = value
        else:
            named[f"{key}-1"], named[f"{key}-2"] = size.groups()
    return named


def is_infotext(text: str) -> bool:
    """Whether ``text`` has a line of parameters, and is not a mere prompt."""
    return bool(_parameter_line(text[:LONGEST].strip().split("\n"))[1])


Pair = tuple[str, str, bool]


def _parameter_line(lines: list[str]) -> tuple[list[str], list[Pair]]:
    """The lines of the prompts, and the pairs of the parameter line: the last line, or one opening with "Steps:"
    that other programs have written something after."""
    pairs = list(_pairs(lines[-1]))
    if len(pairs) >= FEWEST_PAIRS:
        return lines[:-1], pairs
    for number in range(len(lines) - 2, -1, -1):
        if lines[number].lstrip().startswith("Steps:"):
            pairs = list(_pairs(lines[number]))
            return (lines[:number], pairs) if len(pairs) >= FEWEST_PAIRS else (lines, [])
    return lines, []


def _prompts(lines: list[str]) -> tuple[str, str]:
    for number, line in enumerate(lines):
        if line.lstrip().startswith(NEGATIVE):
            first = line.lstrip()[len(NEGATIVE) :]
            return "\n".join(lines[:number]).strip(), "\n".join([first, *lines[number + 1 :]]).strip()
    return "\n".join(lines).strip(), ""


def _pairs(line: str) -> Iterator[Pair]:
    """Each ``Key: value`` of a parameter line, with whether the value stood in quotes."""
    place = 0
    while (colon := line.find(":", place)) >= 0:
        start = line.rfind(",", place, colon) + 1 or place
        key = _key(line[start:colon])
        if not key:
            place = colon + 1
            continue
        value, was_quoted, place = _value(line, colon + 1)
        yield key, value, was_quoted


def _key(text: str) -> str:
    """The longest end of ``text`` that can be a key: a letter, then letters, digits, spaces, "-" and "/"."""
    end = len(text)
    start = end
    while start > 0 and not KEY_END.match(text[start - 1]):
        start -= 1
    key = text[start:end].strip().lstrip("-/ ")
    return key if len(key) > 1 else ""


def _value(line: str, place: int) -> tuple[str, bool, int]:
    """The value that begins at ``place``, whether it was quoted, and where the next pair begins."""
    while place < len(line) and line[place].isspace():
        place += 1
    if place < len(line) and line[place] == '"':
        end = _closing_quote(line, place)
        if end is not None and (end + 1 == len(line) or line[end + 1] == ","):
            return _unquoted(line[place : end + 1]), True, end + 2
    comma = line.find(",", place)
    end = comma if comma >= 0 else len(line)
    return line[place:end].strip(), False, end + 1


def _closing_quote(line: str, opening: int) -> int | None:
    place = opening + 1
    while found := QUOTE_OR_ESCAPE.search(line, place):
        if found.group() == '"':
            return found.start()
        place = found.start() + 2
    return None


def _unquoted(text: str) -> str:
    try:
        value = json.loads(text, strict=False)
    except ValueError:
        return text
    return value if isinstance(value, str) else text
