"""Texts of the page are compressed for those who can read it; the API, pictures and event streams are as they are."""
from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.responses import Response, StreamingResponse

from modules.rest_api.compression import PageCompression, is_page_text

TEXT = "the same words again " * 500


async def ticks() -> AsyncIterator[str]:
    for number in range(3):
        yield f"data: {number}\n\n"


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    for path in ("/", "/internal/history", "/sdapi/v1/options", "/file=/x/a.js"):
        app.add_api_route(path, lambda: Response(TEXT, media_type="text/plain"))
    app.add_api_route("/internal/events", lambda: StreamingResponse(ticks(), media_type="text/event-stream"))
    app.add_middleware(PageCompression)  # type: ignore[arg-type]
    return TestClient(app)


def test_the_pages_texts_travel_small(client: TestClient) -> None:
    for path in ("/", "/internal/history", "/file=/x/a.js"):
        answer = client.get(path, headers={"Accept-Encoding": "gzip"})
        assert answer.text == TEXT and answer.headers["Content-Encoding"] == "gzip" and int(answer.headers["Content-Length"]) < len(TEXT) / 10
        assert "Content-Encoding" not in client.get(path, headers={"Accept-Encoding": "identity"}).headers


def test_answers_of_the_api_and_event_streams_are_left_alone(client: TestClient) -> None:
    for path in ("/sdapi/v1/options", "/internal/events"):
        assert "Content-Encoding" not in client.get(path, headers={"Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize("path", ["/internal/preview/job/3", "/internal/history/3/thumb", "/sd_extra_networks/cover-images", "/file=/a/b.png", "/gradio_api/queue/data"])
def test_what_is_dense_already_is_not_packed_again(path: str) -> None:
    assert not is_page_text({"type": "http", "path": path, "method": "GET"})
