"""What was written for Gradio 3 builds, and says the same, on Gradio 6."""
from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from gradio.context import LocalContext
from gradio.data_classes import _StaticFiles
from gradio.state_holder import SessionState
from PIL import Image

from modules.a1111 import callbacks
from modules.application.app import App
from modules.gradio_ui import gradio3_words
from modules.gradio_ui.build import Page
from modules.gradio_ui.demo_view import DemoView
from tests.a1111.conftest import a1111  # noqa: F401


@pytest.fixture(autouse=True)
def words() -> None:
    gradio3_words.install()


def test_keywords_that_are_gone_are_left_out() -> None:
    with gr.Blocks(variant="compact", css="b { color: red }") as page, gr.Box(), gr.Row(variant="compact"):
        text = gr.Textbox(label="x", elem_id="x", visible=False).style(container=False)
        gr.Button("b", variant="tool")
        gr.Gallery(label="g").style(grid=4, height="auto")
        picture = gr.Image(source="upload", tool="editor", type="pil", brush_radius=4)
        gr.File(type="file")
        gr.UploadButton(type="bytes")
        gr.Dataframe(max_rows=5, overflow_row_behaviour="paginate")
    assert text.visible == "hidden" and "gradio-textbox" in text.elem_classes
    assert picture.sources == ["upload"] and gr.HTML(word="kept").props["word"] == "kept"
    assert page.get_config_file()["components"]


def test_any_component_takes_a_tooltip() -> None:
    """A1111 takes one for all, with an elem_id or without (Hires. fix tweaks, Notepad, Advanced X/Y/Z)."""
    from modules.gradio_ui.foreign_components import ToolButton

    with Page() as page:
        slider, nameless, plain = gr.Slider(elem_id="s", tooltip="how much"), ToolButton("x", tooltip="what x does"), gr.Button("y")      # type: ignore[call-arg]
    assert {str(each.elem_id): each.webui_tooltip for each in page.blocks.values() if hasattr(each, "webui_tooltip")} == {"s": "how much", nameless.elem_id: "what x does"}
    assert "with-tooltip" in slider.elem_classes and "tool" in nameless.elem_classes and plain.elem_id is None


def test_the_buttons_of_a_text_or_a_picture_are_those_that_were_asked_for() -> None:
    with gr.Blocks():
        text, other = gr.Textbox(show_copy_button=True), gr.Textbox()                                   # type: ignore[call-arg]
        picture, gallery = gr.Image(show_download_button=False), gr.Gallery(show_download_button=True)      # type: ignore[call-arg]
    assert text.buttons == ["copy"] and not other.buttons
    assert "download" not in picture.buttons and "download" in gallery.buttons      # type: ignore[operator]


def test_a_dropdown_without_a_value_has_none() -> None:
    with gr.Blocks():
        assert gr.Dropdown(["a", "b"]).value is None
        assert gr.Dropdown(["a", "b"], value="b").value == "b"


def test_all_tabs_have_their_buttons_in_the_row() -> None:
    with gr.Blocks():
        tabs, asked = gr.Tabs(elem_id="many"), gr.Tabs(overflow_behavior="menu")
    assert (tabs.overflow_behavior, asked.overflow_behavior) == ("wrap", "menu")


def test_what_is_no_tab_comes_behind_the_tabs() -> None:
    with gr.Blocks(), gr.Tabs() as tabs:
        gr.Textbox()
        first, second = gr.Tab("a"), gr.Tab("b")
    assert tabs.children[:2] == [first, second]
    assert len(tabs.children) == 3


def test_tabs_without_a_tab_show_what_is_in_them() -> None:
    """Gradio 6's page does not come up with such tabs in it."""
    with gr.Blocks() as page:
        with gr.Tabs(elem_id="none") as tabs:
            gr.Textbox(elem_id="inside")
        with gr.Tabs(elem_id="one"), gr.Tab("a"):
            gr.Textbox()
    kinds = {each["props"].get("elem_id"): each["type"] for each in page.get_config_file()["components"]}
    assert (kinds["none"], kinds["one"], tabs.children[0].elem_id) == ("column", "tabs", None if tabs.children[0].get_block_name() == "form" else "inside")


def test_a_row_is_hidden_and_shown_by_its_class() -> None:
    with gr.Blocks():
        row, text = gr.Row(visible=False, elem_classes=["mine"]), gr.Textbox(visible=False, elem_id="x")
    assert row.elem_classes == ["gradio-row", "unshown", "mine"]
    assert "unshown" not in (text.elem_classes or [])
    shown = gradio3_words.shown_or_not(row, {"__type__": "update", "visible": True})
    assert shown == {"__type__": "update", "visible": True, "elem_classes": ["gradio-row", "mine"]}
    assert gradio3_words.shown_or_not(row, {"__type__": "update", "visible": "hidden"})["elem_classes"] == ["gradio-row", "mine", "unshown"]
    assert gradio3_words.shown_or_not(text, {"__type__": "update", "visible": True}) == {"__type__": "update", "visible": True}


def test_events_take_js_and_follow_each_other() -> None:
    with gr.Blocks() as page:
        text, button = gr.Textbox(), gr.Button("b")
        button.click(lambda x: x, inputs=[text], outputs=[text], _js="(x) => x", show_progress=False, status_tracker=None).then(
            fn=None, _js="() => {}"
        ).success(None, _js="() => {}")
        page.load(None, _js="() => {}")
        gr.Image(tool="sketch").edit(lambda x: x, [], [])
    assert [each.js for each in page.fns.values()][:4] == ["(x) => x", "() => {}", "() => {}", "() => {}"]


def test_updates_keep_what_is_hidden_in_the_page() -> None:
    assert gr.Textbox.update(value="a", visible=False) == {"__type__": "update", "value": "a", "visible": "hidden"}
    assert gr.update(value=0)["value"] == 0


def test_a_subclass_may_do_the_same(tmp_path: Path) -> None:
    class Tool(gr.Button, gr.components.FormComponent):
        def __init__(self, *arguments: object, **keywords: object) -> None:
            super().__init__(*arguments, variant="tool", **keywords)

        def get_block_name(self) -> str:
            return "button"

    with gr.Blocks() as page:
        assert Tool("x", elem_id="t", unheard_of=5).elem_classes == ["gradio-button"]
    props = next(each["props"] for each in page.get_config_file()["components"] if each["type"] == "button")
    assert (props["elem_id"], props["value"], props["variant"]) == ("t", "x", "tool")
    assert not list(Path(__file__).parent.glob("*.pyi"))


def test_an_update_of_a_component_whose_class_binds_events_is_no_second_making(a1111: App) -> None:  # noqa: F811
    class Fold(gr.Checkbox):
        def __init__(self, value: bool = False, setup: bool = False, **keywords: Any) -> None:
            super().__init__(value=value, **keywords)
            if setup:
                self.change(None, _js="() => {}", inputs=[self]).then(None, _js="() => {}")

    told = []
    callbacks.on_before_component(lambda component, **_: told.append(type(component)))
    callbacks.on_after_component(lambda component, **_: told.append(type(component)))
    with Page() as page:
        gradio3_words.install(Page)
        fold = Fold(setup=True, elem_id="fold")
        gr.Button("b").click(lambda: gr.update(value=True, label="new"), outputs=[fold])
    events, made = len(page.fns), list(told)
    answer = asyncio.run(page.postprocess_data(page.fns[events - 1], gr.update(value=True, label="new"), SessionState(page)))
    assert answer[0]["value"] is True and answer[0]["label"] == "new"
    assert len(page.fns) == events and told == made and Fold in made



@pytest.mark.parametrize("kind", ["pil", "numpy"])
def test_a_sketch_is_a_picture_and_a_mask(kind: str) -> None:
    from gradio.components.image_editor import EditorData
    from gradio.data_classes import FileData

    with gr.Blocks():
        sketch = gr.Image(source="upload", tool="sketch", type=kind, elem_id="s")
    layer = Image.new("RGBA", (8, 8))
    layer.paste((0, 0, 0, 255), (0, 0, 4, 8))
    folder = Path(sketch.GRADIO_CACHE)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"sketch-{name}.png" for name in ("background", "layer")}
    Image.new("RGB", (8, 8), "red").save(paths["background"])
    layer.save(paths["layer"])
    payload = EditorData(background=FileData(path=str(paths["background"])), layers=[FileData(path=str(paths["layer"]))], composite=None)
    found = sketch.preprocess(payload)
    assert sketch.get_block_name() == "imageeditor"
    assert np.array(found["image"]).shape == (8, 8, 3)
    mask = np.array(found["mask"])[..., 0]
    assert mask[:, :4].min() == 255 and mask[:, 4:].max() == 0
    assert sketch.preprocess(EditorData(background=None, layers=[], composite=None)) is None


def test_components_are_told_before_and_after(a1111: App) -> None:  # noqa: F811
    told: list[tuple[str, object]] = []
    callbacks.on_before_component(lambda component, **words: told.append(("before", words.get("elem_id"))))
    callbacks.on_after_component(lambda component, **words: told.append((type(component).__name__, component.elem_id)))
    with gr.Blocks(), gr.Row(elem_id="r"):
        gr.Textbox(elem_id="t")
    assert told == [("before", "r"), ("Row", "r"), ("before", "t"), ("Textbox", "t")]


def test_a_text_field_without_a_value_is_empty() -> None:
    """Extensions split what their fields hold; over the API, too, a field that is left out has its value."""
    with gr.Blocks():
        fields = (gr.Textbox(label="x"), gr.TextArea(), gr.Textbox("y"), gr.Textbox(value=None))
    assert [each.value for each in fields] == ["", "", "y", None]


def test_a_slider_hands_on_what_lies_beyond_its_ends() -> None:
    """As in Gradio 3: infinite-zoom's number of doubled frames begins at 0, below its minimum, and no click on its Generate got through."""
    with gr.Blocks():
        slider = gr.Slider(minimum=1, maximum=64, value=0, step=1, label="Frames")
    assert (slider.preprocess(0), slider.preprocess(65), slider.preprocess(7)) == (0, 65, 7)


def test_a_number_that_is_written_as_a_text_is_one() -> None:
    """One Button Prompt has ``gr.Slider(1, 50, value="20")``: with it installed, Generate refused every picture, whatever script was chosen."""
    with gr.Blocks():
        written: Any = ("20", "0.60")
        slider, number = gr.Slider(1, 50, value=written[0], step=1), gr.Number(value=written[1])
    assert (slider.value, number.value) == (20, 0.6)
    assert (slider.preprocess("20"), slider.preprocess("6.5"), number.preprocess("7")) == (20, 6.5, 7)     # type: ignore[arg-type]


@pytest.mark.parametrize(("said", "kind"), [("pil", ".png"), ("webp", ".webp"), ("jpg", ".jpeg"), ("png", ".png")])
def test_a_gallery_shows_pictures_whatever_kind_of_file_it_names(said: str, kind: str) -> None:
    """Quick Recents names "pil", and showed an error for every picture."""
    with gr.Blocks():
        gallery = gr.Gallery(format=said)
    shown: Any = gallery.postprocess([Image.new("RGB", (4, 4))])
    assert shown.root[0].image.path.endswith(kind)


def test_an_event_keeps_the_inputs_it_was_given() -> None:
    """Prompt Formatter collects the prompts of both tabs in one list: its button of the first tab was asked for those of the second as well, and failed."""
    with gr.Blocks() as page:
        boxes = [gr.Textbox()]
        gr.Button().click(lambda value: value, boxes, boxes)
        gr.Button().click(fn=lambda value: value, inputs=boxes, outputs=boxes).then(lambda value: value, boxes, boxes)
        boxes.append(gr.Textbox())
    assert [(len(each.inputs), len(each.outputs)) for each in page.fns.values()] == [(1, 1)] * 3


def test_an_event_that_takes_a_field_of_the_pages_scripts_asks_them_however_it_is_written(a1111: App, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """Else an extension's button gets the picture that stood on a canvas when Generate was last clicked, or none."""
    monkeypatch.setattr(a1111.extensions, "owning", lambda file: "theirs")
    with gr.Blocks() as page:
        field: Any = gr.Textbox(elem_id="canvas")
        field.by_script = True
        gr.Button().click(len, [field], [field]).then(len, [field])
        gr.Button().click(fn=len, inputs=[field]).then(len, field)
    asked = [str(each.js) for each in page.fns.values()]
    assert len(asked) == 4 and all('webui.filled(values.slice(0, 1), {"canvas": 0})' in each for each in asked)


def test_a_gallery_that_an_event_takes_asks_for_no_files() -> None:
    """Gradio 6 shows "Drop Media Here" in one that is an input of an event, as each control of a script is of Generate."""
    with gr.Blocks() as page:
        gallery, asking = gr.Gallery(), gr.Gallery(interactive=True)
        gr.Button().click(lambda *_: None, [gallery, asking])
    shown = {each["id"]: each["props"]["interactive"] for each in page.get_config_file()["components"] if each["type"] == "gallery"}
    assert shown == {gallery._id: False, asking._id: True}


def test_pictures_have_no_button_that_sends_them_away_and_keep_their_columns() -> None:
    """Gradio 6's "Share" sends them to Hugging Face; and few pictures would be as wide as all columns together."""
    with gr.Blocks() as page:
        made = [gr.Gallery(columns=6), gr.Image(), gr.Audio(), gr.Chatbot(), gr.Gallery(buttons=["share"])]
    props = {each["id"]: each["props"] for each in page.get_config_file()["components"]}
    assert ["share" in props[each._id]["buttons"] for each in made] == [False, False, False, False, True]
    assert props[made[0]._id]["fit_columns"] is False and "download" in props[made[1]._id]["buttons"]


def test_a_function_that_names_the_component_as_its_type_gets_the_value() -> None:
    """ControlNet Fastload's View says ``file: gr.File``: it read a file called "file", the kind of the component."""
    def shown(text: gr.Textbox, number: gr.Number = 2) -> str:      # type: ignore[assignment]
        return f"{text}{number}"

    with gr.Blocks() as page:
        box = gr.Textbox()
        gr.Button().click(shown, [box], [box])
    assert asyncio.run(page.process_api(page.fns[0], ["seen"], SessionState(page)))["data"] == ["seen2"]


@pytest.mark.parametrize("said", ["file", "auto", None])
def test_a_gallery_takes_any_type_as_gradio3_did(said: Any) -> None:
    """ControlNet Fastload says "file", which Gradio 6 refused: none of its controls came."""
    with gr.Blocks():
        assert gr.Gallery(type=said).type == "filepath"
        assert gr.Gallery(type="pil").type == "pil"


@pytest.mark.parametrize("kind", [gr.Image, gr.Gallery])
def test_a_saved_picture_is_shown_by_its_file(kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Quick Recents shows pictures of before: it hands over a dot that says where each lies."""
    lying, elsewhere = tmp_path / "outputs" / "00001-5.png", tmp_path / "secret.png"
    lying.parent.mkdir()
    monkeypatch.setattr(_StaticFiles, "all_paths", [lying.parent])
    with gr.Blocks():
        block = kind()
    for path, is_shown in ((lying, True), (elsewhere, False), (lying.with_name("gone.png"), False)):
        picture = Image.new("RGB", (1, 1))
        if path.name != "gone.png":
            picture.save(path)
        picture.already_saved_as = str(path)  # type: ignore[attr-defined]
        shown = block.postprocess([picture] if kind is gr.Gallery else picture).model_dump()
        assert ((shown[0]["image"] if kind is gr.Gallery else shown)["path"] == str(path)) == is_shown


@pytest.mark.parametrize("kind", [gr.Image, gr.Gallery])
def test_a_picture_that_an_extension_shows_keeps_its_pixels_and_its_parameters(kind: Any) -> None:
    picture = Image.effect_noise((40, 30), 90).convert("RGB")
    picture.info["parameters"] = "a cat\nSteps: 4, Seed: 1, Size: 40x30"
    with gr.Blocks():
        block = kind()
    shown = block.postprocess([picture] if kind is gr.Gallery else picture).model_dump()
    with Image.open((shown[0]["image"] if kind is gr.Gallery else shown)["path"]) as read:
        assert read.convert("RGB").tobytes() == picture.tobytes() and read.info["parameters"] == picture.info["parameters"]


def test_a_load_with_every_is_repeated_while_the_page_is_open() -> None:
    """Prompt History fills its table so: Gradio 6 knows no ``every=`` there, and what was drawn since the page came never stood in it."""
    with gr.Blocks() as page:
        text = gr.Textbox()
        page.load(lambda: "again", None, [text], every=2)    # type: ignore[call-arg]
    [timer] = [each for each in page.blocks.values() if isinstance(each, gr.Timer)]
    loaded, ticked = page.fns.values()
    assert timer.value == 2 and ("tick" in str(ticked.targets) or "tick" in str(loaded.targets)) and ticked.outputs == loaded.outputs == [text]


def test_a_click_with_every_is_repeated_until_another_cancels_it() -> None:
    """Batchlinks shows its log so while it downloads."""
    with gr.Blocks() as page:
        text, begin, end = gr.Textbox(), gr.Button(), gr.Button()
        begun = begin.click(lambda: "again", None, [text], every=1)    # type: ignore[call-arg]
        end.click(None, None, None, cancels=[begun])
    [timer] = [each for each in page.blocks.values() if isinstance(each, gr.Timer)]
    [ticked] = [each for each in page.fns.values() if (timer._id, "tick") in each.targets]
    switches = [each.fn().active for each in page.fns.values() if each.outputs == [timer]]     # type: ignore[misc]
    assert timer.value == 1 and not timer.active and ticked.outputs == [text] and switches == [True, False]


def test_a_component_in_an_events_function_is_an_answer() -> None:
    """NudeNet's censor writes ``gr.Number().update(visible=...)``: with it installed every visit began with an error."""
    with gr.Blocks():
        gr.Number(label="first")
    token = LocalContext.in_event_listener.set(True)
    try:
        assert gr.Number().update(visible=False) == gr.update(visible=False)     # type: ignore[attr-defined]
        assert gr.Number(visible=True)._constructor_args[-1]["visible"] is True
        for answer in (gr.Textbox(visible=True), gr.Dropdown(choices=["a"])):
            assert "value" not in answer.constructor_args, "the field would lose what was typed or chosen"
    finally:
        LocalContext.in_event_listener.reset(token)


def test_a_label_without_words_shows_none() -> None:
    """Gradio 6 writes the kind of a field there: "Textbox", "Radio"."""
    with gr.Blocks():
        fields = (gr.Textbox(label=""), gr.Radio(["a"], label=""), gr.Textbox(label="", show_label=True), gr.Textbox(label="x"), gr.Image(label=""))
        gr.Button("no label")
    assert [each.show_label for each in fields] == [False, False, True, True, False]


def test_the_page_looks_as_gradio_3_showed_it() -> None:
    with gr.Blocks() as page:
        text = gr.Textbox(elem_id="t")
        text.change(lambda x: x, [text], [text])
    view = DemoView(page)
    assert view.dependencies[0]["targets"] == [text._id] and view.dependencies[0]["trigger"] == "change"
    assert view.fns[0].fn is not None and view.blocks[text._id] is text


@pytest.mark.parametrize("with_scripts", [True, False])
def test_an_input_accordion_holds_its_content(with_scripts: bool) -> None:
    from modules.gradio_ui.foreign_components import InputAccordion, ToolButton

    with gr.Blocks() as page, InputAccordion(True, label="More", elem_id="more") as enabled:
        if with_scripts:
            with enabled.extra():
                ToolButton("x", elem_id="tool")
        inside = gr.Textbox(elem_id="inside")
    assert enabled.value is True and enabled.elem_id == "more-checkbox"
    assert inside.parent is not None
    page.get_config_file()


def test_components_are_found_where_gradio_2_had_them() -> None:
    from gradio.outputs import Image as Shown  # pyright: ignore[reportMissingImports]

    assert Shown is gr.Image and not hasattr(gr.inputs, "Carousel")     # type: ignore[attr-defined]
    with gr.Blocks():
        assert gr.inputs.Textbox(label="Name", default="cat").value == "cat"        # type: ignore[attr-defined]
        assert gr.inputs.Checkbox(label="Keep", default=True).value is True         # type: ignore[attr-defined]
        assert gr.inputs.Slider(minimum=0, maximum=9, step=1, default=4).value == 4         # type: ignore[attr-defined]


def test_a_click_that_an_extension_put_in_place_is_asked_and_does_not_end_the_page(a1111: App) -> None:  # noqa: F811
    asked: list[str] = []

    def replace(component: Any, **words: Any) -> None:
        own = getattr(component, "click", None)
        if words.get("elem_id") == "narrow":
            component.click = lambda **keywords: asked.append("narrow")     # takes no function by position
        if words.get("elem_id") == "wide":
            component.click = lambda *arguments, **keywords: (asked.append("wide"), own(*arguments, **keywords))[1]     # type: ignore[misc]

    callbacks.on_after_component(replace)
    with gr.Blocks() as page:
        for name in ("narrow", "wide"):
            gr.Button(elem_id=name).click(lambda: None, inputs=[], outputs=[])
    assert asked == ["wide"] and len(page.fns) == 2
    assert "click of narrow" in a1111.extensions.troubles.found[0].place
