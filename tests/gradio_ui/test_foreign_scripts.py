"""An extension builds a tab like txt2img with the scripts on it: ``ScriptRunner.setup_ui``."""
from __future__ import annotations

import importlib
from typing import Any

import gradio as gr
import pytest

from modules.a1111 import callbacks
from modules.a1111.script import AlwaysVisible, Script, ScriptClassData
from modules.a1111.script_runner import ScriptRunner
from modules.application.app import App
from modules.gradio_ui import foreign_tabs, gradio3_words
from tests.a1111.conftest import a1111  # noqa: F401


def made(name: str, *, always: bool, place: str | None = None) -> ScriptClassData:
    class Mine(Script):
        section = place

        def title(self) -> str:
            return name

        def show(self, is_img2img: bool) -> Any:
            return AlwaysVisible if always else True

        def ui(self, is_img2img: bool) -> list[Any]:
            return [gr.Textbox(value=name, elem_id=f"mine_{name}")]

    return ScriptClassData(Mine, f"{name}.py", "", None)


@pytest.fixture
def runner(a1111: App) -> ScriptRunner:  # noqa: F811
    gradio3_words.install()
    foreign_tabs.offer_panels(a1111)
    found = ScriptRunner([made("always", always=True), made("seedlike", always=True, place="seed"), made("one", always=False), made("two", always=False)])
    found.initialize_scripts(is_img2img=True)
    return found


def test_its_fields_stand_section_by_section_and_are_the_arguments(runner: ScriptRunner) -> None:
    with gr.Blocks() as page:
        runner.prepare_ui()
        runner.setup_ui_for_section("seed")
        inputs = runner.setup_ui()
    assert [each.value for each in inputs] == ["None", "seedlike", "always", "one", "two"]
    assert [(each.args_from, each.args_to) for each in runner.scripts] == [(2, 3), (1, 2), (3, 4), (4, 5)]
    assert [each.group.visible for each in runner.selectable_scripts] == ["hidden", "hidden"]
    change = next(each for each in page.fns.values() if each.targets and each.targets[0][1] == "change")
    assert change.fn is not None and [each["visible"] for each in change.fn(2)] == ["hidden", True]


def test_the_runner_that_an_extension_names_hears_of_its_components(runner: ScriptRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Any] = []
    monkeypatch.setattr(runner, "after_component", lambda component, **_: heard.append(component.elem_id))
    scripts = importlib.import_module("modules.scripts")
    monkeypatch.setattr(scripts, "scripts_current", runner, raising=False)
    with gr.Blocks():
        gr.Textbox(elem_id="theirs")
    assert "theirs" in heard


@pytest.mark.parametrize("left", [False, True])
def test_a_tab_that_an_extension_puts_beside_ours_becomes_one_of_them(a1111: App, left: bool) -> None:  # noqa: F811
    """left: it enters and leaves the place of our tabs by itself, and Gradio completes what it finds there."""
    with gr.Blocks() as page, gr.Column() as home:
        with gr.Row() as nav:
            gr.Button("txt2img", elem_id="tab_txt2img-button")
        gr.Column(elem_id="tab_txt2img")
        with gr.Tab("mine", elem_id="tab_mine"):
            text = gr.Textbox()
        if left:
            home.fill_expected_parents()
        foreign_tabs.build_foreign_tabs(a1111, nav)
    assert [each.elem_id for each in nav.children] == ["tab_txt2img-button", "tab_mine-button"]
    place = next(each for each in page.blocks.values() if each.elem_id == "tab_mine")
    inside = text.parent
    while inside is not None and inside is not place:
        inside = inside.parent
    assert inside is place and "tabitem" in place.elem_classes


def test_a_tab_may_be_a_single_part(a1111: App) -> None:  # noqa: F811
    """Gradio 3 showed whatever could be rendered: an extension that gives the HTML inside its Blocks, not those, has a tab too."""

    def tabs() -> list[Any]:
        with gr.Blocks():
            inside = gr.HTML("<iframe></iframe>", elem_id="theirs")
        return [(inside, "Gallery", "gallery")]

    callbacks.on_ui_tabs(tabs)
    try:
        with gr.Blocks() as page:
            with gr.Row() as nav:
                gr.Button("txt2img", elem_id="tab_txt2img-button")
            foreign_tabs.build_foreign_tabs(a1111, nav)
    finally:
        callbacks.remove_callbacks_for_function(tabs)
    assert [each.elem_id for each in nav.children] == ["tab_txt2img-button", "tab_gallery-button"]
    place = next(each for each in page.blocks.values() if each.elem_id == "tab_gallery")
    assert [each.elem_id for each in place.children] == ["theirs"]


def test_a_script_that_fails_inside_its_own_blocks_leaves_the_page_to_the_others(runner: ScriptRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(is_img2img: bool) -> list[Any]:
        with gr.Blocks(), gr.Accordion("mine"):
            gr.Textbox()
            raise AttributeError("no such name")

    first = runner.alwayson_scripts[0]
    monkeypatch.setattr(first, "ui", fails)
    with gr.Blocks() as page:
        runner.prepare_ui()
        inputs = runner.setup_ui()
    assert [each.value for each in inputs[1:]] == [each.title() for each in runner.scripts if each is not first and each.section is None]
    config, placed = page.get_config_file(), set[int]()
    nodes: list[Any] = [config.get("layout")]
    for node in nodes:
        placed.add(node["id"])
        nodes += node.get("children") or []
    assert {each["id"] for each in config["components"]} <= placed, "the browser shows 'Loading...' until each has its place"
