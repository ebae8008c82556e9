"""From the canvases of img2img to the request: each mode gives the picture and the mask that it shows, and every refusal comes in words."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from modules.gradio_ui.img2img_tab import depth_place_classes, further_place_classes
from modules.gradio_ui.soft_inpainting import SOFT_FIELDS
from modules.library.model_file import ModelFile
from modules.schema.errors import InvalidValue
from modules.schema.request import Img2ImgRequest
from tests.gradio_ui.conftest import BuiltPage

MODES = ("img2img", "sketch", "inpaint", "inpaint sketch", "inpaint upload")
Asked = Callable[..., Img2ImgRequest]


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of files that the page has uploaded."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    return folder


@pytest.fixture
def asked(page: BuiltPage, uploads: Path) -> Asked:
    """The request of a click: mode by name, canvases by elem_id as pictures or (picture, drawing), other fields by name."""

    def content(name: str, value: Any) -> Any:
        if not isinstance(value, Image.Image | tuple):
            return value
        pictures = dict(zip(("picture", "drawing"), value if isinstance(value, tuple) else (value,)))
        paths = {what: uploads / f"{name}-{what}.png" for what in pictures}
        for what, picture in pictures.items():
            picture.save(paths[what])
        return json.dumps({what: str(path) for what, path in paths.items()})

    def ask(mode: str, **fields: Any) -> Img2ImgRequest:
        given = {"img2img_mode": str(MODES.index(mode)), **{name: content(name, value) for name, value in fields.items()}}
        values = [given.get(field.name, getattr(field.component, "value", None)) for field in page.img2img.fields]
        return page.img2img.request(values)  # type: ignore[return-value]

    return ask


def drawn(size: tuple[int, int], box: tuple[int, int, int, int], colour: str = "white") -> Image.Image:
    layer = Image.new("RGBA", size, (0, 0, 0, 0))
    layer.paste(colour, box)
    return layer


def start(request: Img2ImgRequest) -> Image.Image:
    """The one picture to start from."""
    pictures = request.init.init_images
    assert pictures is not None and len(pictures) == 1
    return pictures[0]


BLUE = Image.new("RGB", (48, 32), "blue")


def test_a_picture_alone(asked: Asked) -> None:
    request = asked("img2img", img2img_image=BLUE)
    picture = start(request)
    assert picture.size == (48, 32) and request.inpaint.mask is None
    plain = Img2ImgRequest.page_defaults()
    assert request.inpaint == plain.inpaint and request.denoising_strength == plain.denoising_strength


def test_a_sketch_is_the_picture_with_its_paint(asked: Asked) -> None:
    request = asked("sketch", img2img_sketch=(BLUE, drawn((48, 32), (0, 0, 10, 10), "red")))
    picture = start(request)
    assert picture.getpixel((5, 5)) == (255, 0, 0) and picture.getpixel((40, 20)) == (0, 0, 255)
    assert request.inpaint.mask is None


def test_inpainting_takes_the_plain_picture_and_the_paint_as_mask(asked: Asked) -> None:
    request = asked("inpaint", img2maskimg=(BLUE, drawn((48, 32), (0, 0, 10, 10), "red")))
    picture = start(request)
    assert picture.getpixel((5, 5)) == (0, 0, 255)
    assert request.inpaint.mask.getchannel("A").getbbox() == (0, 0, 10, 10)


def test_an_inpaint_sketch_takes_colours_and_mask(asked: Asked) -> None:
    request = asked("inpaint sketch", inpaint_sketch=(BLUE, drawn((48, 32), (0, 0, 20, 20), "red")), mask_blur=0, img2img_mask_alpha=0)
    picture = start(request)
    assert picture.getpixel((5, 5)) == (255, 0, 0) and request.inpaint.mask.getbbox() == (0, 0, 20, 20)


def test_uploaded_mask(asked: Asked) -> None:
    mask = Image.new("L", (48, 32), 0)
    mask.paste(255, (8, 8, 16, 16))
    request = asked("inpaint upload", img_inpaint_base=BLUE, img_inpaint_mask=mask)
    assert request.inpaint.mask.convert("L").getbbox() == (8, 8, 16, 16)


@pytest.mark.parametrize("mode", ["img2img", "inpaint upload"])
def test_a_depth_map_goes_along(asked: Asked, mode: str) -> None:
    given = {"img2img_image": BLUE} if mode == "img2img" else {"img_inpaint_base": BLUE, "img_inpaint_mask": BLUE}
    assert asked(mode, **given).init.depth_map is None
    assert asked(mode, **given, img2img_depth_map=Image.new("L", (12, 8), 90)).init.depth_map.size == (12, 8)


def test_only_depth_checkpoints_show_the_place_for_a_depth_map(page: BuiltPage) -> None:
    def model(family: str | None) -> ModelFile:
        return ModelFile(path=Path("x.safetensors"), name="x.safetensors", kind="checkpoint", family_name=family)

    assert ["unseen" in depth_place_classes(each) for each in (None, model(None), model("SD 1.x"), model("SD2 depth"), model("FLUX.1 depth or canny"))] == [True, True, True, False, False]
    assert "unseen" in page.components["img2img_depth"]["props"]["elem_classes"]


def test_models_that_take_several_pictures_have_places_for_them(page: BuiltPage, asked: Asked) -> None:
    families = (None, "SD 1.x", "FLUX.1 Kontext", "Qwen-Image-Edit", "FLUX.2 klein 4B", "Qwen-Image-Edit Plus")
    models = [ModelFile(path=Path("x.safetensors"), name="x.safetensors", kind="checkpoint", family_name=family) for family in families]
    assert ["unseen" in further_place_classes(each) for each in models] == [True, True, True, True, False, False]
    assert "unseen" in page.components["img2img_further"]["props"]["elem_classes"]
    assert not asked("img2img", img2img_image=BLUE).init.further_images
    (one,) = asked("img2img", img2img_image=BLUE, img2img_picture_3=Image.new("RGB", (12, 8))).init.further_images
    assert one.size == (12, 8)


def test_soft_inpainting_explains_itself(page: BuiltPage) -> None:
    shown = page.blocks.blocks.values()
    sliders = [each for each in shown if isinstance(each, gr.Slider) and each.elem_id in {field.name for field in SOFT_FIELDS}]
    assert len(sliders) == 6 and all(each.info for each in sliders)
    assert any("**Difference contrast**" in str(each.value) for each in shown if isinstance(each, gr.Markdown)), "the fold Help tells what low and high values do"


def test_choices_by_their_words(asked: Asked) -> None:
    request = asked(
        "inpaint", img2maskimg=BLUE, resize_mode="Resize and fill", inpainting_mask_invert="Inpaint not masked", inpainting_fill="latent noise",
        inpaint_full_res="Only masked", inpaint_full_res_padding=16,
    )  # fmt: skip
    inpaint = request.inpaint
    assert (request.init.resize_mode, inpaint.invert, inpaint.content, inpaint.only_masked, inpaint.padding) == (2, 1, 2, True, 16)


@pytest.mark.parametrize(("scale", "size"), [(1.0, (48, 32)), (2.0, (96, 64)), (1.7, (81, 54))])
def test_resize_by_follows_the_picture(asked: Asked, scale: float, size: tuple[int, int]) -> None:
    request = asked("img2img", img2img_image=BLUE, img2img_resize_tab="1", img2img_scale=scale, width=512, height=512)
    assert (request.size.width, request.size.height) == size
    request = asked("img2img", img2img_image=BLUE, img2img_resize_tab="0", img2img_scale=scale, width=128, height=256)
    assert (request.size.width, request.size.height) == (128, 256)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "There is no picture"),
        ("{}", "There is no picture"),
        ("not json", "no picture"),
        ("[1]", "no picture"),
        (json.dumps({"picture": "/etc/passwd"}), "not uploaded"),
        (json.dumps({"picture": 7}), "not uploaded"),
        (json.dumps({"picture": None, "error": "the server answered 413"}), "413"),
    ],
)
def test_what_is_no_picture_is_refused_in_words(asked: Asked, content: str, words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        asked("img2img", img2img_image=content)


def test_files_that_are_no_pictures_or_are_gone(asked: Asked, uploads: Path) -> None:
    (uploads / "text.png").write_text("hello")
    (uploads / "empty.png").write_bytes(b"")
    (uploads / "link.png").symlink_to("/etc/hostname")
    for name, words in {"text.png": "not a picture", "empty.png": "empty", "gone.png": "not on the server", "link.png": "not uploaded"}.items():
        with pytest.raises(InvalidValue, match=words):
            asked("img2img", img2img_image=json.dumps({"picture": str(uploads / name)}))


def test_a_drawing_of_another_size_is_refused(asked: Asked) -> None:
    with pytest.raises(InvalidValue, match="32x32"):
        asked("inpaint", img2maskimg=(BLUE, drawn((32, 32), (0, 0, 5, 5))))


def test_only_the_mode_that_shows_counts(asked: Asked) -> None:
    request = asked("img2img", img2img_image=BLUE, img2maskimg="broken", img_inpaint_base="broken")
    assert request.inpaint.mask is None


def test_a_mode_nobody_knows_is_plain_img2img(asked: Asked, page: BuiltPage) -> None:
    with pytest.raises(InvalidValue, match="There is no picture"):
        page.img2img.request(["-1; drop" if field.name == "img2img_mode" else getattr(field.component, "value", None) for field in page.img2img.fields])
