"""Scripts in a job: A1111's order of calls, what they may change, and that a failing one stays alone."""
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import gradio
import numpy as np
import pytest
from PIL import Image

from modules.a1111.app_slot import occupied
from modules.a1111.process_images import process_images
from modules.a1111.processing import StableDiffusionProcessing, StableDiffusionProcessingImg2Img, StableDiffusionProcessingTxt2Img
from modules.a1111.script import AlwaysVisible, Script
from modules.a1111.script_host import ScriptHost, install_scripts, torch_as_before
from modules.a1111.script_runner import ScriptFailed
from modules.application.app import App
from modules.application.generation import generate_blocking
from modules.rest_api.generation_routes import encoded_pictures
from modules.schema.errors import InvalidValue
from modules.schema.request import Img2ImgRequest, Txt2ImgRequest
from tests.conftest import FakeEngine

MakeApp = Callable[..., App]
ORDER = (
    "setup", "before_process", "process", "before_process_batch", "after_extra_networks_activate", "process_batch", "process_before_every_sampling",
    "post_sample", "postprocess_batch", "postprocess_batch_list", "postprocess_image", "postprocess_maskoverlay", "postprocess_image_after_composite",
    "postprocess",
)  # fmt: skip


class Control:
    def __init__(self, value: Any) -> None:
        self.value = value


class Always(Script):
    """An always-on script of a test, with two arguments."""

    def title(self) -> str:
        return type(self).__name__

    def show(self, is_img2img: bool) -> Any:
        return AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Any]:
        return [Control("first"), Control(2)]


def with_scripts(app: App, *classes: type[Script]) -> ScriptHost:
    host = install_scripts(app, gradio.Blocks)
    module = ModuleType("fixture.py")
    for each in classes:
        each.__module__ = module.__name__
        setattr(module, each.__name__, each)
    host.register(module, "/extensions/fixture/scripts/fixture.py", "/extensions/fixture")
    host.initialize()
    return host


def asking(**values: Any) -> Txt2ImgRequest:
    return Txt2ImgRequest.from_flat({"prompt": "a cat", "steps": 2, "width": 64, "height": 64, "seed": 100, **values})


@pytest.fixture
def app(make_app: MakeApp, fake_engine: FakeEngine) -> App:
    return make_app()


def test_arguments_come_from_the_api_by_title_and_are_filled_up(app: App) -> None:
    got: list[Any] = []

    class Keeper(Always):
        def process(self, p: Any, *args: Any) -> None:
            got.append(args)

    class Chosen(Always):
        def show(self, is_img2img: bool) -> Any:
            return not is_img2img

        def run(self, p: Any, *args: Any) -> Any:
            got.append(args)
            return process_images(p)

    with_scripts(app, Keeper, Chosen)
    generate_blocking(app, asking())
    generate_blocking(app, asking(alwayson_scripts={"KEEPER": {"args": ["sent"]}}, script_name="chosen", script_args=[7]))
    assert got == [("first", 2), (7, 2), ("sent", 2)]


def test_built_in_scripts_are_found_by_name_once_extensions_came_too(app: App, fake_engine: FakeEngine) -> None:
    with_scripts(app)
    inits: dict[str, Any] = {"init_images": [Image.new("RGB", (64, 64), "red")], "mask": Image.new("L", (64, 64), 255), "prompt": "a cat", "steps": 1, "width": 64, "height": 64}
    generate_blocking(app, Img2ImgRequest.from_flat(inits | {"alwayson_scripts": {"Soft inpainting": {"args": [True, 2]}}}))
    soft = fake_engine.requests[-1].init.inpaint.soft
    assert soft is not None and soft.schedule_bias == 2 and soft.preservation_strength == 0.5


@pytest.mark.parametrize(("values", "words"), [
    ({"script_name": "Nope"}, "Script 'Nope' not found"), ({"alwayson_scripts": {"Nope": {"args": []}}}, "Script 'Nope' not found"),
    ({"alwayson_scripts": {"prompt matrix": {"args": []}}}, "Cannot have a selectable script in the always on scripts params"),
    ({"script_name": "loopback"}, "not found"), ({"alwayson_scripts": {"seed": {"args": 3}}}, "not a list"),
])
def test_what_is_wrong_with_scripts_is_said_before_the_job_waits(app: App, values: dict[str, Any], words: str) -> None:
    with_scripts(app)
    with pytest.raises(InvalidValue, match=words):
        generate_blocking(app, asking(**values))
    assert app.jobs.recent(3) == []


def test_what_process_changes_is_what_is_made(app: App, fake_engine: FakeEngine) -> None:
    class Changer(Always):
        def process(self, p: Any, *args: Any) -> None:
            p.all_prompts = [f"{text} number {n}" for n, text in enumerate(p.all_prompts)]
            p.all_seeds[1] = 7
            p.steps, p.cfg_scale, p.sampler_name = 3, 4.5, "DDIM"
            p.extra_generation_params["Changer"] = "was here"
            p.extra_generation_params["Each"] = ["one", "two"]

    with_scripts(app, Changer)
    outcome = generate_blocking(app, asking(batch_size=2))
    assert [image.infotext.splitlines()[0] for image in outcome.images] == ["a cat number 0", "a cat number 1"]
    assert outcome.info["all_seeds"] == [100, 7] and outcome.images[1].seed == 7
    assert "Steps: 3, Sampler: DDIM, " in outcome.images[0].infotext and "CFG scale: 4.5" in outcome.images[0].infotext
    assert "Changer: was here, Each: one, " in outcome.images[0].infotext and "Each: two" in outcome.images[1].infotext
    assert fake_engine.requests[-1].steps == 3


def test_a_start_that_ends_while_a_script_is_made_is_laid_to_its_extension(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not to whichever extension was loaded last: two such starts switch one off."""
    blamed: list[str] = []
    at_work: list[str] = []
    monkeypatch.setattr(app.extensions, "owner_of", lambda file: "theirs" if "fixture" in str(file) else "base")
    monkeypatch.setattr(app.extensions, "entering", blamed.append)

    class Making(Always):
        def __init__(self) -> None:
            super().__init__()
            at_work.extend(blamed[-1:])

    with occupied(app):
        with_scripts(app, Making)
    assert at_work == ["theirs", "theirs"]


def test_what_stands_around_setup_prompts_acts(app: App, fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first pass's prompts are set up before those of the hires pass: whoever changes the styles between them changes only the latter."""
    seen: list[tuple[list[str], list[str]]] = []
    with_scripts(app, type("Seeing", (Always,), {"process": lambda self, p, *args: seen.append((p.all_prompts, p.all_hr_prompts))}))
    own = StableDiffusionProcessing.setup_prompts

    def around(p: Any) -> None:
        own(p)
        p.all_prompts = [f"{each}, sharp" for each in p.all_prompts]
        p.hr_prompt = "a dog"

    monkeypatch.setattr(StableDiffusionProcessing, "setup_prompts", around)
    generate_blocking(app, asking(enable_hr=True, hr_upscaler="Latent"))
    assert seen == [(["a cat, sharp"], ["a dog"])]


def test_a_script_that_raises_is_named_and_the_picture_is_made(app: App) -> None:
    class Bad(Always):
        def process(self, p: Any, *args: Any) -> None:
            raise KeyError("gone")

        def postprocess_image(self, p: Any, pp: Any, *args: Any) -> None:
            raise SystemExit(3)

    class Good(Always):
        def process(self, p: Any, *args: Any) -> None:
            p.extra_generation_params["Good"] = "still called"

    with_scripts(app, Bad, Good)
    outcome = generate_blocking(app, asking())
    assert len(outcome.images) == 1 and "Good: still called" in outcome.images[0].infotext
    assert any("Bad failed (process)" in each for each in outcome.comments) and any("Bad failed (postprocess_image)" in each for each in outcome.comments)
    assert "Bad failed" in outcome.info["comments"]


@pytest.mark.group("R14")
def test_a_chosen_script_that_raises_fails_its_job_by_name_and_keeps_what_was_made(app: App) -> None:
    class Breaks(Always):
        def show(self, is_img2img: bool) -> Any:
            return not is_img2img

        def run(self, p: Any, *args: Any) -> Any:
            process_images(p)
            raise ZeroDivisionError("half way")

    with_scripts(app, Breaks)
    with pytest.raises(ScriptFailed, match="The script Breaks failed: ZeroDivisionError: half way"):
        generate_blocking(app, asking(script_name="breaks"))
    assert len(app.jobs.recent(1)[0].result.images) == 1
    assert generate_blocking(app, asking()).images


def test_a_run_inside_a_run(app: App, fake_engine: FakeEngine) -> None:
    """ADetailer's way: a second p is made and run while a picture of the first is finished."""
    from modules.a1111.processing import StableDiffusionProcessingImg2Img

    class Inner(Always):
        def postprocess_image(self, p: Any, pp: Any, *args: Any) -> None:
            if isinstance(p, StableDiffusionProcessingImg2Img):
                return
            again = StableDiffusionProcessingImg2Img(
                prompt="a detail", init_images=[pp.image], seed=p.seeds[p.batch_index] + 50, steps=1, width=64, height=64, sampler_name="Euler",
                do_not_save_samples=True, do_not_save_grid=True)
            again.scripts, again.script_args = p.scripts, p.script_args
            pp.image = process_images(again).images[0]

    with_scripts(app, Inner)
    outcome = generate_blocking(app, asking(n_iter=2))
    assert [request.prompt for request in fake_engine.requests] == ["a cat", "a detail", "a detail"]
    assert [image.picture.getpixel((0, 0))[0] for image in outcome.images] == [150, 151]
    assert [image.seed for image in outcome.images] == [100, 101] and all("a cat" in image.infotext for image in outcome.images)
    snapshot = app.jobs.recent(1)[0].progress.snapshot()
    assert (snapshot.batches, snapshot.fraction) == (4, 1.0)


def test_pictures_without_scripts_are_the_same(make_app: MakeApp, fake_engine: FakeEngine) -> None:
    app = make_app()
    before = generate_blocking(app, asking(n_iter=2, batch_size=2, save_images=True, subseed=5))
    with_scripts(app)
    after = generate_blocking(app, asking(n_iter=2, batch_size=2, save_images=True, subseed=5))
    assert [each.picture.tobytes() for each in before.shown] == [each.picture.tobytes() for each in after.shown]
    assert [each.infotext for each in before.shown] == [each.infotext for each in after.shown]
    assert {**before.info, "job_timestamp": 0} == {**after.info, "job_timestamp": 0}
    assert all(each.path is not None and each.path.exists() for each in after.shown)


def test_process_images_outside_of_a_job_waits_for_the_worker(app: App) -> None:
    from modules.a1111.processing import StableDiffusionProcessingTxt2Img

    with_scripts(app)
    with occupied(app):
        p = StableDiffusionProcessingTxt2Img(prompt="by myself", seed=3, steps=1, width=64, height=64, sampler_name="Euler", do_not_save_samples=True)
        assert process_images(p).images[0].size == (64, 64)
        unnamed = process_images(StableDiffusionProcessingTxt2Img(prompt="as older scripts do it", steps=1, width=64, height=64, do_not_save_samples=True))
        assert "Sampler: DPM++ 2M," in unnamed.infotexts[0], "A1111 takes the first of its list"
    with pytest.raises(InvalidValue, match="Width"), occupied(app):
        process_images(StableDiffusionProcessingTxt2Img(prompt="too wide", width=10**6))


def test_what_a_script_adds_at_the_very_end_is_shown_and_its_words_go_to_programs(app: App) -> None:
    class Adds(Always):
        def postprocess(self, p: Any, processed: Any, *args: Any) -> None:
            processed.images += [np.full((8, 9, 3), 200, np.uint8), "bXkgb3duIGRhdGE="]
            processed.extra_images.append(Image.new("RGB", (7, 7)))

    with_scripts(app, Adds)
    outcome = generate_blocking(app, asking())
    assert [each.picture.size for each in outcome.shown] == [(64, 64), (9, 8), (7, 7)]
    assert len(encoded_pictures(app, outcome, embed=False)) == 4 and "bXkgb3duIGRhdGE=" in encoded_pictures(app, outcome, embed=False)


def test_callbacks_hear_of_each_picture(app: App, fake_engine: FakeEngine) -> None:
    from modules.a1111 import callbacks

    heard: list[Any] = []
    with_scripts(app)
    with occupied(app):
        callbacks.on_before_image_saved(lambda params: setattr(params, "image", params.image.rotate(90).resize((32, 32))))
        callbacks.on_image_saved(lambda params: heard.append((params.filename, params.pnginfo["parameters"][:5], params.p.prompt)))
        outcome = generate_blocking(app, asking(save_images=True))
    assert heard == [(str(outcome.images[0].path), "a cat", "a cat")] and outcome.images[0].picture.size == (32, 32)


def test_pictures_are_saved_while_p_speaks_of_them(app: App, fake_engine: FakeEngine) -> None:
    """Extensions write captions and the like by it; the grid is told of too."""
    from modules.a1111 import callbacks

    heard: list[Any] = []

    def hear(params: Any) -> None:
        name = Path(params.filename).name
        heard.append("grid" if name.startswith("grid") else (params.p.iteration, params.p.seeds[params.p.batch_index], name.endswith(f"-{params.p.seeds[params.p.batch_index]}.png")))

    with_scripts(app)
    with occupied(app):
        callbacks.on_before_image_saved(hear)
        callbacks.on_image_saved(hear)
        generate_blocking(app, asking(save_images=True, n_iter=2, batch_size=2))
    expected = [(0, 100, True), (0, 101, True), (1, 102, True), (1, 103, True), "grid"]
    assert heard == [each for each in expected for _ in range(2)]


def test_process_sees_the_values_that_the_settings_give(app: App, fake_engine: FakeEngine) -> None:
    seen: list[Any] = []

    class Reads(Always):
        def process(self, p: Any, *args: Any) -> None:
            seen.extend([p.s_churn + 1, p.s_noise, p.s_tmax > 1000, p.s_min_uncond, p.restore_faces, p.tiling, bool(p.sd_model_name)])

    with_scripts(app, Reads)
    outcome = generate_blocking(app, asking(override_settings={"s_noise": 0.9}))
    assert seen == [1.0, 0.9, True, 0.0, False, False, True] and "Sigma" not in outcome.images[0].infotext


def test_before_saving_name_and_texts_are_known_and_may_be_changed(app: App, fake_engine: FakeEngine) -> None:
    from PIL import Image

    from modules.a1111 import callbacks

    names: list[str] = []

    def before(params: Any) -> None:
        names.append(params.filename)
        params.pnginfo["workflow"] = "mine"
        params.pnginfo["parameters"] += ", Mine: yes"
        if len(names) == 2:
            params.filename = str(Path(params.filename).with_name("other.png"))
        if len(names) == 3:
            params.filename = "/tmp/elsewhere.png"
        if len(names) == 4:
            params.image = params.pnginfo = None

    with_scripts(app)
    with occupied(app):
        callbacks.on_before_image_saved(before)
        outcome = generate_blocking(app, asking(save_images=True, n_iter=4, do_not_save_grid=True))
    paths = [image.path for image in outcome.images]
    assert str(paths[0]) == names[0] and paths[1] is not None and paths[1].name == "other.png" and str(paths[2]) == names[2] and paths[3] is not None
    with Image.open(paths[0]) as saved:
        assert saved.info["workflow"] == "mine" and saved.info["parameters"].endswith("Mine: yes")


def test_a_grid_can_be_changed_before_it_is_made(app: App, fake_engine: FakeEngine) -> None:
    from modules.a1111 import callbacks

    def before(params: Any) -> None:
        assert (len(params.imgs), params.cols, params.rows) == (4, 2, 2)
        params.imgs, params.cols = params.imgs[:3], 3

    with_scripts(app)
    with occupied(app):
        callbacks.on_image_grid(before)
        outcome = generate_blocking(app, asking(n_iter=4, save_images=True))
    assert outcome.grid is not None and outcome.grid.picture.size == (3 * 64, 64)


def test_an_interrupt_ends_a_script(app: App, fake_engine: FakeEngine) -> None:
    from modules.application.generation import submit

    with_scripts(app)
    fake_engine.gate.clear()
    job = submit(app, asking(prompt="a|b|c|d", script_name="prompt matrix", script_args=[False, False, "positive", "comma", 0]), source="api")
    fake_engine.started.wait(10)
    app.jobs.interrupt(job.id)
    assert app.jobs.wait(job, 10).is_over and len(fake_engine.requests) == 1


def test_img2img_has_its_pictures(app: App) -> None:
    from modules.imaging.base64_codec import encode_image

    seen: list[Any] = []

    class Looker(Always):
        def process(self, p: Any, *args: Any) -> None:
            seen.append((p.init_images[0].size, p.image_mask.size, p.mask_blur_x, p.denoising_strength))

    with_scripts(app, Looker)
    picture = encode_image(Image.new("RGB", (64, 64), "red"))
    request = Img2ImgRequest.from_flat({"init_images": [picture], "mask": picture, "mask_blur": 9, "denoising_strength": 0.4, "steps": 1, "width": 64, "height": 64})
    generate_blocking(app, request)
    assert seen == [((64, 64), (64, 64), 9, 0.4)]


BODY = """
from modules.a1111.script import AlwaysVisible, Script

class Marked(Script):
    def title(self): return "Marked"
    def show(self, is_img2img): return AlwaysVisible
    def process(self, p, *args): p.extra_generation_params["Mark"] = "{mark}"
"""


def test_script_bodies_are_read_again(app: App, tmp_path: Path) -> None:
    from modules.a1111.script_files import load_module
    from modules.a1111.script_reload import reload_script_bodies

    host = install_scripts(app, gradio.Blocks)
    file = tmp_path / "marked.py"
    file.write_text(BODY.replace("{mark}", "old"))
    host.register(load_module(file), str(file), str(tmp_path))
    host.initialize()
    text = lambda: generate_blocking(app, asking()).images[0].infotext
    assert "Mark: old" in text()
    file.write_text(BODY.replace("{mark}", "new"))
    os.utime(file, (0, 9))              # nobody edits within a second, as long as Python's byte code takes a file of the same length for the same
    count, told = reload_script_bodies(app)
    assert count > 1 and not told and "Mark: new" in text()
    file.write_text("def broken(:")
    assert any("marked.py" in each for each in reload_script_bodies(app)[1]) and "Mark: new" in text()


@pytest.mark.golden
def test_the_order_of_calls_is_a1111s(tmp_path: Path) -> None:
    """With the real engine: each stage is reached once for one picture, in A1111's order."""
    import torch

    from modules.application.build import build_app
    from modules.schema.flags import parse_flags
    from tests.golden.cases import data_dir

    torch.set_num_threads(1)
    calls: list[str] = []
    methods = {name: (lambda self, p, *args, _name=name, **kwargs: calls.append(_name)) for name in (*ORDER, "before_hr")}
    app = build_app(parse_flags(["--data-dir", str(tmp_path), "--models-dir", str(data_dir() / "models")], {}).flags)
    try:
        with_scripts(app, type("Noter", (Always,), methods))
        plain = {"prompt": "a cat", "steps": 1, "width": 64, "height": 64, "sampler_name": "Euler"}
        generate_blocking(app, Txt2ImgRequest.from_flat(plain))
        assert tuple(calls) == ORDER
        calls.clear()
        generate_blocking(app, Txt2ImgRequest.from_flat(plain | {"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Latent"}))
        start = calls.index("process_before_every_sampling")
        assert calls[start : start + 5] == ["process_before_every_sampling", "after_extra_networks_activate", "before_hr", "process_before_every_sampling", "post_sample"]
    finally:
        app.close()


@pytest.mark.parametrize("kind", [StableDiffusionProcessingTxt2Img, StableDiffusionProcessingImg2Img])
def test_what_an_extension_finds_on_p_it_may_put_back(a1111: App, kind: type[StableDiffusionProcessing]) -> None:
    p = kind(prompt="a cat")
    for name in dir(p):
        if not name.startswith("__"):
            setattr(p, name, getattr(p, name))
    assert p.to_request().prompt.prompt == "a cat"


def test_torchs_own_number_type_and_device_are_a_jobs_alone() -> None:
    import torch

    with pytest.raises(ZeroDivisionError), torch_as_before():
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        raise ZeroDivisionError
    assert torch.zeros(1).dtype is torch.float32 and torch.zeros(1).device.type == "cpu"
