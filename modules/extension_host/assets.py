"""What extensions bring for the page: scripts, style sheets; in A1111's order."""
from __future__ import annotations

from pathlib import Path

from modules.extension_host.host import ExtensionHost
from modules.extension_host.load_scripts import list_scripts

CLASSIC, MODULE = ".js", ".mjs"


def scripts(host: ExtensionHost) -> list[tuple[Path, bool]]:
    """javascript/*.js of all extensions, then javascript/*.mjs; with each whether it is a module."""
    return [(each.path, suffix == MODULE) for suffix in (CLASSIC, MODULE) for each in list_scripts(host, "javascript", suffix)]


def style_sheets(host: ExtensionHost, user_css: Path | None = None) -> list[Path]:
    """style.css of all extensions, then the user's own user.css."""
    found = [path for each in host.enabled if (path := each.path / "style.css").is_file()]
    return [*found, *([user_css] if user_css is not None and user_css.is_file() else [])]
