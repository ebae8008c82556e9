"""Prompt styles: named pieces of prompt in styles.csv, applied in order, ``{prompt}`` marking where the prompt goes."""

from __future__ import annotations

import csv
import io
import logging
import os
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modules.files.alone import alone_with
from modules.files.atomic import write_bytes
from modules.files.json_object import decoded, set_aside
from modules.schema.errors import InvalidValue

log = logging.getLogger(__name__)
PLACEHOLDER = "{prompt}"
_COLUMNS = ("name", "prompt", "negative_prompt")
_SEPARATORS = (",", ";", "\t")      # ours is the first; spreadsheets write the second in many countries, the third as "Unicode text"
LONGEST = 10_000_000            # characters of a prompt with its styles
_LONGEST_NAME = 200            # characters that the first of three cells may have where no heading says that it is a name
_LARGEST = 32 * 2**20          # bytes of a file; reading more would hold up every start
_changing = threading.Lock()     # between reading a file and writing it again nobody else does so
_FIELD_LIMIT = 10_000_000       # characters; csv's own limit of 131,072 is below what people paste


@dataclass(frozen=True, kw_only=True)
class Style:
    """One row of styles.csv. path: the file it came from; None for one not saved yet."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""
    path: Path | None = None


Styles = Mapping[str, Style]


def merge_style(style_text: str, prompt: str) -> str:
    """``{prompt}`` in the style is replaced by the prompt; without it the style follows the prompt after a comma."""
    if count := style_text.count(PLACEHOLDER):
        if len(style_text) + count * len(prompt) > LONGEST:     # styles with two places double the prompt, each the one before
            raise InvalidValue(f"With its styles the prompt would be longer than {LONGEST:,} characters.", "Choose fewer styles.", field="styles")
        return style_text.replace(PLACEHOLDER, prompt)
    return ", ".join(part for part in (prompt.strip(), style_text.strip()) if part)


def apply_styles(prompt: str, negative_prompt: str, names: Sequence[str], styles: Styles) -> tuple[str, str, tuple[str, ...]]:
    """Both prompts with the named styles applied in order, and the names that no style has.

    An unknown name counts as an empty style, as in A1111: it still strips the blanks around the prompts.
    """
    for name in names:
        style = styles.get(name) or Style(name=name)
        prompt = merge_style(style.prompt, prompt)
        negative_prompt = merge_style(style.negative_prompt, negative_prompt)
    return prompt, negative_prompt, tuple(name for name in names if name not in styles)


class NoStyles(Exception):
    """A file that holds no table of styles; what is wrong with it."""


def read_styles(paths: Iterable[Path]) -> dict[str, Style]:
    """All styles of the files in order; a later one of the same name wins. Missing files are skipped, bad ones logged."""
    found: dict[str, Style] = {}
    for path in paths:
        try:
            found.update({style.name: style for style in _styles_of(path)})
        except NoStyles as error:
            log.warning("the styles of %s are missing: %s", path, error)
    return found


def set_aside_damaged(paths: Iterable[Path]) -> list[str]:
    """Rename files that hold no table of styles, so that nothing is written over them; a sentence for each."""
    told = []
    for path in paths:
        try:
            _styles_of(path)
        except NoStyles as error:
            told.append(set_aside(path, error, instead="its styles are missing"))
    return told


def change_style(path: Path, name: str, style: Style | None) -> None:
    """``change_styles`` for one."""
    change_styles(path, {name: style})


def change_styles(path: Path, changes: Mapping[str, Style | None]) -> None:
    """Write styles into a file, each in place of what it has under that name, at its end if it has nothing; None takes it out. Raises StorageError.

    What else is in the file stays: remarks, further columns, styles that another file's hide. The file before is kept as .bak, and one that
    became unreadable meanwhile is set aside, not written over.
    """
    with _changing, alone_with(path):
        for sentence in set_aside_damaged([path]):
            log.warning("%s", sentence)
        rows, columns = _table(path)
        last = {row["name"]: row for row in rows}       # of a name's rows that one acts
        for name, style in changes.items():
            if style is None:
                rows = [row for row in rows if row["name"] != name]
                continue
            row = last.get(name)
            if row is None:
                rows.append(row := {})
            row |= {"name": style.name, "prompt": style.prompt, "negative_prompt": style.negative_prompt}
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
        write_bytes(path, text.getvalue().encode("utf-8-sig", errors="replace"), backup=True)


def find_styles(prompt: str, negative_prompt: str, styles: Iterable[Style]) -> tuple[list[str], str, str]:
    """Take out of pasted prompts the styles that were applied to them: (names, prompt, negative prompt) before them."""
    candidates = [style for style in styles if style.prompt or style.negative_prompt]
    names: list[str] = []
    while True:
        for style in candidates:
            without, without_negative = without_style(style.prompt, prompt), without_style(style.negative_prompt, negative_prompt)
            if without is not None and without_negative is not None:
                break
        else:
            return names[::-1], prompt, negative_prompt
        candidates.remove(style)
        names.append(style.name)
        prompt, negative_prompt = without, without_negative


def prompts_of_styles(names: Iterable[str], paths: Iterable[Path]) -> dict[str, str]:
    """What the named styles have for prompts, by name; "" where the files have none of that name."""
    known = read_styles(paths) if (names := tuple(names)) else {}
    return {name: known[name].prompt if name in known else "" for name in names}


def prompt_without(prompt: str, texts: Iterable[str]) -> str:
    """``prompt`` without the styles' ``texts``, wherever their pieces stand in it: for names, not for drawing."""
    for text in texts:
        for piece in text.split(PLACEHOLDER):
            if piece.strip(" ,"):
                prompt = prompt.replace(piece, "")
        prompt = prompt.replace(", ,", ",").strip().strip(",").strip()
    return prompt


def _styles_of(path: Path) -> list[Style]:
    """Those in one file; none when it is missing or empty. Raises NoStyles."""
    rows, _ = _table(path)
    return [Style(name=row["name"], prompt=row["prompt"], negative_prompt=row["negative_prompt"], path=path) for row in rows
            if row["name"] and not row["name"].startswith("#")]


def _table(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    """The rows of one file, remarks among them, and its columns: ours, then what else it has. Raises NoStyles."""
    if not os.path.lexists(path):
        return [], list(_COLUMNS)
    try:
        if path.stat().st_size > _LARGEST:
            raise NoStyles(f"it is larger than {_LARGEST // 2**20} MB")
        return _parse(_text(path.read_bytes()))
    except OSError as error:
        raise NoStyles(error.strerror or str(error)) from error
    except (csv.Error, ValueError) as error:
        raise NoStyles(str(error)) from error


def _text(data: bytes) -> str:
    """UTF-8 or UTF-16; failing that what spreadsheets on Windows write. Raises ValueError."""
    try:
        return decoded(data)
    except UnicodeDecodeError:
        if b"\0" in data:
            raise
        return data.decode("cp1252")


def _parse(text: str) -> tuple[list[dict[str, str]], list[str]]:
    csv.field_size_limit(max(csv.field_size_limit(), _FIELD_LIMIT))     # of the whole process: putting it back would cut off another thread's reading
    text = re.sub(r"\Asep=.\r?\n", "", text)                             # a spreadsheet's word to itself
    for separator in _SEPARATORS:
        reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True, delimiter=separator)
        columns = reader.fieldnames or ()
        if not text.strip() or ("name" in columns and ("prompt" in columns or "text" in columns)):
            break
    else:
        return _without_heading(text), list(_COLUMNS)
    more = [column for column in columns if column and column not in (*_COLUMNS, "text")]
    return [_whole(row, more) for row in reader], [*_COLUMNS, *more]


def _without_heading(text: str) -> list[dict[str, str]]:
    """The rows of a table whose first line is a style already, as people write one by hand: three cells in each, the first a name of its own. Raises ValueError."""
    for separator in _SEPARATORS:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, delimiter=separator, strict=True) if row]
        if rows and rows[0][0].lower() == "name":       # a heading in other words than ours
            rows = rows[1:]
        names = [row[0].strip() for row in rows]
        if {len(row) for row in rows} == {len(_COLUMNS)} and len(set(names)) == len(names) and all(_is_name(name) for name in names):
            return [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
    raise ValueError("it needs the columns name, prompt, negative_prompt")


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_NAME and text.isprintable() and not text.startswith(("<", "{"))


def _whole(row: Mapping[str, str | None], more: Sequence[str]) -> dict[str, str]:
    """A row under our columns; "text" is the one for prompts in the oldest files."""
    found = {column: row.get(column) or "" for column in (*_COLUMNS, *more)}
    return found if "prompt" in row else found | {"prompt": row.get("text") or ""}


def without_style(style_text: str, prompt: str) -> str | None:
    """The prompt before ``merge_style``; None when the style is not in it. Blanks at either end of both are nothing: pictures do not keep them."""
    style_text = style_text.strip()
    if not style_text:
        return prompt
    prompt = prompt.strip()
    if PLACEHOLDER in style_text:
        before, _, after = style_text.partition(PLACEHOLDER)
        if len(prompt) >= len(before) + len(after) and prompt.startswith(before) and prompt.endswith(after):
            return prompt[len(before) : len(prompt) - len(after)]
        return None
    if prompt == style_text:
        return ""
    return prompt.removesuffix(", " + style_text) if prompt.endswith(", " + style_text) else None
