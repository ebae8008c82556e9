"""The command line and COMMANDLINE_ARGS become frozen ``Flags``. An unknown flag is kept, never an error."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shlex
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from modules.schema.errors import InvalidValue
from modules.schema.flag_table import METADATA_KEY, FlagInfo, Flags
from modules.schema.foreign_flags import translated

__all__ = ["FlagInfo", "FlagParser", "Flags", "ParsedFlags", "ignored_flags", "make_parser", "parse_flags", "split_arguments"]


@dataclass(frozen=True, kw_only=True)
class ParsedFlags:
    """flags: all of ours. given: names of those the user gave. extra: values of flags that extensions added,
    by name. unknown: arguments nobody knows, in order. said: what to do instead of other programs' flags, a sentence each."""

    flags: Flags
    given: frozenset[str] = frozenset()
    extra: Mapping[str, Any] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


class FlagParser(argparse.ArgumentParser):
    """Raises InvalidValue where argparse would end the program."""

    def error(self, message: str) -> NoReturn:
        raise InvalidValue(f"The command line cannot be read: {message}.", "Look at COMMANDLINE_ARGS and at what follows launch.py.")


def parse_flags(
    argv: Sequence[str], environ: Mapping[str, str], extend: Callable[[argparse.ArgumentParser], None] | None = None
) -> ParsedFlags:
    """Read ``argv`` (without the program's name), then COMMANDLINE_ARGS, so that the latter wins.

    extend: adds the arguments of extensions (their ``preload.py``) to the parser. Flags may be abbreviated
    as long as they stay unambiguous. Raises InvalidValue for a value of the wrong kind, such as ``--port x``.
    """
    parser = make_parser()
    if extend is not None:
        extend(parser)
    arguments, said = translated([*argv, *split_arguments(environ.get("COMMANDLINE_ARGS", ""))], _spellings(parser))
    namespace, unknown = parser.parse_known_args(arguments)
    found = vars(namespace)
    ours = {each.name for each in dataclasses.fields(Flags)}
    given = {name: tuple(each) if isinstance(each, list) else each for name, each in found.items() if name in ours}
    return ParsedFlags(
        flags=_made(given),
        given=frozenset(given),
        extra={name: each for name, each in found.items() if name not in ours},
        unknown=tuple(unknown),
        said=said,
    )


def _spellings(parser: argparse.ArgumentParser) -> frozenset[str]:
    return frozenset(spelling for action in parser._actions for spelling in action.option_strings)


def split_arguments(text: str, *, windows: bool = os.name == "nt") -> list[str]:
    """``text`` split as a POSIX shell would; on Windows a backslash is an ordinary character, as in its paths."""
    reader = shlex.shlex(text, posix=True, punctuation_chars=False)
    reader.whitespace_split = True
    reader.commenters = ""
    if windows:
        reader.escape = ""
    try:
        return list(reader)
    except ValueError as reason:
        raise InvalidValue(
            f"COMMANDLINE_ARGS cannot be read: {str(reason).lower()}.", "Close every quotation mark in it.", field="COMMANDLINE_ARGS"
        ) from reason


def make_parser(kind: type[FlagParser] = FlagParser) -> argparse.ArgumentParser:
    """A parser with every flag of ``Flags``; what is not given stays out of its result."""
    parser = kind(prog="launch.py", argument_default=argparse.SUPPRESS)
    hints = typing.get_type_hints(Flags)
    for each in dataclasses.fields(Flags):
        _add(parser, each.name, hints[each.name], each.metadata[METADATA_KEY])
    return parser


def ignored_flags(parsed: ParsedFlags) -> dict[str, str]:
    """The given flags that nothing reads, spelt as on the command line, and why."""
    infos = {each.name: each.metadata[METADATA_KEY] for each in dataclasses.fields(Flags)}
    return {option(name): infos[name].meaning for name in sorted(parsed.given) if infos[name].ignored}


def option(name: str) -> str:
    """How the flag of field ``name`` is spelt: "no_half" is "--no-half"."""
    return "-" + name if len(name) == 1 else "--" + name.replace("_", "-")


def _made(given: dict[str, Any]) -> Flags:
    flags = Flags(**given)
    if "gradio_allowed_path" not in given:
        return flags
    # The data folder is always served from; the flag only adds.
    return dataclasses.replace(flags, gradio_allowed_path=(flags.data_dir, *flags.gradio_allowed_path))


def _add(parser: argparse.ArgumentParser, name: str, hint: Any, info: FlagInfo) -> None:
    help_text = info.meaning.replace("%", "%%")
    if info.form == "switch":
        parser.add_argument(option(name), dest=name, action="store_const", const=info.given, help=help_text)
        return
    kind = _converter(hint, info)
    if info.form == "list":
        parser.add_argument(option(name), dest=name, nargs="+", type=str.lower, help=help_text)
    elif info.form == "repeat":
        parser.add_argument(option(name), dest=name, action="append", type=kind, help=help_text)
    else:
        parser.add_argument(option(name), dest=name, type=kind, choices=info.choices or None, help=help_text)


def _converter(hint: Any, info: FlagInfo) -> Callable[[str], Any]:
    if info.path:
        return _absolute
    if int in (hint, *typing.get_args(hint)):
        return int
    if typing.get_origin(hint) is not None and issubclass(typing.get_origin(hint) or object, Mapping):
        return json.loads
    return str


def _absolute(text: str) -> str:
    return str(Path(text).absolute())
