"""What the page says when Gradio could not take a picture."""

from __future__ import annotations

import errno

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

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
