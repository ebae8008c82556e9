"""Extras without a browser: its ids, and what a click makes of the fields."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from modules.application import extras_operations
from modules.application.app import App
from modules.gradio_ui.choices import ChoiceSources
from modules.gradio_ui.extras_tab import BATCH, IMAGE, INPUT_DIR, MODE, OUTPUT_DIR, ExtrasSubmitter, build_extras_tab
from modules.gradio_ui.shown_files import ShownFiles
from modules.gradio_ui.ui_config import UiConfig
from tests.gradio_ui.conftest import BuiltPage

A1111_IDS = """tab_extras mode_extras extras_single_tab extras_image extras_batch_process_tab extras_image_batch extras_batch_directory_tab
extras_batch_input_dir extras_batch_output_dir extras_show_extras_results extras_upscale-checkbox extras_upscale extras_upscaler_1 extras_upscaler_2
extras_upscaler_2_visibility extras_resize_mode extras_scale_by_tab extras_upscaling_resize extras_upscale_max_side_length extras_scale_to_tab
upscaling_column_size extras_upscaling_resize_w extras_upscaling_resize_h upscaling_dimensions_row upscaling_res_switch_btn extras_upscaling_crop
extras_gfpgan_visibility extras_codeformer_visibility extras_codeformer_weight postprocess_split_threshold postprocess_overlap_ratio
postprocess_focal_crop_face_weight postprocess_focal_crop_entropy_weight postprocess_focal_crop_edges_weight train_process_focal_crop_debug
postprocess_multicrop_mindim postprocess_multicrop_maxdim postprocess_multicrop_minarea postprocess_multicrop_maxarea postprocess_multicrop_objective
postprocess_multicrop_threshold extras_interrupt extras_skip extras_interrupting extras_generate extras_generate_box extras_results
extras_results_panel extras_gallery_container extras_gallery image_buttons_extras extras_open_folder extras_send_to_img2img extras_send_to_inpaint
extras_send_to_extras html_info_x_extras html_info_extras html_log_extras input-accordion-0 input-accordion-6-checkbox extras_tab""".split()  # noqa: SIM905


def test_a1111s_ids_are_there(page: BuiltPage) -> None:
    assert [each for each in A1111_IDS if each not in page.components] == []


def test_what_auto_sized_crop_does_is_said_and_sides_go_by_eight(page: BuiltPage) -> None:
    assert "cut from its middle" in str(page.components["extras_autosized_crop_words"]["props"]["value"])
    assert page.components["extras_upscale_max_side_length"]["props"]["step"] == 8


@pytest.fixture
def click(make_app: Callable[..., App], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SimpleNamespace]:
    """A function that clicks Generate with some fields changed: the server's answer, and the finished job."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    (tmp_path / "uploads").mkdir()

    def go(*flags: str, **changed: Any) -> SimpleNamespace:
        app = make_app(*flags)
        files = ShownFiles((app.paths.outputs_dir,))
        with gr.Blocks():
            tab = build_extras_tab(app, ChoiceSources.of(app), UiConfig.read(app.paths.ui_config_file), files)
        values = [changed.get(each.name, getattr(each.component, "value", None)) for each in tab.form.fields]
        answer, _ = ExtrasSubmitter(app=app, form=tab.form, files=files).submit("one", *values)
        job = app.jobs.find("one")
        if job is not None:
            app.jobs.wait(job, 30)
        return SimpleNamespace(error=json.loads(answer)["error"], job=job, app=app)

    return go


def uploaded(tmp_path: Path, name: str = "one.png", size: tuple[int, int] = (20, 12)) -> Path:
    path = tmp_path / "uploads" / name
    Image.linear_gradient("L").resize(size).convert("RGB").save(path)
    return path


def content(path: Path) -> str:
    return json.dumps({"picture": str(path), "drawing": None})


def test_a_picture_is_enlarged_and_saved_under_a_number(click: Callable[..., Any], tmp_path: Path) -> None:
    done = click(**{IMAGE: content(uploaded(tmp_path)), "upscaler_1": "Lanczos", "upscaling_resize": 4})
    assert done.error == ""
    (image,) = done.job.result.shown
    assert image.path == tmp_path / "outputs" / "extras-images" / "00000.png"
    saved = Image.open(image.path)
    assert saved.size == (80, 48)
    assert saved.info["extras"] == saved.info["postprocessing"] == "Postprocess upscale by: 4, Postprocess upscaler: Lanczos"
    assert "parameters" not in saved.info


def test_several_keep_their_names_and_a_folder_its_own_place(click: Callable[..., Any], tmp_path: Path) -> None:
    several = [{"path": str(uploaded(tmp_path, f"{n}.png")), "orig_name": f"mine {n}.png"} for n in (1, 2)]
    done = click(**{MODE: "1", BATCH: several, "upscaler_1": "Nearest", "upscaling_resize": 2, "flip_enabled": True, "flip_kinds": ["Horizontal"]})
    assert [each.path.name for each in done.job.result.shown] == ["mine 1.png", "mine 1-1.png", "mine 2.png", "mine 2-1.png"]
    (tmp_path / "in").mkdir()
    uploaded(tmp_path, "a.png").rename(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    done = click(**{MODE: "2", INPUT_DIR: "in", OUTPUT_DIR: str(tmp_path / "out"), "upscaler_1": "Nearest", "show_extras_results": False})
    assert done.error == "" and done.job.result.shown == ()
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["a.png"]
    assert "broken.png" in done.job.result.comments[0]
    (tmp_path / "in" / "a.png").unlink()
    alone = click(**{MODE: "2", INPUT_DIR: "in", "upscaler_1": "Nearest"})
    assert alone.job.error.startswith("broken.png: "), "whose folder it is would look for the file"


def test_pictures_of_one_name_do_not_replace_each_other(click: Callable[..., Any], tmp_path: Path) -> None:
    names = ("cat.png", "Cat.webp", "cat (2).png", "cat.bmp")
    several = [{"path": str(uploaded(tmp_path, f"{n}.png")), "orig_name": name} for n, name in enumerate(names)]
    done = click(**{MODE: "1", BATCH: several, "upscaler_1": "Nearest", "upscaling_resize": 2})
    assert [each.path.name for each in done.job.result.shown] == ["cat.png", "Cat (3).png", "cat (2).png", "cat (4).png"]


def test_a_picture_that_fails_does_not_take_those_after_it_along(click: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(picture: Image.Image, *rest: Any) -> Image.Image:
        if picture.size == (21, 13):
            raise ValueError("not this one")
        return picture

    monkeypatch.setattr(extras_operations, "enlarged_picture", fails)
    several = [{"path": str(uploaded(tmp_path, f"{n}.png", size)), "orig_name": f"{n}.png"} for n, size in enumerate([(20, 12), (21, 13), (22, 14)])]
    broken = tmp_path / "uploads" / "broken.png"
    broken.write_bytes(b"no picture")
    several.append({"path": str(broken), "orig_name": "broken.png"})
    done = click(**{MODE: "1", BATCH: several, "upscaler_1": "Nearest", "upscaling_resize": 2})
    assert [each.path.name for each in done.job.result.shown] == ["0.png", "2.png"]
    assert done.job.result.comments[0] == "1.png was left out: ValueError: not this one"
    assert done.job.result.comments[1].startswith("broken.png was left out: Invalid encoded image: "), "no field of the API between the two"


def test_the_smallest_picture_can_be_enlarged(click: Callable[..., Any], tmp_path: Path) -> None:
    done = click(**{IMAGE: content(uploaded(tmp_path, size=(1, 1))), "upscaler_1": "Lanczos", "upscaling_resize": 2})
    assert done.error == "" and done.job.result.shown[0].picture.size == (8, 8)


def test_what_cannot_be_done_is_said_at_once(click: Callable[..., Any], tmp_path: Path) -> None:
    assert "no picture" in click(**{IMAGE: ""}).error
    assert "not uploaded" in click(**{MODE: "1", BATCH: [{"path": "/etc/passwd", "orig_name": "x.png"}]}).error
    assert "not uploaded" in click(**{IMAGE: content(Path("/etc/passwd"))}).error
    assert "Input directory is empty" in click(**{MODE: "2"}).error
    assert "cannot be read" in click(**{MODE: "2", INPUT_DIR: "nowhere"}).error
    assert "--hide-ui-dir-config" in click("--hide-ui-dir-config", **{MODE: "2", INPUT_DIR: "in"}).error
    assert "GFPGANv1.4.pth" in click(**{IMAGE: content(uploaded(tmp_path)), "gfpgan_enabled": True}).error
    assert "model-resnet_custom_v3.pt" in click(**{IMAGE: content(uploaded(tmp_path)), "caption_enabled": True}).error
