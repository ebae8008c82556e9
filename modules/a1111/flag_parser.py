"""A1111's ``cmd_args.parser``: an argparse parser with every flag, for extensions that add to it or ask it."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modules.a1111.places import command_line, namespace_of
from modules.schema.flags import FlagParser, Flags, make_parser


class _ParserOfThisStart(FlagParser):
    """Told nothing to parse, it answers with the command line of this start, COMMANDLINE_ARGS included, as A1111's does."""

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:
        """Every flag is in what it gives: one that was not given has its default."""
        found, unknown = super().parse_known_args([] if args is None else args, namespace)
        for name, value in vars(command_line() if args is None else namespace_of(Flags())).items():
            if name not in found:
                setattr(found, name, value)
        return found, unknown


parser = make_parser(_ParserOfThisStart)
parser.argument_default = None          # what extensions add has a default, too
