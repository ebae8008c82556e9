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


def test_middleware_may_be_added_to_a_server_that_answers_already(a1111: App) -> None:
    """auto-sd-paint-ext was told at every Reload UI that the application has started."""
    passed: list[int] = []

    class Counting:
        def __init__(self, app: Any, number: int) -> None:
            self.app, self.number = app, number

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                passed.append(self.number)
            await self.app(scope, receive, send)

    server, pages = FastAPI(), iter((1, 2))
    on_app_started(lambda _demo, app: app.add_middleware(Counting, number=next(pages)))
    announce_page(a1111, None, server)
    with TestClient(server) as client:
        client.get("/docs")
        announce_page(a1111, None, server)
        client.get("/docs")
    assert passed == [1, 2]


def test_a_server_to_which_nothing_is_added_is_left_as_it_is(a1111: App) -> None:
    server = FastAPI()
    with TestClient(server) as client:
        client.get("/docs")
        stack = server.middleware_stack
        announce_page(a1111, None, server)
        assert stack is not None and server.middleware_stack is stack
