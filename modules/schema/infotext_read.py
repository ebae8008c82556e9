"""The "parameters" text -> values by key. Lenient: any text is read, in time linear in its length.

Written by hand and not as one regular expression, because those take quadratic time on hostile texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice

from modules.schema.infotext_compat import by_version, canonical, fill_defaults
from modules.schema.infotext_foreign import as_infotext

FEWEST_PAIRS = 3  # a last line with fewer is still prompt
LONGEST = 1_048_576  # characters; what comes after is not read
NEGATIVE = "Negative prompt:"
KEY_END = re.compile(r"[^\w \-/]")
PIXELS = re.compile(r"(\d{1,9})x(\d{1,9})")
STEPS = re.compile(r"(?:^|(?<=[\s,.]))Steps:\s*\d")
PAIR_LINE = re.compile(r"\s*\w[\w /-]{1,40}:")
JSON = json.JSONDecoder(strict=False)
MOST_FAILURES = 20  # lists and objects of a line that turn out to be none: each may be read to its end
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


def answered_infotext(text: str, *, old_behaviour: bool = True) -> dict[str, str | int | bool]:
    """``read_infotext`` as A1111's API and its extensions get it: what ``text`` leaves unsaid as numbers and truth values ("0" and "False" count as true), but for the clip skip."""
    said = canonical(parse_infotext(text)).keys() | {"Clip skip"}
    named = read_infotext(text, old_behaviour=old_behaviour)
    return {key: value if key in said else _as_json(value) for key, value in named.items()}


def parse_infotext(text: str) -> dict[str, str]:
    """Only what stands in ``text``: "Prompt", "Negative prompt", then its own keys in order. Reads back what
    ``write_infotext`` wrote, and other programs' JSON. Never fails: a text without parameters is all prompt.
    """
    lines = as_infotext(text)[:LONGEST].replace("\r\n", "\n").strip().split("\n")
    lines, pairs = _parameter_line(lines)
    prompt, negative = _prompts(lines)
    named = {"Prompt": prompt, "Negative prompt": negative}
    for key, value, was_quoted in pairs:
        if key in ("Prompt", "Negative prompt"):  # only the lines above say what they are
            continue
        size = None if was_quoted else PIXELS.fullmatch(value.replace(" ", "") if key == "Size" else value)
        if size is None:
            named[key] = value
        else:
            named[f"{key}-1"], named[f"{key}-2"] = size.groups()
    return named


def _as_json(text: str) -> str | int | bool:
    if text in ("True", "False"):
        return text == "True"
    return int(text) if text.isdecimal() else text


Pair = tuple[str, str, bool]


def _parameter_line(lines: list[str]) -> tuple[list[str], list[Pair]]:
    """The lines of the prompts, and the pairs of the parameter line; no pairs where there is none."""
    first, text = _parameters(lines)
    prompts, text = _prompts_before(text, is_all=first == 0)
    pairs = list(_pairs(text))
    return ([*lines[:first], *prompts], pairs) if len(pairs) >= FEWEST_PAIRS else (lines, [])


def _parameters(lines: list[str]) -> tuple[int, str]:
    """How many lines come before the parameters, and these in one line: the last line, with those before it that end in a comma from "Steps:" on,
    or a line opening with "Steps:" that other programs have written something after."""
    first = len(lines) - 1
    while first > 0 and not _opens(lines[first]) and lines[first - 1].rstrip().endswith(","):
        first -= 1
    if _opens(lines[first]):
        return first, _joined(lines[first:])
    if has_pairs(lines[-1], FEWEST_PAIRS):
        return len(lines) - 1, lines[-1]
    number = next((number for number in range(len(lines) - 2, -1, -1) if _opens(lines[number])), len(lines))
    return number, _joined(_block(lines[number:]))


def _block(lines: list[str]) -> list[str]:
    """Of lines from "Steps:" on those that belong to it: what follows a comma, and, where each pair has its own line, the lines of pairs."""
    end = min(1, len(lines))
    is_vertical = bool(lines) and not has_pairs(lines[0], FEWEST_PAIRS)
    while end < len(lines) and (lines[end - 1].rstrip().endswith(",") or (is_vertical and PAIR_LINE.match(lines[end]))):
        end += 1
    return lines[:end]


def _prompts_before(text: str, *, is_all: bool) -> tuple[list[str], str]:
    """Prompts that stand in the line of the parameters: Civitai leaves out the line break after an empty negative prompt, and others all of them.

    is_all: there is no other line.
    """
    steps = STEPS.search(text)
    head = text[: steps.start()] if steps else ""
    place = head.find(NEGATIVE)
    if place < 0 or (head[:place].strip() and not is_all) or ': "' in head[:place]:
        return [], text
    return [each for each in (head[:place], head[place:]) if each.strip()], text[len(head) :]


def _opens(line: str) -> bool:
    return line.lstrip().startswith("Steps:")


def _joined(lines: list[str]) -> str:
    return lines[0] if len(lines) == 1 else ", ".join(line.strip().rstrip(",") for line in lines)


def has_pairs(line: str, number: int) -> bool:
    """Whether ``line`` holds at least ``number`` pairs."""
    return len(list(islice(_pairs(line), number))) == number


def _prompts(lines: list[str]) -> tuple[str, str]:
    for number, line in enumerate(lines):
        if line.lstrip().startswith(NEGATIVE):
            first = line.lstrip()[len(NEGATIVE) :]
            return "\n".join(lines[:number]).strip(), "\n".join([first, *lines[number + 1 :]]).strip()
    return "\n".join(lines).strip(), ""


def _pairs(line: str) -> Iterator[Pair]:
    """Each ``Key: value`` of a parameter line, with whether the value stood in quotes or is JSON, whose commas part nothing."""
    place, failures = 0, 0
    while (colon := line.find(":", place)) >= 0:
        start = line.rfind(",", place, colon) + 1 or place
        key = _key(line[start:colon])
        if not key:
            place = colon + 1
            continue
        end = _end_of_json(line, colon + 1) if failures < MOST_FAILURES else None
        if end is not None:
            yield key, line[colon + 1 : end].strip(), True
            place = end + 1
            continue
        failures += line[colon + 1 : colon + 3].lstrip()[:1] in ("[", "{")
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


def _end_of_json(line: str, place: int) -> int | None:
    """Where the list or object that begins at ``place`` and is a whole value ends: Civitai and ComfyUI write resources and hashes so, without quotes."""
    place += line.startswith(" ", place)
    if not line.startswith(("[", "{"), place):
        return None
    try:
        end = JSON.raw_decode(line, place)[1]
    except (ValueError, RecursionError):
        return None
    return end if end == len(line) or line[end] == "," else None


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
