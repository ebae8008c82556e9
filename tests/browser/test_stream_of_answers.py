"""What Gradio's own stream of answers loses, and does not lose here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from modules.gradio_ui.gradio_files import FRONTEND_URL, GradioFiles
from tests.browser.conftest import SECONDS
from tests.conftest import served

if TYPE_CHECKING:
    from playwright.sync_api import Browser


class SlowToClose(StreamingResponse):
    """Between its last answer and the end of the stream there is time for another question."""

    def __init__(self, content: AsyncIterator[str], **more: Any) -> None:
        super().__init__(self.held(content), **more)

    async def held(self, content: AsyncIterator[str]) -> AsyncIterator[str]:
        async for message in content:
            if "close_stream" in message:
                await asyncio.sleep(2)
            yield message


@pytest.fixture
def extensions_page(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a page with two buttons whose answers come by the stream, as those of extensions do."""
    monkeypatch.setattr("gradio.routes.StreamingResponse", SlowToClose)
    with gr.Blocks() as page:
        for name in ("one", "two"):
            shown = gr.Textbox(elem_id=f"{name}_answer")
            gr.Button(name, elem_id=name).click(lambda name=name: f"{name} answered", outputs=[shown])
    app = FastAPI()
    app.mount(f"/{FRONTEND_URL}", GradioFiles())
    gr.mount_gradio_app(app, page, path="/", ssr_mode=False)
    with served(app) as url:
        yield url


def test_who_asks_while_it_is_being_closed_gets_an_answer(extensions_page: str, chromium: Browser) -> None:
    page = chromium.new_page()
    page.set_default_timeout(SECONDS * 1000)
    page.goto(extensions_page)
    page.click("#one")
    page.wait_for_function("document.querySelector('#one_answer textarea').value === 'one answered'")
    page.click("#two")
    page.wait_for_function("document.querySelector('#two_answer textarea').value === 'two answered'")
    page.close()
