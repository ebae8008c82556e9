"""Our scripts and style sheets: which there are and in what order, and how the browser gets them: all of one kind in one answer."""

from __future__ import annotations

import gzip
import hashlib
import stat
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from fastapi import Response
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import Headers
from starlette.types import Scope

STATIC = Path(__file__).with_name("static")
STATIC_URL = "webui-static"
SCRIPTS = (
    "emoji.js",
    "script.js",
    "options.js",
    "contract.js",
    "safari.js",
    "localization.js",
    "hints.js",
    "normalise.js",
    "tabs.js",
    "priming.js",
    "toasts.js",
    "elements.js",
    "progressbar.js",
    "gallery.js",
    "under_way.js",
    "early_clicks.js",
    "drops.js",
    "jobs.js",
    "canvas_icons.js",
    "foreign_zoom.js",
    "canvas_upload.js",
    "canvas_turned.js",
    "canvas_memory.js",
    "canvas_view.js",
    "canvas_drawing.js",
    "canvas_window.js",
    "canvas_tools.js",
    "canvas_keys.js",
    "queue_panel.js",
    "history.js",
    "history_view.js",
    "prompt_keys.js",
    "prompt_tools.js",
    "styles_editor.js",
    "context_menus.js",
    "lightbox.js",
    "gamepad.js",
    "notify.js",
    "canvas.js",
    "canvas_given.js",
    "gradio3_pictures.js",
    "img2img.js",
    "aspect_frame.js",
    "describe.js",
    "send_to.js",
    "extras.js",
    "work_panel.js",
    "form_memory.js",
    "form_tools.js",
    "column_border.js",
    "extra_networks.js",
    "network_tree.js",
    "network_cards.js",
    "network_dialogs.js",
    "popup_tables.js",
    "checkpoint_wishes.js",
    "downloads.js",
    "hires.js",
    "estimate.js",
    "keyboard.js",
    "token_counters.js",
    "page_layout.js",
    "settings_page.js",
    "extensions.js",
    "settings_extra.js",
    "notices.js",
    "theme.js",
)
STYLES = (
    "style.css",
    "generation.css",
    "canvas.css",
    "extras.css",
    "extra_networks.css",
    "settings.css",
    "extensions.css",
    "queue.css",
    "history.css",
    "comfort.css",
    "right_to_left.css",
)
TREE = "faster_tree.js"
BUNDLES = {"page.js": SCRIPTS, "page.css": STYLES}
MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css"}
KEPT = "max-age=31536000, immutable"  # the address changes with the content


class KeptFiles(StaticFiles):
    """Files that browsers may keep for good, because their address changes with their content; scripts and style sheets compressed once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        suffix = Path(path).suffix
        found = self._text(path) if suffix in MEDIA_TYPES and scope["method"] == "GET" else None
        if found is None:
            response = await super().get_response(path, scope)
        else:
            response = tagged_answer(Headers(scope=scope), MEDIA_TYPES[suffix], tag=_digest(found), content=found, packed=lambda: _packed(found))
        if response.status_code == 200 and self.is_versioned(path, scope):
            response.headers["Cache-Control"] = KEPT
        return response

    def is_versioned(self, path: str, scope: Scope) -> bool:
        """Whether the address names this content alone. As Gradio's build calls its files."""
        return True

    def _text(self, path: str) -> bytes | None:
        """The content of a script or style sheet; None for a file that is not there."""
        full, status = self.lookup_path(path)
        return Path(full).read_bytes() if status is not None and stat.S_ISREG(status.st_mode) else None


class PageFiles(KeptFiles):
    """What stands below STATIC_URL: each file, and the bundles."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    def is_versioned(self, path: str, scope: Scope) -> bool:
        return bool(scope.get("query_string"))

    def _text(self, path: str) -> bytes | None:
        return bundle(path) if path in BUNDLES else super()._text(path)


def tagged_answer(asked: Headers, media_type: str, *, tag: str, content: bytes, packed: Callable[[], bytes]) -> Response:
    """``content``, ``packed`` by gzip for who can take it; nothing where the browser has it already. tag: changes with the content."""
    headers = {"Vary": "Accept-Encoding", "ETag": f'"{tag}"', "Cache-Control": "no-cache"}
    if asked.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    if "gzip" in asked.get("accept-encoding", ""):
        return Response(packed(), media_type=media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(content, media_type=media_type, headers=headers)


def pack(content: bytes) -> bytes:
    """By gzip, the same each time."""
    return gzip.compress(content, 6, mtime=0)


def bundle(name: str) -> bytes:
    """All files of one of the ``BUNDLES`` as they are now, one after the other."""
    names = BUNDLES[name]
    return _joined(names, tuple((STATIC / each).stat().st_mtime_ns for each in names))


def versioned(name: str) -> str:
    """The relative URL of a file or bundle; it changes with the content."""
    content = bundle(name) if name in BUNDLES else (STATIC / name).read_bytes()
    return f"{STATIC_URL}/{name}?{_digest(content)}"


@lru_cache(maxsize=256)
def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


@lru_cache(maxsize=2 * len(BUNDLES))
def _joined(names: tuple[str, ...], changed: tuple[int, ...]) -> bytes:
    """changed: when each file was; other times, another bundle."""
    return b"".join(f"/* {name} */\n".encode() + (STATIC / name).read_bytes() + b"\n" for name in names)


@lru_cache(maxsize=256)
def _packed(content: bytes) -> bytes:
    return pack(content)
