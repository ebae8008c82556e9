"""Programs made for A1111's page call its functions by Gradio 3's addresses: they are told where to draw now."""
from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from modules.gradio_ui.gradio_gate import GradioGate


def page() -> TestClient:
    async def anything(asked: Request) -> Response:
        return PlainTextResponse(asked.url.path if "app_id" in asked.url.path else "the page")

    return TestClient(GradioGate(Starlette(routes=[Route("/{path:path}", anything, methods=["GET", "POST"])])))


@pytest.mark.parametrize("path", ["/run/predict", "/run/predict/", "/run/txt2img", "/api/predict/", "/info", "/info/", "/queue/push", "/queue/join", "/api/"])
def test_addresses_of_gradio_3_say_where_programs_draw(path: str) -> None:
    with page() as client:
        for answer in (client.get(path), client.post(path, json={"fn_index": 100, "data": [], "session_hash": "x"})):
            assert answer.status_code == 404 and "POST /sdapi/v1/txt2img" in answer.json()["detail"] and "/gradio_api/info" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/run/predict", "/gradio_api/info", "/gradio_api/queue/join", "/information", "/static/api/x", "/api/a/b"])
def test_the_pages_own_addresses_stay(path: str) -> None:
    with page() as client:
        assert client.get(path).text == "the page"


@pytest.mark.parametrize("path", ["/app_id", "/app_id/", "/gradio_api/app_id"])
def test_what_only_moved_answers_where_it_was(path: str) -> None:
    """Unity's plugin asks for the page's number until it gets one; before that it does not draw."""
    with page() as client:
        assert client.get(path).text == "/gradio_api/app_id"
