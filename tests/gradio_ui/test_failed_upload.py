"""What the page says when Gradio could not take a picture."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import gradio as gr
import pytest
from gradio import route_utils, routes
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message

from modules.gradio_ui.failed_uploads import keep_whole_uploads_only
from modules.gradio_ui.gradio_gate import GradioGate


@pytest.mark.group("R3")
@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 507, "The disk is full: "),
        (OSError(errno.EROFS, "Read-only file system", "/data/tmp/gradio"), 507, "No permission to write /data/tmp/gradio. Make the folder writable"),
        (KeyError("no such function"), 400, "This request cannot be understood."),
    ],
)
def test_a_disk_that_takes_no_upload_is_told_as_that(error: Exception, status: int, said: str) -> None:
    async def upload(_request: Request) -> Response:
        raise error

    with TestClient(GradioGate(Starlette(routes=[Route("/gradio_api/upload", upload, methods=["POST"])]))) as client:
        answer = client.post("/gradio_api/upload")
    assert answer.status_code == status and said in answer.text and "Internal Server Error" not in answer.text


@pytest.mark.group("R3")
@pytest.mark.parametrize("how", ["full disk", "closed tab"])
def test_half_an_upload_does_not_stay_on_the_disk(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would keep the disk full, so that nothing could be uploaded or saved until somebody found it."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    for module in (route_utils, routes):
        monkeypatch.setattr(module, "GradioMultiPartParser", route_utils.GradioMultiPartParser)
    with gr.Blocks() as page:
        gr.File()
    page.max_file_size = None  # type: ignore[attr-defined]  launch() sets it
    keep_whole_uploads_only()
    app = GradioGate(routes.App.create_app(page))
    written: list[int] = []

    async def write(self: UploadFile, data: bytes) -> None:
        written.append(self.file.write(data))
        if how == "full disk" and len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(UploadFile, "write", write)

    async def upload() -> list[Message]:
        start = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": True} for body in (start + b"x" * 50_000, b"x" * 50_000)]
        sent: list[Message] = []

        async def receive() -> Message:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"content-type", b"multipart/form-data; boundary=b"), (b"host", b"127.0.0.1")]
        await app({"type": "http", "method": "POST", "path": "/gradio_api/upload", "raw_path": b"/gradio_api/upload", "query_string": b"", "headers": headers,
                   "scheme": "http", "http_version": "1.1", "root_path": "", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)}, receive, send)
        return sent

    sent = asyncio.run(upload())
    assert len(written) == 2 and not [each for each in tmp_path.rglob("*") if each.is_file()]
    assert how == "closed tab" or sent[0]["status"] == 507
