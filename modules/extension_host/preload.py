"""Extensions' preload.py: they add flags to the command line before it is read."""
from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modules.extension_host.host import ExtensionHost
from modules.extension_host.limits import limited
from modules.extension_host.load_scripts import load_module

SECONDS = 60.0          # as long as its imports may take from a slow disk


def preloads(host: ExtensionHost) -> Callable[[ArgumentParser], None]:
    """What ``parse_flags(extend=...)`` wants: runs preload(parser) of every extension that is switched on."""

    def extend(parser: ArgumentParser) -> None:
        for extension in host.enabled:
            file = extension.path / "preload.py"
            if not file.is_file():
                continue
            host.entering(extension.canonical_name)
            with host.guarded(extension.canonical_name, "preload.py"), _forgiving(parser):
                limited(lambda file=file: _run(host, file, parser), what=f"{extension.name} preload.py", seconds=SECONDS)

    return extend


def _run(host: ExtensionHost, file: Path, parser: ArgumentParser) -> None:
    before = list(sys.path)
    try:
        with host.loading(file.parent):
            preload = getattr(load_module(file), "preload", None)
            if preload is not None:
                preload(parser)
    finally:
        sys.path[:] = before


@contextmanager
def _forgiving(parser: ArgumentParser) -> Iterator[None]:
    """New flags get a default, as in A1111's parser, and one that is there already is no mistake."""
    real, default = parser.add_argument, parser.argument_default

    def add_argument(*names: str, **options: Any) -> Any:
        fresh = [name for name in names if name not in parser._option_string_actions]
        return real(*fresh, **options) if fresh or not names else None

    parser.add_argument, parser.argument_default = add_argument, None
    try:
        yield
    finally:
        del parser.add_argument
        parser.argument_default = default
