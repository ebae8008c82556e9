"""img2img alternative test, with the model that ships: the noise found in a picture draws that picture again."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio
import numpy as np
import pytest
import torch
from PIL import Image

from modules.a1111.script_host import ScriptHost, install_scripts
from modules.application.app import App
from modules.application.generation import generate_blocking, submit
from modules.application.outcome import Outcome
from modules.imaging.base64_codec import encode_image
from modules.jobs.job import FINAL, JobState
from modules.schema.errors import InvalidValue
from modules.schema.flag_table import SCRIPT_PATH
from modules.schema.request import Img2ImgRequest, Txt2ImgRequest
from tests.short_form import one_in

SMALL = {"steps": 8, "width": 64, "height": 64, "seed": 99, "cfg_scale": 1.0}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    from modules.application.build import build_app
    from modules.schema.flags import parse_flags

    torch.set_num_threads(1)
    models = str(Path(SCRIPT_PATH) / "models")
    app = build_app(parse_flags(["--data-dir", str(tmp_path_factory.mktemp("alt")), "--models-dir", models, "--no-half"], {}).flags)
    install_scripts(app, gradio.Blocks)
    yield app
    app.close()


@pytest.fixture(scope="module")
def picture(app: App) -> Image.Image:
    drawn = Txt2ImgRequest.from_flat(SMALL | {"prompt": "a red circle", "cfg_scale": 3.0, "seed": 3})
    return generate_blocking(app, drawn).images[0].picture


def asking(picture: Image.Image, *args: Any, **values: Any) -> Img2ImgRequest:
    asked = {"prompt": "a house", "init_images": [encode_image(picture)], "script_name": "img2img alternative test", "script_args": ["", *args]}
    return Img2ImgRequest.from_flat(SMALL | asked | values)


def again(app: App, picture: Image.Image, *args: Any, **values: Any) -> Outcome:
    return generate_blocking(app, asking(picture, *args, **values))


def distance(outcome: Outcome, other: Image.Image) -> float:
    """In levels, of 255."""
    return float(np.abs(np.asarray(outcome.images[0].picture, float) - np.asarray(other, float)).mean())


@pytest.mark.parametrize("by_sigma", one_in(2, [False, True]))
def test_the_found_noise_draws_the_picture_again(app: App, picture: Image.Image, by_sigma: bool) -> None:
    found = again(app, picture, True, True, "a red circle", "", True, 16, True, 1.0, 0.0, by_sigma)
    fresh = again(app, picture, True, True, "a red circle", "", True, 16, True, 1.0, 1.0, by_sigma)
    assert distance(found, picture) < 10 < 20 < distance(fresh, picture)
    text = found.images[0].infotext
    assert text.startswith("a red circle") and "Sampler: Euler, " in text and "Steps: 16" in text and "Denoising strength: 1.0" in text
    assert "Decode prompt: a red circle, " in text and f"Decode CFG scale: 1.0, Decode steps: 16, Randomness: 0.0, Sigma Adjustment: {by_sigma}" in text


def test_other_words_are_drawn_from_the_found_noise_and_the_search_is_not_repeated(app: App, picture: Image.Image) -> None:
    first = again(app, picture, False, False, "a red circle", "", False, 16, False, 1.0, 0.0, False, sampler_name="DDIM", denoising_strength=0.9)
    assert first.images[0].infotext.startswith("a house") and "Sampler: DDIM" in first.images[0].infotext and "Steps: 8" in first.images[0].infotext
    host = app.scripts.host
    assert isinstance(host, ScriptHost)
    script: Any = host.img2img.script("img2img alternative test")
    noise = script.found.noise
    again(app, picture, False, False, "a red circle", "", False, 16, False, 1.0, 0.0, False, prompt="a tree")
    assert script.found.noise is noise
    again(app, picture, False, False, "a blue circle", "", False, 2, False, 1.0, 0.0, False)
    assert script.found.noise is not noise


def test_an_interrupt_ends_the_search_within_a_step(app: App, picture: Image.Image) -> None:
    job = submit(app, asking(picture, True, True, "", "", True, 150, True, 1.0, 0.0, False), source="api")
    while not job.progress.snapshot().step and job.state not in FINAL:
        pass
    app.jobs.interrupt(job.id)
    app.jobs.wait(job, 60)
    assert job.state is JobState.INTERRUPTED and job.progress.snapshot().step < 140


@pytest.mark.parametrize("args", [(True, True, "", "", True, 0), (True, True, "", "", True, 10, True, "much"), (True, True, "", "", True, 10, True, 1.0, 2)])
def test_numbers_out_of_range_are_named(app: App, picture: Image.Image, args: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidValue, match=r"Decode steps|Decode CFG scale|Randomness"):
        again(app, picture, *args)
