"""GET /file=PATH: A1111's way to show a picture from the disk. Only kinds of files that cannot hurt, only from folders meant for it."""
from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fastapi import HTTPException
from fastapi.responses import FileResponse

from modules.application.app import App
from modules.application.settings_rules import FOLDERS
from modules.extension_host.discover import LOOSE_PAGE
from modules.files.resolver import allowed
from modules.imaging.formats import SHOWN_SUFFIXES
from modules.rest_api.guard import PAGE_MARK
from modules.rest_api.routes import Access, Routes

PICTURES = frozenset(SHOWN_SUFFIXES)
EXTENSION_FILES = PICTURES | {
    ".svg", ".js", ".mjs", ".map", ".wasm", ".css", ".json", ".csv", ".tsv", ".txt", ".md", ".yml", ".yaml", ".woff", ".woff2", ".ttf", ".otf", ".mp3", ".ogg", ".wav",
    ".mp4", ".webm", ".vert", ".frag", ".glsl", ".glb", ".gltf", ".bin", ".obj", ".mtl", ".fbx", ".hdr", ".ico", ".gz",
}  # fmt: skip
"""A .gz is shown when what it packs is of these kinds. An .svg may hold a script, which runs nowhere: as a picture none does, and who opens the file alone is answered under the gate's "sandbox"."""
PAGES = frozenset({".html", ".htm"})
NOTES = frozenset({".txt", ".json", ".csv"})
_NEVER = frozenset({"config.json", "ui-config.json", "cache.json"})


@dataclass(frozen=True, kw_only=True)
class Served:
    """A folder and the kinds of files in it that may be shown."""

    folder: Path
    suffixes: frozenset[str]


def add_file_route(routes: Routes) -> None:
    """Open it, for the page and whoever may see the page."""
    app = routes.app

    def file(path: str) -> FileResponse:
        """A picture or an extension's asset, by absolute path or relative to the data folder, else to the program's."""
        return served_file(app, path)

    for place in ("/file={path:path}", "/file/{path:path}"):        # the second: Gradio's older word, which extensions' pictures still use
        routes.add_route(place, file, methods=("GET", "HEAD"), access=Access.PAGE, hidden=True)


def served_file(app: App, text: str) -> FileResponse:
    """The answer for ``text``. 404 for everything that may not be shown, there or not: who asks learns nothing."""
    real = _real(app, text)
    if real is not None and is_page_of_extension(app, real):
        return FileResponse(real, media_type="text/html", headers={"Cache-Control": "no-cache", PAGE_MARK: "1"})
    if real is None or (not _is_own_style(app, real) and not _is_registered(app, real) and not any(_is_shown(real, each) for each in served_folders(app))):
        raise HTTPException(404, "File not found")
    media_type = {".js": "text/javascript", ".mjs": "text/javascript", ".gz": "application/gzip"}.get(real.suffix.lower()) or mimetypes.guess_type(real.name)[0]
    return FileResponse(real, media_type=media_type or "application/octet-stream", headers={"Cache-Control": "private, max-age=3600"})


def served_folders(app: App) -> Iterator[Served]:
    """Where files may come from, and which."""
    for key in FOLDERS:
        if text := app.settings.get(key):
            yield Served(folder=app.paths.output_folder(text), suffixes=PICTURES)
    for folder in (app.paths.outputs_dir, app.paths.models_dir, Path(app.flags.embeddings_dir), *_own_allowed(app)):
        yield Served(folder=folder, suffixes=PICTURES)
    for extension in app.extensions.extensions:
        yield Served(folder=extension.path, suffixes=EXTENSION_FILES)
    for base in {app.paths.script_dir, app.paths.data_dir}:
        yield Served(folder=base / "extensions", suffixes=EXTENSION_FILES)
        yield Served(folder=base / "localizations", suffixes=frozenset({".json"}))
        yield Served(folder=base / LOOSE_PAGE, suffixes=EXTENSION_FILES)
        yield Served(folder=base / "tmp", suffixes=NOTES)     # where extensions leave word for their scripts on the page


def is_page_of_extension(app: App, real: Path) -> bool:
    """Whether it is a page that lies in a switched-on extension's folder: a frame on its tab shows it. Its scripts may do what those do that the page loads itself."""
    return any(each.is_enabled and _is_shown(real, Served(folder=each.path, suffixes=PAGES)) for each in app.extensions.extensions)


def _is_own_style(app: App, real: Path) -> bool:
    """The user's own user.css; nothing beside it is shown."""
    return real.suffix.lower() == ".css" and real == Path(os.path.realpath(app.paths.data_dir / "user.css"))


def _is_registered(app: App, real: Path) -> bool:
    """An extension asked for this very file to be shown (``register_tmp_file``)."""
    return real in app.extensions.shown_files and real.suffix.lower() in EXTENSION_FILES


def _is_shown(real: Path, served: Served) -> bool:
    """Whether ``real``, a path without links, is of a kind and in a place that may be shown; nothing hidden is."""
    kinds = {real.suffix.lower(), *([Path(real.stem).suffix.lower()] if real.suffix.lower() == ".gz" else ())}
    if not kinds <= served.suffixes or not allowed(real, [served.folder]):
        return False
    below = real.relative_to(os.path.realpath(served.folder)).parts
    return not any(part.startswith(".") for part in below)


def _own_allowed(app: App) -> Iterator[Path]:
    """Folders of --gradio-allowed-path; the data folder, which A1111 puts there by itself, is too much."""
    return (Path(each) for each in app.flags.gradio_allowed_path if Path(each).absolute() != app.paths.data_dir)


def _real(app: App, text: str) -> Path | None:
    if not text or len(text) > 4096 or any(ord(letter) < 32 for letter in text):
        return None
    try:
        for base in (app.paths.data_dir, app.paths.script_dir):
            real = Path(os.path.realpath(base / text))
            if real.is_file():
                return real if real.name.lower() not in _NEVER else None
        return None
    except (OSError, ValueError):
        return None
