"""What the API says of scripts is what A1111 says, and what it is asked of them is done."""
from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import gradio
import pytest
from PIL import Image

from modules.a1111.script import AlwaysVisible, Script
from modules.a1111.script_controls import described
from modules.a1111.script_host import install_scripts
from modules.gradio_ui.canvas import CanvasText
from modules.imaging.tiles import fitting_overlap, tiling
from tests.conftest import RunningServer
from tests.golden.cases import a1111_said

# of A1111's lists: what we have no use for, and why
NOT_HERE = {
    "extra options": "its settings stand on the tabs, not as a script",
    "hypertile": "part of the engine, by its settings, not a script",
}


def test_the_lists_are_a1111s(fake_server: RunningServer) -> None:
    install_scripts(fake_server.app, gradio.Blocks)
    ours = fake_server.client.get("/sdapi/v1/scripts").json()
    for tab, theirs in a1111_said("api/scripts").items():
        assert ours[tab] == [name for name in theirs if name.lower() not in NOT_HERE]


def test_the_arguments_are_a1111s(fake_server: RunningServer) -> None:
    install_scripts(fake_server.app, gradio.Blocks)
    ours = {(each["name"], each["is_img2img"]): each for each in fake_server.client.get("/sdapi/v1/script-info").json()}
    for theirs in a1111_said("api/script-info"):
        if theirs["name"].lower() in NOT_HERE:
            continue
        found = ours[theirs["name"], theirs["is_img2img"]]
        assert found["is_alwayson"] == theirs["is_alwayson"]
        same = ("label", "minimum", "maximum", "step")
        assert [[arg[key] for key in same] for arg in found["args"]] == [[arg[key] for key in same] for arg in theirs["args"]], theirs["name"]
        for one, other in zip(found["args"], theirs["args"]):
            if theirs["name"] == "x/y/z plot" and one["label"].endswith("type"):
                own = [each for each in one["choices"] if not each.startswith("[")]        # without extensions', which were off in the recording
                assert own == other["choices"] == one["choices"][: len(own)], "their numbers are A1111's"


def test_a_script_without_a_part_of_the_page_is_in_no_list_of_arguments(fake_server: RunningServer) -> None:
    """As in A1111: a program that shows what script-info tells has nothing to show for it. One that says it has no controls is listed."""
    host = install_scripts(fake_server.app, gradio.Blocks)

    class Silent(Script):
        def title(self) -> str:
            return "Silent"

        def show(self, is_img2img: bool) -> Any:
            return AlwaysVisible

    class Bare(Silent):
        def title(self) -> str:
            return "Bare"

        def ui(self, is_img2img: bool) -> list[Any]:
            return []

    class Broken(Silent):
        def title(self) -> str:
            return "Broken"

        def ui(self, is_img2img: bool) -> list[Any]:
            raise RuntimeError("no")

    module = ModuleType("silent.py")
    vars(module).update(Silent=Silent, Bare=Bare, Broken=Broken)
    host.register(module, __file__, str(Path(__file__).parent))
    host.initialize()
    listed = {each["name"] for each in fake_server.client.get("/sdapi/v1/script-info").json()}
    assert listed & {"silent", "bare", "broken"} == {"bare"}
    assert {"silent", "bare", "broken"} <= set(fake_server.client.get("/sdapi/v1/scripts").json()["txt2img"])


def test_a_value_that_a_function_makes_is_told_as_a_value() -> None:
    """``gr.State(lambda: {...})``, which a program sends back as it is."""
    with gradio.Blocks():
        assert described(gradio.State(lambda: {"scale": 5.0}))["value"] == {"scale": 5.0}
        assert described(CanvasText("Image for img2img", elem_id="img2img_image_content"))["value"] is None, "no picture"


def test_the_parts_of_the_page_tell_what_can_be_chosen(fake_server: RunningServer) -> None:
    """Programs fill their lists of samplers, schedules and refiners from script-info, as A1111 answers it."""
    install_scripts(fake_server.app, gradio.Blocks)

    def choices(infos: list[Any]) -> dict[str, list[str]]:
        return {arg["label"]: arg["choices"] for info in infos if info["name"] in ("sampler", "refiner") and not info["is_img2img"] for arg in info["args"]}

    ours, theirs = choices(fake_server.client.get("/sdapi/v1/script-info").json()), choices(a1111_said("api/script-info"))
    for label in ("Sampling method", "Schedule type"):
        assert theirs[label] and set(theirs[label]) <= set(ours[label]), label
    assert ours["Checkpoint"] == [each["title"] for each in fake_server.client.get("/sdapi/v1/sd-models").json()] != []


def test_a_controls_value_can_be_sent_back_as_the_argument() -> None:
    """An extension's State({}) came as the text "{}", and what was sent back so made its script fail."""
    for value in ({}, {"a": [1, None, {"b": 0.5}]}, ["x"], 3, "text", None, True):
        assert described(gradio.State(value))["value"] == value
    assert json.dumps(described(gradio.State({"folder": Path("x"), 1: (2,)}))["value"]) == '{"folder": "x", "1": [2]}'


def test_scripts_are_asked_for_as_in_a1111(fake_server: RunningServer) -> None:
    install_scripts(fake_server.app, gradio.Blocks)
    body = {"prompt": "a|b", "steps": 1, "width": 64, "height": 64, "script_name": "Prompt Matrix", "script_args": [False]}
    done = fake_server.client.post("/sdapi/v1/txt2img", json=body).json()
    assert len(done["images"]) == 3 and json.loads(done["info"])["all_prompts"] == ["a", "a, b"]
    for wrong in ({"script_name": "Nope"}, {"alwayson_scripts": {"Nope": {"args": []}}}, {"alwayson_scripts": {"prompt matrix": {"args": []}}}):
        refused = fake_server.client.post("/sdapi/v1/txt2img", json=body | {"script_name": None} | wrong)
        assert refused.status_code == 422 and refused.json()["detail"].startswith(("Script 'Nope' not found", "Cannot have a selectable script"))


WRONG_ARGUMENTS = [
    ("txt2img", "Prompt matrix", [False, False, "positive", [], 0]), ("txt2img", "Prompt matrix", [False, False, "positive", "comma", {"__type__": "update"}]),
    ("txt2img", "X/Y/Z plot", [[], "1"]), ("txt2img", "X/Y/Z plot", [1, {"a": 1}]), ("img2img", "Loopback", ["1e999"]), ("img2img", "Loopback", [1, {}]),
    ("img2img", "Outpainting mk2", [None, "wide"]), ("img2img", "Outpainting mk2", [None, 64, 4, 0]), ("img2img", "Outpainting mk2", [None, 10**7, 4]),
    ("img2img", "Poor man's outpainting", [64, -1e308]), ("img2img", "Poor man's outpainting", [64, 4, "fill", 7]), ("img2img", "SD upscale", [None, [64]]),
]  # fmt: skip


@pytest.mark.parametrize(("tab", "name", "args"), WRONG_ARGUMENTS)
def test_a_wrong_argument_of_a_script_is_refused_with_a_sentence(fake_server: RunningServer, tab: str, name: str, args: list[Any]) -> None:
    install_scripts(fake_server.app, gradio.Blocks)
    refused = fake_server.client.post(f"/sdapi/v1/{tab}", json=small(tab) | {"script_name": name, "script_args": args})
    assert refused.status_code == 422 and "cannot be" in refused.json()["detail"], refused.text


def test_arguments_may_be_texts_of_numbers_names_of_choices_and_null_for_what_stands_there(fake_server: RunningServer) -> None:
    install_scripts(fake_server.app, gradio.Blocks)
    for name, args in (("Loopback", ["1", "0.4", None]), ("Poor man's outpainting", ["64", None, "original", None]), ("Prompt matrix", [None, None, None, None, "2"])):
        made = fake_server.client.post("/sdapi/v1/img2img", json=small("img2img") | {"script_name": name, "script_args": args})
        assert made.status_code == 200, made.text


def small(tab: str) -> dict[str, Any]:
    start = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(start, "PNG")
    pictures = {"init_images": [base64.b64encode(start.getvalue()).decode()]} if tab == "img2img" else {}
    return {"prompt": "a", "steps": 1, "width": 64, "height": 64, **pictures}


def test_an_overlap_as_wide_as_a_tile_does_not_make_a_picture_of_each_pixel() -> None:
    """SD upscale's overlap stands at 64, and a program may ask for pictures of 64 pixels."""
    boxes = tiling((320, 320), (64, 64), fitting_overlap(64, (64, 64))).boxes
    assert len(boxes) == 81 and fitting_overlap(48, (64, 64)) == 48, "what leaves something of a tile is as asked"
