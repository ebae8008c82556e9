"""What Gradio works out for each Blocks is worked out when it is read, and is then what Gradio would have made at once."""
from __future__ import annotations

from typing import Any

import pytest

from tests.gradio_ui.conftest import BuiltPage


@pytest.fixture
def described(page: BuiltPage, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The Blocks that were described since the test began. ``page``: everything is taught by then."""
    from gradio.blocks import BlocksConfig

    found: list[Any] = []
    original = BlocksConfig.get_config
    monkeypatch.setattr(BlocksConfig, "get_config", lambda self, *given: found.append(self.root_block) or original(self, *given))
    return found


def test_blocks_are_described_and_served_when_they_are_read(described: list[Any]) -> None:
    import gradio as gr

    with gr.Blocks() as blocks:
        gr.Textbox(value="mine")
    assert not described
    assert "mine" in [each["props"].get("value") for each in blocks.config["components"]]
    assert blocks.config is blocks.config
    assert len(described) == 1
    assert blocks.app.get_blocks() is blocks
    assert not hasattr(gr.Blocks.__new__(gr.Blocks), "config")  # as where no page was ever closed


def test_a_page_is_mounted_with_its_description_of_that_moment(described: list[Any]) -> None:
    import gradio as gr
    from fastapi import FastAPI
    from gradio.themes import Soft
    from starlette.testclient import TestClient

    with gr.Blocks() as blocks:
        gr.Textbox(value="shown to the browser")
    with TestClient(gr.mount_gradio_app(FastAPI(), blocks, path="/", theme=Soft(), ssr_mode=False)) as client:
        told = client.get("/config").json()
    assert "shown to the browser" in [each["props"].get("value") for each in told["components"]]
    assert told["theme"] == "soft"
    assert told["theme_hash"]
    assert described == [blocks]


def test_a_signature_is_looked_at_once_and_anew_for_another_function(page: BuiltPage) -> None:
    from gradio import blocks

    def first(one: int) -> None: ...

    read = vars(blocks)["inspect"].signature
    assert read(first) is read(first)
    assert list(read(first).parameters) == ["one"]
    assert list(read(lambda two: two).parameters) == ["two"]
    assert list(read("".join).parameters) == ["iterable"]
