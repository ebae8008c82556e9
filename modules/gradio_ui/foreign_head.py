"""Extensions' lines in the page's <head>: classic scripts in the order of their names, modules, style sheets."""

from __future__ import annotations

import html
from pathlib import Path

from modules.a1111.app_slot import is_occupied
from modules.application.app import App
from modules.extension_host.assets import scripts, style_sheets

_IN_ADDRESSES = str.maketrans({"%": "%25", "#": "%23", "?": "%3F"})     # what ends a path there; the rest stays as extensions look for it


def foreign_head(app: App) -> list[str]:
    """The lines. Classic scripts share one scope, in this order: several extensions are written in pieces that rely on it."""
    if not is_occupied():
        return []
    host = app.extensions
    lines = [f'<link rel="stylesheet" href="{_url(app, path)}">' for path in style_sheets(host, app.paths.data_dir / "user.css")]
    return lines + [f'<script{" type=module" if is_module else ""} src="{_url(app, path)}"></script>' for path, is_module in scripts(host)]


def _url(app: App, path: Path) -> str:
    """As A1111's webpath: below the data folder a relative one."""
    shown = path.relative_to(app.paths.data_dir) if app.paths.data_dir in path.parents else path
    return html.escape(f"file={shown.as_posix().translate(_IN_ADDRESSES)}?{path.stat().st_mtime}", quote=True)
