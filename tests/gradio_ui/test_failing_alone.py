"""What an extension makes wrongly fails alone: the server starts, the page comes up, and Generate makes pictures."""
from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from modules.a1111 import callbacks
from modules.a1111.script import AlwaysVisible, Script, ScriptClassData
from modules.a1111.script_runner import ScriptRunner
from modules.application.app import App
from modules.gradio_ui import foreign_tabs, gradio3_words
from modules.gradio_ui.scripts_panel import received_or_default
from modules.schema.errors import InvalidValue
from tests.a1111.conftest import a1111  # noqa: F401


def told(page: gr.Blocks) -> list[str]:
    """The texts that a browser gets of a page."""
    gradio3_words.install()
    from gradio.routes import ORJSONResponse
    from gradio.utils import safe_deepcopy

    config = safe_deepcopy(page.get_config_file())
    ORJSONResponse._render(config)
    assert all(isinstance(each["props"].get(name, ""), str) for each in config["components"] for name in ("info", "label"))
    assert all(isinstance(each["props"].get("elem_classes", []), list) for each in config["components"]), "the browser joins them"
    return [each["props"].get("value") for each in config["components"] if each["type"] == "textbox"]


def made_with(ui: Any, **members: Any) -> ScriptClassData:
    names = {"title": lambda self: "mine", "show": lambda self, is_img2img: AlwaysVisible, "ui": ui, **members}
    return ScriptClassData(type("Mine", (Script,), names), "mine.py", "", None)


def built(*data: ScriptClassData) -> tuple[ScriptRunner, gr.Blocks]:
    """Those scripts on a page, and one that is as it should be behind them."""
    gradio3_words.install()
    runner = ScriptRunner([*data, made_with(lambda self, is_img2img: [gr.Textbox("good")], title=lambda self: "good")])
    runner.initialize_scripts(is_img2img=False)
    with gr.Blocks() as page:
        runner.prepare_ui()
        for script in runner.scripts:
            runner.create_script_ui(script)
    return runner, page


def half_made(self: Any, is_img2img: bool) -> Any:
    return [gr.Textbox("bad", scale="1")]                           # type: ignore[arg-type]


def half_wired(self: Any, is_img2img: bool) -> Any:
    gr.Button("bad").click(lambda value: value, inputs=[None], outputs=[])     # type: ignore[list-item]


@pytest.mark.parametrize("ui", [
    half_made,
    half_wired,
    lambda self, is_img2img: [gr.Textbox("bad"), None],
    lambda self, is_img2img: {"a": gr.Textbox("bad")},
    lambda self, is_img2img: [[gr.Textbox("bad")]],
    lambda self, is_img2img: [gr.Textbox],
    lambda self, is_img2img: 5,
    lambda self, is_img2img: [gr.Dropdown([["one"], ["two"]], value=["one"])],      # type: ignore[list-item]
])  # fmt: skip
def test_a_script_whose_controls_cannot_be_made_has_none(a1111: App, ui: Any) -> None:  # noqa: F811
    runner, page = built(made_with(ui))
    assert [each.value for each in runner.inputs[1:]] == ["good"] and runner.default_args() == [0, "good"]
    assert "good" in told(page)


def test_tabs_of_a_script_that_fails_halfway_do_not_stop_the_page(a1111: App) -> None:  # noqa: F811
    """In the browser a tab asks the gr.Tabs around it, and all that is put up after it fails where there is none."""
    def ui(self: Any, is_img2img: bool) -> Any:
        with gr.Accordion("bad"), gr.Tab("one"):
            raise ValueError("halfway")

    _, page = built(made_with(ui))
    tabs = [each for each in page.blocks.values() if isinstance(each, gr.Tab)]
    assert "good" in told(page) and len(tabs) == 1 and all(isinstance(each.parent, gr.Tabs) for each in tabs)


@pytest.mark.parametrize("control", [
    lambda: gr.Textbox(lambda: "x", every="1"),                     # type: ignore[arg-type]
    lambda: gr.Dropdown([gr], value=gr),                            # type: ignore[list-item, arg-type]
    lambda: gr.Textbox("\ud800"),
    lambda: gr.Textbox("x", label={"a": 1}, info=5),                # type: ignore[arg-type]
    lambda: gr.Textbox("x", elem_classes=5),                        # type: ignore[arg-type]
])  # fmt: skip
def test_a_control_that_browsers_cannot_be_told_of_leaves_the_page(a1111: App, control: Any) -> None:  # noqa: F811
    runner, page = built(made_with(lambda self, is_img2img: [control()]))
    assert len(runner.inputs) == 3 and told(page)[-1] == "good"


@pytest.mark.parametrize("members", [
    {"title": lambda self: None}, {"title": lambda self: 5}, {"on_after_component_elem_id": [None, ("a",)]}, {"infotext_fields": 5}, {"infotext_fields": [None, (None, "x")]},
])  # fmt: skip
def test_what_a_script_says_of_itself_wrongly_leaves_the_others(a1111: App, members: dict[str, Any]) -> None:  # noqa: F811
    runner, page = built(made_with(lambda self, is_img2img: [gr.Textbox("mine")], **members))
    assert [each.value for each in runner.inputs[1:]] == ["mine", "good"] and runner.infotext_fields == []
    assert told(page) == ["mine", "good"]


def test_no_script_in_the_list_is_called_as_the_choice_of_none(a1111: App) -> None:  # noqa: F811
    runner, _ = built(made_with(lambda self, is_img2img: [], title=lambda self: "None", show=lambda self, is_img2img: True))
    assert runner.titles == ["mine.py"]


@pytest.mark.parametrize(("control", "handed_over"), [
    (lambda: gr.Slider(0, 10, value="many"), "many"),               # type: ignore[arg-type]
    (lambda: gr.Slider(0, 10, value=[3]), [3]),                     # type: ignore[arg-type]
    (lambda: gr.Number(99, maximum=5), 99),
    (lambda: gr.Number(1, minimum="0"), 1),                         # type: ignore[arg-type]
])  # fmt: skip
def test_a_control_that_refuses_its_own_start_does_not_refuse_the_picture(control: Any, handed_over: Any) -> None:
    gradio3_words.install()
    with gr.Blocks():
        made = control()
    assert received_or_default(made, made.value) == handed_over


@pytest.mark.parametrize("control", [lambda: gr.Audio("/gone.wav"), lambda: gr.Video("/gone.mp4")])
def test_a_control_that_begins_with_a_file_which_is_gone_begins_empty(control: Any, tmp_path: Path) -> None:
    gradio3_words.install()
    (tmp_path / "there.obj").write_text("v 0 0 0")
    with gr.Blocks() as page:
        control()
        gr.Model3D(str(tmp_path / "there.obj"))
    gone, there = (each["props"]["value"] for each in page.get_config_file()["components"] if each["type"] in ("audio", "video", "model3d"))
    assert gone is None and there["path"]           # a browser sends back what it was given, and a file that is nowhere is refused


def test_what_a_user_types_out_of_range_is_still_refused() -> None:
    with gr.Blocks():
        made = gr.Number(3, maximum=5)
    with pytest.raises(InvalidValue, match="greater than maximum"):
        received_or_default(made, 7)


def test_a_part_of_ours_that_an_extension_writes_over_is_shown_as_it_was_made(a1111: App) -> None:  # noqa: F811
    gradio3_words.install()
    with gr.Blocks() as page:
        ours = gr.Radio(["a", "b"], value="a", elem_id="ours")
        ours.choices = None                                         # type: ignore[assignment]
    assert next(each for each in page.get_config_file()["components"] if each["type"] == "radio")["props"]["choices"] == [("a", "a"), ("b", "b")]


def test_a_tab_of_an_extension_does_not_take_the_place_of_ours(a1111: App) -> None:  # noqa: F811
    callbacks.on_ui_tabs(lambda: [(gr.Blocks(), "Settings", "settings")])
    with gr.Blocks() as page:
        with gr.Row() as nav:
            gr.Button("Settings", elem_id="tab_settings-button")
        gr.Column(elem_id="tab_settings")
        foreign_tabs.build_foreign_tabs(a1111, nav)
    assert len(nav.children) == 1 and [each.elem_id for each in page.blocks.values()].count("tab_settings") == 1


def test_a_button_that_would_end_the_program_fails_alone() -> None:
    """Abysz LAB calls ``exit(1)`` where ImageMagick is missing, and the server was gone."""
    gradio3_words.install()
    with gr.Blocks() as page:
        gr.Button("run").click(lambda: exit(1), None, None)
    with pytest.raises(gr.Error, match="asked the whole program to end"):
        asyncio.run(page.process_api(0, []))
