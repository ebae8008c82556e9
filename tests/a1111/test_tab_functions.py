"""A1111's txt2img, img2img and wrap_gradio_gpu_call, as extensions call them: by position, from any thread, each a job of the server."""
from __future__ import annotations

import json
from typing import Any

import gradio
import pytest
from PIL import Image

from modules.a1111.app_slot import occupied
from modules.a1111.queued_calls import wrap_gradio_gpu_call
from modules.a1111.script_host import install_scripts
from modules.a1111.tab_functions import img2img, txt2img, txt2img_create_processing
from modules.application.app import App
from modules.schema.errors import InvalidValue
from tests.a1111.test_script_host import MakeApp, app  # noqa: F401

TXT2IMG = ["a cat", "a dog", [], 1, 1, 5.0, 64, 64, False, 0.7, 2.0, "Latent", 0, 0, 0, "Use same checkpoint", "Use same sampler", "Use same scheduler", "", "", ["Clip skip: 2"]]
OPTIONS: list[Any] = ["a cat", "", [], None, None, None, None, None, None, None, 4, 0, 1, 1, 1, 7.0, 1.5, 0.5, 0, 64, 64, 1.0, 0, False, 32, 0, "", "", "", [], False, [], "", "upload", None]


@pytest.fixture
def served(app: App) -> Any:  # noqa: F811
    host = install_scripts(app, gradio.Blocks)
    app.jobs.start()
    with occupied(app):
        yield app, host


def scripts_part(host: Any, runner: Any) -> list[Any]:
    host.with_ui(runner)
    values = runner.default_args()
    seed = next(script for script in runner.alwayson_scripts if script.title() == "Seed")
    sampler = next(script for script in runner.alwayson_scripts if script.title() == "Sampler")
    values[seed.args_from] = 77
    values[sampler.args_from : sampler.args_to] = [3, "Euler a", "Karras"]
    return values


def test_a_click_by_position_is_a_job_with_all_that_the_page_says(served: Any) -> None:
    app, host = served  # noqa: F811
    pictures, info, text, comments = txt2img("task(one)", None, *TXT2IMG, *scripts_part(host, host.txt2img))
    facts = json.loads(info)
    assert len(pictures) == 1 and facts["seed"] == 77 and facts["cfg_scale"] == 5.0 and facts["negative_prompt"] == "a dog"
    for part in ("Steps: 3", "Sampler: Euler a", "Schedule type: Karras", "Clip skip: 2"):
        assert part in facts["infotexts"][0]
    assert "a cat" in text and comments == ""
    assert app.jobs.find("task(one)").state.value == "done"


def test_img2img_takes_its_picture_by_mode(served: Any) -> None:
    _, host = served
    values = [0, *OPTIONS]
    part = scripts_part(host, host.img2img)
    with pytest.raises(InvalidValue, match="needs a picture"):
        img2img("task(none)", None, *values, *part)
    values[4] = Image.new("RGB", (64, 64), "teal")
    assert len(img2img("task(plain)", None, *values, *part)[0]) == 1
    values[0], values[6] = 2, {"image": values[4], "mask": Image.new("RGB", (64, 64), "white")}
    assert "Mask blur: 4" in json.loads(img2img("task(inpaint)", None, *values, *part)[1])["infotexts"][0]


def test_p_can_be_had_without_drawing(served: Any) -> None:
    _, host = served
    p = txt2img_create_processing("task(p)", None, *TXT2IMG, *scripts_part(host, host.txt2img))
    assert (p.prompt, p.seed, p.sampler_name, p.steps, p.override_settings) == ("a cat", 77, "Euler a", 3, {"CLIP_stop_at_last_layers": 2})


def test_an_extensions_button_is_a_job_and_its_failure_is_shown(served: Any) -> None:
    app, _ = served  # noqa: F811
    seen = []

    def work(task: str, number: int) -> tuple[int, str]:
        seen.append(app.jobs.running().id)
        return 1 // number, "<p>done</p>"

    button = wrap_gradio_gpu_call(work, extra_outputs=[None])
    result = button("task(mine)", 1)
    assert result[0] == 1 and "Time taken" in result[1] and seen == ["task(mine)"]
    failed = button("task(again)", 0)
    assert failed[0] is None and "ZeroDivisionError" in failed[1]
    assert [app.jobs.find(name).state.value for name in ("task(mine)", "task(again)")] == ["done", "failed"]
