"""What extensions bring for the page: scripts, style sheets, translations; in A1111's order."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from modules.extension_host.host import ExtensionHost

CLASSIC, MODULE = ".js", ".mjs"


def files_of(host: ExtensionHost, folder: str, suffixes: Sequence[str], *, own: Path | None = None) -> Iterator[Path]:
    """The files of ``folder`` in the program (``own``) and in each extension that is switched on, each folder's by name."""
    for base in (own, *(each.path / folder for each in host.enabled)):
        if base is None:
            continue
        try:
            yield from sorted((each for each in base.iterdir() if each.suffix.lower() in suffixes and each.is_file()), key=lambda each: each.name)
        except OSError:
            continue


def scripts(host: ExtensionHost) -> list[tuple[Path, bool]]:
    """javascript/*.js of all extensions, then javascript/*.mjs; with each whether it is a module."""
    return [*((each, False) for each in files_of(host, "javascript", (CLASSIC,))), *((each, True) for each in files_of(host, "javascript", (MODULE,)))]


def style_sheets(host: ExtensionHost, user_css: Path | None = None) -> list[Path]:
    """style.css of all extensions, then the user's own user.css."""
    found = [path for each in host.enabled if (path := each.path / "style.css").is_file()]
    return [*found, *([user_css] if user_css is not None and user_css.is_file() else [])]
