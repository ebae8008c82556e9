"""The Train tab without a browser: what its fields ask for, what it lists, and the tabs that extensions put beside ours."""
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from modules.a1111 import app_slot, callbacks
from modules.gradio_ui.build import build_ui
from modules.schema.param import walk
from modules.schema.params_training import TrainingRequest
from tests.conftest import app_over, with_a_checkpoint
from tests.gradio_ui.conftest import BuiltPage


def test_every_field_of_a_training_has_its_component(page: BuiltPage) -> None:
    shown = [entry for entry in walk(TrainingRequest) if not entry.api_name.startswith("preview_") or entry.api_name == "preview_from_txt2img"]
    assert len(shown) == 23
    for entry in shown:
        component = page.components[entry.elem_id("train")]["props"]
        assert component["label"] == entry.label and component.get("value") in (entry.default, entry.default or None), entry.api_name
    assert page.components["train_template_file"]["props"]["choices"][0][0] == "hypernetwork.txt"


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[Any]:
    """A page with an extension's tab inside Train, and what that was given."""
    given: list[Any] = []

    def tab(params: Any) -> None:
        given.append(params.txt2img_preview_params)
        with gr.Tab(label="Preprocess"):
            gr.Textbox(label="Folder", elem_id="foreign_folder")

    app = app_over(with_a_checkpoint(tmp_path), start=False)
    with app_slot.occupied(app):
        callbacks.on_ui_train_tabs(tab, name="test")
        try:
            yield build_ui(app), given
        finally:
            callbacks.remove_callbacks_for_function(tab)
    app.close()


def test_a_tab_that_an_extension_puts_into_train_stands_beside_ours(foreign: Any) -> None:
    page, given = foreign
    (params,) = given
    assert [each.elem_id for each in params][:3] == ["txt2img_prompt", "txt2img_neg_prompt", "txt2img_steps"]
    folder = next(each for each in page.blocks.values() if each.elem_id == "foreign_folder")
    above = [folder]
    while above[-1].parent is not None:
        above.append(above[-1].parent)
    panel = next(each for each in above if "tabitem" in (each.elem_classes or []))
    assert panel.parent.elem_id == "train_tabs"
    button = next(each for each in page.blocks.values() if each.elem_id == f"{panel.elem_id}-button")
    assert button.value == "Preprocess" and button.parent.parent.elem_id == "train_tabs"


def test_a_click_that_cannot_be_carried_out_says_why(page: BuiltPage) -> None:
    button = page.components["train_train_embedding"]["id"]
    (send,) = [each for each in page.blocks.fns.values() if (button, "click") in each.targets]
    answer, message = send.fn("task(1)", *(getattr(each, "value", None) for each in send.inputs[1:]))      # type: ignore[misc]
    assert "no embedding to train" in json.loads(answer)["error"] and "no embedding to train" in message
