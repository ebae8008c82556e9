"""What functions written for Gradio 3 are given of the page, also where a script of the page sends another value in a component's place."""
from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from gradio.exceptions import Error
from gradio.state_holder import SessionState
from PIL import Image

from modules.gradio_ui import gradio3_words
from modules.gradio_ui.build import Page
from modules.gradio_ui.canvas import CanvasText
from modules.gradio_ui.submit import _submit_js


@pytest.fixture(autouse=True)
def words() -> None:
    gradio3_words.install(Page)


def url_of(color: str) -> str:
    data = io.BytesIO()
    Image.new("RGB", (8, 6), color).save(data, "PNG")
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


def asked(page: Page, number: int, values: list[Any]) -> list[Any]:
    page.allowed_paths = []
    return asyncio.run(page.process_api(page.fns[number], values, SessionState(page)))["data"]


def given(make: Callable[[], Any], sent: Any) -> Any:
    """What a click's function gets, in whose input's place ``sent`` is sent."""
    got: list[Any] = []
    with Page() as page:
        gr.Button().click(got.append, [make()], [])
    asked(page, 0, [sent])
    return got[0]


def test_a_picture_of_a_gallery_is_found_as_gradio_3_and_as_later_ones_named_it() -> None:
    """Segment Anything, Images Browser, Cleaner: ``gallery[0]["name"]`` raised for every picture."""
    got: list[Any] = []

    def take(gallery: list[Any]) -> list[Any]:
        got[:] = gallery
        return gallery

    with Page() as page:
        gallery = gr.Gallery()
        gr.Button().click(lambda: [Image.new("RGB", (8, 6), "red"), (Image.new("RGB", (8, 6), "blue"), "words")], None, [gallery])
        gr.Button().click(take, [gallery], [gallery])
    shown = [each.model_dump() for each in asked(page, 0, [])[0].root] if hasattr(asked(page, 0, [])[0], "root") else asked(page, 0, [])[0]
    again = asked(page, 1, [shown])[0]
    plain, captioned = got
    assert Image.open(plain["name"]).getpixel((0, 0)) == (255, 0, 0) and plain["is_file"] and plain.get("data") is None
    assert captioned[0]["name"] == captioned[0] == captioned["name"] and captioned[1] == "words"
    path, caption = captioned
    assert Path(path).is_file() and caption == "words" and isinstance(captioned, tuple)
    assert len(again) == 2, "a function may give back what it got"


def test_an_empty_gallery_is_an_empty_list() -> None:
    assert given(gr.Gallery, []) == []


@pytest.mark.parametrize("sent", ["a name", 3, {"a": 1}, ["x", None]])
def test_a_label_stands_for_whatever_a_script_sends(sent: Any) -> None:
    """A1111's own way of handing something to a function; OpenPose Editor could save no preset."""
    assert given(lambda: gr.Label(visible=False), sent) == sent


@pytest.mark.parametrize("make", [lambda: gr.Image(type="pil"), lambda: gr.Image(type="pil", source="canvas"), lambda: gr.Image(type="pil", tool="color-sketch")])   # type: ignore[call-arg]
def test_a_picture_may_be_sent_as_a_text(make: Callable[[], Any]) -> None:
    picture = given(make, url_of("red"))
    picture = picture if isinstance(picture, Image.Image) else picture["image"]
    assert picture.size == (8, 6) and np.array(picture)[0, 0, 0] > 250


def test_pictures_of_a_gallery_may_be_sent_as_texts_or_in_gradio_3s_words() -> None:
    got = given(gr.Gallery, [url_of("red"), {"name": "x", "data": url_of("blue"), "is_file": False}, [url_of("lime"), "words"]])
    assert [Image.open(each["name"]).getpixel((0, 0)) for each in got] == [(255, 0, 0), (0, 0, 255), (0, 255, 0)]
    assert got[2][1] == "words"


def test_the_chosen_picture_of_a_gallery_comes_alone() -> None:
    """``_js="extract_image_from_gallery"``, with the gallery as the input."""
    assert Image.open(given(gr.Gallery, url_of("red"))["name"]).size == (8, 6)


@pytest.mark.parametrize("sent", [{"name": "/etc/hostname", "data": None, "is_file": True}, [{"name": "/etc/hostname", "is_file": True}]])
@pytest.mark.parametrize("make", [gr.Gallery, gr.Image])
def test_a_file_that_nobody_uploaded_is_refused_in_these_words_too(make: Callable[[], Any], sent: Any) -> None:
    if make is gr.Image and isinstance(sent, list):
        sent = sent[0]
    with pytest.raises(Error, match="not uploaded"):
        given(make, sent)


def test_only_pictures_are_written_for_a_text() -> None:
    with pytest.raises(ValueError, match="valid dictionary"):
        given(gr.Image, "data:image/svg+xml;base64,PHN2Zy8+")


def test_a_file_knows_the_name_it_was_uploaded_with(tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("x")
    with gr.Blocks():
        field = gr.File()
    sent = field.postprocess(str(tmp_path / "style.css"))
    assert field.preprocess(sent).orig_name == "style.css"      # type: ignore[arg-type, union-attr]


def test_highlighted_words_are_pairs() -> None:
    assert given(gr.HighlightedText, [{"token": "cat", "class_or_confidence": "noun"}]) == [["cat", "noun"]]


def test_choosing_a_picture_tells_its_caption() -> None:
    """Model Organizer keeps the address of a preview there."""
    with gr.Blocks():
        gallery, table = gr.Gallery(), gr.Dataframe()
    assert gr.SelectData(gallery, {"index": 1, "value": {"image": {"path": "x"}, "caption": "words"}}).value == "words"
    assert gr.SelectData(table, {"index": [1, 1], "value": {"caption": "x"}}).value == {"caption": "x"}


@pytest.mark.parametrize("name", ["ImageMask", "ImagePaint", "Paint", "Sketchpad", "Pil", "Webcam"])
def test_short_names_of_pictures_are_gradio_3s(name: str) -> None:
    from modules.gradio_ui.gradio3_pictures import SketchImage

    with gr.Blocks():
        made = getattr(gr, name)(label="x", elem_id="y")
    assert made.label == "x" and isinstance(made, SketchImage if name not in ("Pil", "Webcam") else gr.Image)
    assert not isinstance(made, SketchImage) or made.only_picture == (name != "ImageMask")


def test_layouts_are_updated_by_position() -> None:
    updates: Any = (gr.Row, gr.Column, gr.Accordion, gr.Tabs, gr.HTML)
    row, column, accordion, tabs, html = (each.update for each in updates)
    assert row(False)["visible"] == "hidden" and column("panel", True) == gr.update(variant="panel", visible=True)
    assert accordion(True, "x") == gr.update(open=True, label="x") and tabs("b") == gr.update(selected="b") and html("x") == gr.update(value="x")


def test_what_a_script_drew_is_read_when_it_comes_back() -> None:
    """The page keeps it as a file whose address is the picture."""
    shown = {"path": url_of("red"), "url": url_of("red"), "meta": {"_type": "gradio.FileData"}}
    assert given(lambda: gr.Image(type="pil"), shown).size == (8, 6)
    assert Image.open(given(gr.Gallery, [{"image": shown | {"path": None}, "caption": None}])[0]["name"]).size == (8, 6)
    assert given(lambda: gr.Image(type="pil", tool="color-sketch"), {"background": shown, "layers": [], "composite": None}).size == (8, 6)   # type: ignore[call-arg]


def test_a_place_for_a_picture_that_is_a_scripts_control_too_is_filled_in_both() -> None:
    """Ditail hands img2img's picture to its methods: it is a field of the tab and, once more, its argument."""
    with gr.Blocks():
        place, other = CanvasText("Image", elem_id="img2img_image_content"), gr.Textbox()
    assert '{"img2img_image_content": [0, 2]}' in _submit_js("submit_img2img", [place, other, place], [place, place])
