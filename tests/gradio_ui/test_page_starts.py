"""ui-config.json reaches the controls of scripts, extensions and their tabs; what programs are told of them stays."""
from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from modules.a1111.script import AlwaysVisible, Script, ScriptClassData
from modules.a1111.script_controls import default_value, described
from modules.a1111.script_host import install_scripts
from modules.application.app import App
from modules.gradio_ui.build import Page, build_ui
from modules.gradio_ui.foreign_components import InputAccordion
from modules.gradio_ui.loadsave_view import LoadsaveView
from modules.gradio_ui.page_keys import keyed_controls
from modules.gradio_ui.page_starts import start_as_configured
from modules.gradio_ui.ui_config import UiConfig
from modules.gradio_ui.ui_defaults import Defaults


class Controls(Script):
    """An extension's, with a control that it does not hand over."""

    def title(self) -> str:
        return "Controls"

    def show(self, is_img2img: bool) -> Any:
        return AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Any]:
        with InputAccordion(False, label="Controls on") as switch:
            gr.Checkbox(False, label="Loose")
        return [switch, gr.Dropdown(["a", "b"], value="a", type="index", label="Place"), gr.Dropdown(["x", "y", "z"], value=["x"], multiselect=True, label="Many")]


KEYS = {
    "customscript/prompt_matrix.py/txt2img/Grid margins (px)/value": 7, "customscript/controls.py/txt2img/Controls on/value": True, "txt2img/Loose/value": True,
    "customscript/controls.py/txt2img/Place/value": "b", "customscript/controls.py/txt2img/Many/value": ["y", "z"],
    "customscript/sampler.py/txt2img/Sampling steps/value": 9, "txt2img/Sampling steps/value": 11, "customscript/refiner.py/txt2img/Switch at/value": 0.5,
    "customscript/postprocessing_codeformer.py/extras/Visibility/value": 0.3, "txt2img/Width/value": 128, "txt2img/Script/value": "Prompt matrix",
}  # fmt: skip


@pytest.fixture
def built(make_app: Callable[..., App]) -> Callable[[dict[str, Any]], tuple[App, Page]]:
    """A function (what the file says) -> the server and its page."""

    def build(said: dict[str, Any]) -> tuple[App, Page]:
        app = make_app()
        app.paths.ui_config_file.write_text(json.dumps(said))
        host = install_scripts(app, gr.Blocks)
        host.scripts_data.append(ScriptClassData(Controls, str(app.paths.data_dir / "controls.py"), "", None))
        host.initialize()
        return app, build_ui(app)

    return build


def starts(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in keyed_controls(page):
        found.setdefault(f"{each.path}/value", each.own("value"))
    return found


def test_a_moved_file_reaches_scripts_and_programs_are_told_what_the_scripts_say(built: Callable[..., tuple[App, Page]], caplog: pytest.LogCaptureFixture) -> None:
    app, page = built(KEYS)
    found = starts(page)
    assert {key: found[key] for key in KEYS if key in found} == {key: value for key, value in KEYS.items() if key != "txt2img/Sampling steps/value"}
    runner: Any = app.scripts.host.with_ui(app.scripts.host.txt2img)  # type: ignore[union-attr]
    matrix, own = runner.script("prompt matrix"), runner.script("controls")
    assert [runner.default_args()[place] for place in range(own.args_from, own.args_to)] == [False, 0, ["x"]]
    assert described(matrix.controls[-1])["value"] == 0 and described(own.controls[2])["value"] == ["x"]
    assert "unseen" not in matrix.group.elem_classes and "unseen" in runner.script("x/y/z plot").group.elem_classes
    assert "passed over" not in caplog.text
    kept = Defaults.of(page, app.paths.ui_config_file)
    now = {**found, "customscript/controls.py/txt2img/Place/value": "a", "customscript/sampler.py/txt2img/Sampling steps/value": 12, "txt2img/Loose/value": False}
    assert "No field differs" in kept.view(json.dumps([found[key] for key in kept.components]))
    kept.apply(json.dumps([now[key] for key in kept.components]))
    assert UiConfig.read(app.paths.ui_config_file).values == {**KEYS, **{key: now[key] for key in now if now[key] != found[key]}}
    again = starts(build_ui(app))       # "Reload UI"
    assert {key for key in again if again[key] != now[key]} == set()


def test_a_file_of_every_value_that_the_page_has_changes_nothing(built: Callable[..., tuple[App, Page]], caplog: pytest.LogCaptureFixture) -> None:
    """As A1111 writes it."""
    app, page = built({})
    before = LoadsaveView(page, Path("none.json")).ui_settings
    app.paths.ui_config_file.write_text(json.dumps(before))
    assert LoadsaveView(build_ui(app), Path("none.json")).ui_settings == before and "passed over" not in caplog.text


def test_a_sampler_and_schedule_in_one_name_as_before_1_9_is_what_the_page_opens_with(built: Callable[..., tuple[App, Page]]) -> None:
    said = {"txt2img/Sampling method/value": "DPM++ SDE Karras", "img2img/Sampling method/value": "DPM++ 2M Karras"}
    newer = {"customscript/sampler.py/img2img/Sampling method/value": "Euler a", "customscript/sampler.py/img2img/Schedule type/value": "Automatic"}
    found = starts(built(said | newer)[1])
    assert [found[f"customscript/sampler.py/txt2img/{name}/value"] for name in ("Sampling method", "Schedule type")] == ["DPM++ SDE", "Karras"]
    assert {key: found[key] for key in newer} == newer      # an upgraded A1111 wrote these later, and left the older ones


def one(control: Callable[[], Any], said: dict[str, Any], caplog: pytest.LogCaptureFixture) -> tuple[Any, list[str]]:
    """A control called Field on an extension's tab, once ``said`` of it was read; and the lines of the log."""
    with gr.Blocks() as page, gr.Column(elem_id="tabs"), gr.Column(elem_id="tab_mine"):
        made = control()
    with caplog.at_level(logging.WARNING):
        start_as_configured(page, UiConfig(Path("ui-config.json"), {f"mine/Field/{name}": value for name, value in said.items()}))
    return made, [each.getMessage() for each in caplog.records]


NAMED: Any = {"choices": [("One", 1), ("Two", 2)], "value": 1, "label": "Field"}


@pytest.mark.parametrize(("control", "said", "left"), [
    (lambda: gr.Slider(0, 10, value=2, label="Field"), {"value": 12, "maximum": 20, "step": 0.5}, {"value": 12, "maximum": 20, "step": 0.5}),
    (lambda: gr.Number(5, precision=0, label="Field"), {"value": 8.0}, {"value": 8}), (lambda: gr.Textbox("a", label="Field"), {"value": 5}, {"value": "5"}),
    (lambda: gr.Dropdown(**NAMED), {"value": 2}, {"value": 2}), (lambda: gr.Dropdown(**NAMED), {"value": "Two"}, {"value": 2}),
    (lambda: gr.Radio(["a", "b"], value="a", label="Field"), {"value": "b"}, {"value": "b"}), (lambda: gr.Button("Field"), {"visible": False}, {"visible": "hidden"}),
    (lambda: gr.Checkbox(False, label="Field"), {"value": True, "visible": True}, {"value": True, "visible": True}),
    (lambda: InputAccordion(False, label="Field"), {"visible": False}, {"visible": "hidden"}),
])  # fmt: skip
def test_each_kind_takes_what_fits(control: Callable[[], Any], said: dict[str, Any], left: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    made, lines = one(control, said, caplog)
    assert {name: getattr(made, name) for name in left} == left and lines == []
    assert all(type(getattr(made, name)) is type(value) for name, value in left.items())
    if isinstance(made, InputAccordion):
        assert made.accordion.visible == "hidden"


@pytest.mark.parametrize(("control", "said", "nearest"), [
    (lambda: gr.Slider(0, 10, value=2, label="Field"), {"value": 12}, 10), (lambda: gr.Slider(1, 10, value=2, label="Field"), {"value": -3}, 1),
    (lambda: gr.Slider(0, 10, value=2, label="Field"), {"value": 50, "maximum": 20}, 20), (lambda: gr.Number(5, maximum=9, label="Field"), {"value": 10}, 9),
])  # fmt: skip
def test_a_number_beyond_the_bounds_becomes_the_nearest_and_the_log_says_it(control: Callable[[], Any], said: dict[str, Any], nearest: int, caplog: pytest.LogCaptureFixture) -> None:
    made, lines = one(control, said, caplog)
    assert made.value == nearest and len(lines) == 1 and f"the nearest, {nearest}, is taken" in lines[0]


@pytest.mark.parametrize(("control", "said", "passed"), [
    (lambda: gr.Slider(0, 10, value=2, label="Field"), {"minimum": 3}, ["minimum"]),
    (lambda: gr.Slider(0, 10, value=2, label="Field"), {"value": float("nan"), "step": 0}, ["value", "step"]),
    (lambda: gr.Textbox("a", label="Field"), {"value": [1]}, ["value"]),
    (lambda: gr.Dropdown(["a"], value="a", label="Field"), {"value": "b"}, ["value"]), (lambda: gr.Checkbox(False, label="Field"), {"value": "yes"}, ["value"]),
    (lambda: gr.Dropdown(["a", "b"], value=["a"], multiselect=True, label="Field"), {"value": ["b", "c"]}, ["value"]),
    (lambda: gr.Dropdown(["a", "b"], value=["a"], multiselect=True, label="Field"), {"value": "b"}, ["value"]), (lambda: gr.Radio([1], label="Field"), {"value": True}, ["value"]),
])  # fmt: skip
def test_what_does_not_fit_is_passed_over_and_the_log_says_it(control: Callable[[], Any], said: dict[str, Any], passed: list[str], caplog: pytest.LogCaptureFixture) -> None:
    made, lines = one(control, said, caplog)
    fresh = control()
    assert all(getattr(made, name) == getattr(fresh, name) for name in said)
    assert [each.split()[1] for each in lines] == [f"mine/Field/{name}" for name in passed] and all("passed over" in each for each in lines)
    assert default_value(made) == default_value(fresh)


def test_a_start_that_the_page_has_made_room_for_stays_beside_the_bounds_that_a1111_wrote(caplog: pytest.LogCaptureFixture) -> None:
    made, lines = one(lambda: gr.Slider(64, 2560, value=2560, label="Field"), {"value": 2560, "minimum": 64, "maximum": 2048}, caplog)
    assert (made.value, made.maximum) == (2560, 2560) and lines == []
