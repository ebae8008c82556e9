"""Extensions see the server once more for each page that is built anew: what they added to it for the page before is gone."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from modules.a1111.app_slot import occupied
from modules.a1111.callbacks import on_app_started
from modules.application.app import App
from modules.gradio_ui.announcing import announce_page


@pytest.fixture
def a1111(make_app: Callable[..., App]) -> Iterator[App]:
    app = make_app()
    with occupied(app):
        yield app


class Counting:
    """Middleware that notes its number at each request."""

    def __init__(self, app: Any, number: int, passed: list[int]) -> None:
        if number < 0:
            raise ValueError("a number below 0")
        self.app, self.number, self.passed = app, number, passed

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.passed.append(self.number)
        await self.app(scope, receive, send)


def test_middleware_may_be_added_to_a_server_that_answers_already(a1111: App) -> None:
    """auto-sd-paint-ext was told at every Reload UI that the application has started."""
    passed: list[int] = []
    server, pages = FastAPI(), iter((1, 2))
    on_app_started(lambda _demo, app: app.add_middleware(Counting, number=next(pages), passed=passed))
    announce_page(a1111, None, server)
    with TestClient(server) as client:
        client.get("/docs")
        announce_page(a1111, None, server)
        client.get("/docs")
    assert passed == [1, 2]


def test_a_request_that_comes_while_extensions_are_told_is_answered_and_keeps_none_from_adding(a1111: App) -> None:
    """A page that asks for its progress, say: Starlette takes no middleware after its first request."""
    passed: list[int] = []
    server = FastAPI()
    with TestClient(server) as client:
        client.get("/docs")
        on_app_started(lambda _demo, app: client.get("/docs"))
        on_app_started(lambda _demo, app: app.add_middleware(Counting, number=3, passed=passed))
        announce_page(a1111, None, server)
        assert client.get("/docs").status_code == 200 and passed == [3]
        with pytest.raises(RuntimeError):
            server.add_middleware(Counting, number=4, passed=passed)


def test_middleware_that_cannot_be_made_is_left_out(a1111: App, caplog: pytest.LogCaptureFixture) -> None:
    server = FastAPI()
    on_app_started(lambda _demo, app: app.add_middleware(Counting, number=-1, passed=[]))
    announce_page(a1111, None, server)
    with TestClient(server) as client:
        assert client.get("/docs").status_code == 200 and "a number below 0" in caplog.text


def test_a_server_to_which_nothing_is_added_is_left_as_it_is(a1111: App) -> None:
    server = FastAPI()
    with TestClient(server) as client:
        client.get("/docs")
        stack = server.middleware_stack
        announce_page(a1111, None, server)
        assert stack is not None and server.middleware_stack is stack
