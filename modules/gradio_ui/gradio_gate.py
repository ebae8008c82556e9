"""In front of Gradio's own routes: those that nobody here uses are closed, and of files only those go in and out that are meant to be seen."""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import _StaticFiles
from gradio.utils import get_cache_folder, get_upload_folder
from gradio_client.utils import traverse
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from modules.files.storage import explain

log = logging.getLogger(__name__)

# Gradio's editor of programs, its monitor and its links to stored pages: each of them answers to "not switched on", or should not be reached at all
CLOSED = re.compile(r"/+(gradio_api/+)?(dev/|(undo-)?vibe-|monitoring|deep_link|profiling/|runs/?$|run-history/|proxy=)", re.IGNORECASE)
# what programs made for A1111's page still call, by the places its functions had in Gradio 3
OF_GRADIO_3 = re.compile(r"/+((run|api)/+[^/]+|info|api|queue/+(join|push|data|status)|reset|upload)/*", re.IGNORECASE)
OLD_PAGE = "X-Page-Is-Old"       # static/settings_extra.js loads the page again
MOVED = re.compile(r"/+(app_id|startup-events)/*")   # these answer as they did: programs (Unity's plugin) see by app_id whether the server is ready
GRADIO_3_IS_GONE = (
    "This is an address of Gradio 3, which this page is not made with. Programs draw through POST /sdapi/v1/txt2img and /sdapi/v1/img2img, "
    "which --api opens and /docs describes; what Gradio's own clients can call stands at /gradio_api/info."
)
_FILE = re.compile(r"/+gradio_api/+file[=/](.*)", re.IGNORECASE | re.DOTALL)
_NOT_WRITTEN = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EROFS)
_NEVER = frozenset(
    ".py .pyc .pyd .so .dll .exe .bat .sh .ps1 .safetensors .ckpt .pt .pth .bin .gguf .onnx .sqlite .sqlite3 .db .key .pem .crt .env .yaml .yml .toml .ini .cfg".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class GradioGate:
    """ASGI application around Gradio's server, ``app``."""

    app: Any

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            if moved := MOVED.fullmatch(path):
                path = f"/gradio_api/{moved[1]}"
                scope = {**scope, "path": scope.get("root_path", "") + path}
            asked = _FILE.match(path)
            if CLOSED.match(path):
                await JSONResponse({"detail": "Not Found"}, 404)(scope, receive, send)
                return
            if OF_GRADIO_3.fullmatch(path):
                await JSONResponse({"detail": GRADIO_3_IS_GONE}, 404)(scope, receive, send)
                return
            if asked and not is_shown(asked[1], self.app.get_blocks().allowed_paths):
                await JSONResponse({"detail": "File not allowed."}, 403)(scope, receive, send)
                return
            await self._answered(scope, receive, send)
            return
        await self.app(scope, receive, send)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Gradio fails over whatever it cannot read: an unknown function, a path too long, a body that is none. That is the caller's mistake;
        a disk that is full or may not be written to is not."""
        began = False
        held: list[Message] = []        # an answer that only says "Internal Server Error"; the error itself comes behind it

        async def sender(message: Message) -> None:
            nonlocal began
            if held or (message["type"] == "http.response.start" and message["status"] == 500):
                held.append(message)
                return
            began = True
            await send(message)

        try:
            await self.app(scope, receive, sender)
        except Exception as error:
            log.warning("Gradio could not answer %s %s: %s", scope["method"], ascii(scope["path"][:100]), ascii(f"{type(error).__name__}: {error}"[:200]))
            if not began:
                await _told(error)(scope, receive, send)
            return
        for message in held:
            await send({**message, "status": 400} if message["type"] == "http.response.start" else message)


def _told(error: Exception) -> Response:
    if isinstance(error, OSError) and error.errno in _NOT_WRITTEN:
        said = explain(error, Path(error.filename or get_upload_folder()))
        return PlainTextResponse(str(said), said.status)        # the page shows it as it is
    if isinstance(error, KeyError) and error.args and isinstance(error.args[0], int):      # the number of a function that this page has not
        return JSONResponse({"detail": "The page was built anew since: load it again."}, 400, {OLD_PAGE: "1"})
    return JSONResponse({"detail": "This request cannot be understood."}, 400)


def check_given_files(values: Any, allowed_paths: Sequence[str]) -> None:
    """Refuse, with Gradio's error, a request that names a file which nobody uploaded and which is not shown either.

    Gradio itself looks for that only in a program that it has launched; in one where it is mounted, it would copy any file of the disk to where it is served,
    and fetch any address.
    """
    def check(file: dict[str, Any]) -> dict[str, Any]:
        if not is_shown(file["path"], allowed_paths):
            raise gr.Error(f"{file['path'][:200]!r} was not uploaded to this server.", print_exception=False)
        return file

    traverse(values, check, _is_file)


def _is_file(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("path"), str) and "meta" in value


def is_shown(text: str, allowed_paths: Sequence[str]) -> bool:
    """Whether the real place of a path, links followed, is in a folder that is served; nothing hidden is, no program and no model."""
    if not text or len(text) > 4096 or any(ord(letter) < 32 for letter in text):
        return False
    try:
        real = Path(os.path.realpath(text))
        return any(_shows(real, Path(os.path.realpath(root)), anything=anything) for root, anything in _roots(allowed_paths))
    except (OSError, ValueError):
        return False


def _roots(allowed_paths: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """(folder, whether all of it was put there to be handed out)."""
    yield str(get_cache_folder()), True
    yield get_upload_folder(), True
    for each in (*_StaticFiles.all_paths, *allowed_paths):
        yield str(each), False


def _shows(real: Path, root: Path, *, anything: bool) -> bool:
    if not real.is_relative_to(root):
        return False
    hidden = any(part.startswith(".") for part in real.relative_to(root).parts)
    return not hidden and (anything or real.suffix.lower() not in _NEVER)
