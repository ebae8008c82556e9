"""Each built-in script does its job, with the fake engine: which runs it asks for, what it gives back."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio
import pytest
from PIL import Image

from modules.a1111.app_slot import occupied
from modules.a1111.script_host import ScriptHost, install_scripts
from modules.a1111.state import state
from modules.application.app import App
from modules.application.generation import generate_blocking, submit
from modules.application.outcome import Outcome
from modules.builtin_scripts.sd_upscale import Script as SdUpscale
from modules.builtin_scripts.xyz.axes import axis_options
from modules.imaging.base64_codec import encode_image
from modules.jobs.job import JobState
from modules.schema.errors import InvalidValue, WebuiError
from modules.schema.request import Img2ImgRequest, Txt2ImgRequest
from tests.conftest import FakeEngine
from tests.golden.cases import a1111_said

MakeApp = Callable[..., App]
SMALL = {"prompt": "a red cat", "steps": 2, "width": 64, "height": 64, "seed": 100, "sampler_name": "Euler"}


@pytest.fixture
def app(make_app: MakeApp, fake_engine: FakeEngine) -> App:
    app = make_app()
    install_scripts(app, gradio.Blocks)
    return app


def draw(app: App, name: str, *args: Any, **values: Any) -> Outcome:
    return generate_blocking(app, Txt2ImgRequest.from_flat(SMALL | {"script_name": name, "script_args": list(args)} | values))


def redraw(app: App, name: str, *args: Any, picture: Image.Image | None = None, **values: Any) -> Outcome:
    image = encode_image(picture or Image.new("RGB", (64, 64), "green"))
    return generate_blocking(app, Img2ImgRequest.from_flat(SMALL | {"init_images": [image], "script_name": name, "script_args": list(args)} | values))


def test_xyz_offers_no_sampler_that_the_settings_hide(app: App) -> None:
    app.settings.set("hide_samplers", ["Heun"])
    with occupied(app):
        offered = [list(each.choices()) for each in axis_options if each.label in ("Sampler", "Hires sampler") and each.choices]
    assert len(offered) == 2 and all("Heun" not in each and "Euler" in each for each in offered)


def test_xyz_draws_every_combination_and_tells_how(app: App, fake_engine: FakeEngine) -> None:
    plot = draw(app, "X/Y/Z plot", 4, "1-3 (+2)", [], "CFG Scale", "2,4", [], "Sampler", "", ["Euler", "DDIM"], True, True, True, save_images=True)
    asked = {(each.steps, each.guidance_scale, each.sampler_name) for each in fake_engine.requests}
    assert asked == {(steps, scale, sampler) for steps in (1, 3) for scale in (2.0, 4.0) for sampler in ("Euler", "DDIM")}
    assert len(plot.shown) == 1 + 2 + 8 and plot.info["index_of_first_image"] == 3
    assert all(each.path is not None for each in plot.shown), "sheets and pictures are saved"
    assert plot.shown[0].path is not None and plot.shown[0].path.name == "xyz_grid-0000-100.png", "as pictures are named, also where grids' names are short"
    whole, sub = plot.shown[0].picture, plot.shown[1].picture
    assert whole.width == 2 * sub.width and sub.width == 2 * 64 + 48
    text = plot.shown[0].infotext
    assert 'Script: X/Y/Z plot, X Type: Steps, X Values: 1-3 (+2), Y Type: CFG Scale, Y Values: "2,4", Z Type: Sampler, Z Values: "Euler,DDIM"' in text
    assert "Y Type" in plot.shown[1].infotext and not any("Z Type" in each.infotext for each in plot.shown[1:3])
    assert app.jobs.recent(1)[0].progress.snapshot().fraction == 1.0


def test_a_plot_answers_with_its_first_cell_and_pictures_keep_their_own_texts(app: App) -> None:
    """As A1111: a picture out of a plot, pasted, does not ask for the plot again."""
    plot = draw(app, "X/Y/Z plot", "Steps", "3,4", [], "CFG Scale", "5,6", [], "Sampler", "", ["DDIM", "Euler"], True, True, False)
    assert (plot.info["steps"], plot.info["cfg_scale"], plot.info["sampler_name"]) == (3, 5.0, "DDIM")
    first = plot.info["index_of_first_image"]
    assert first == 1 and len(plot.info["all_seeds"]) == 8
    assert "Script: X/Y/Z plot" in plot.shown[0].infotext and not any("Script" in each.infotext or "X Type" in each.infotext for each in plot.shown[first:])


def test_sheets_that_were_not_asked_for_are_not_saved(app: App) -> None:
    plot = draw(app, "X/Y/Z plot", "Steps", "1,2", [], "Nothing", "", [], "CFG Scale", "2,4", [], True, False, False, save_images=True)
    (whole,) = plot.shown
    assert whole.path is not None and [each.name for each in whole.path.parent.iterdir()] == ["xyz_grid-0000-100.png"]
    matrix = draw(app, "Prompt matrix", False, False, "positive", "comma", 0, prompt="a|b", save_images=True)
    assert matrix.shown[0].path is not None and matrix.shown[0].path.name == "prompt_matrix-0000-100.png"


def test_sheets_of_a_plot_without_z_and_their_margin(app: App) -> None:
    """As A1111: who asks for sub grids gets them for one z too, saved once; the margin lies between pictures, not between sheets."""
    plot = draw(app, "X/Y/Z plot", "Steps", "1,2", [], 0, "", [], 0, "", [], True, True, True, save_images=True)
    whole, sub, *cells = plot.shown
    assert len(cells) == 2 and whole.picture.tobytes() == sub.picture.tobytes() and plot.info["index_of_first_image"] == 2
    assert whole.path is not None and [each.name for each in whole.path.parent.iterdir() if "grid" in each.name] == ["xyz_grid-0000-100.png"]
    plot = draw(app, "X/Y/Z plot", "Steps", "1,2", [], 0, "", [], "CFG Scale", "3,4", [], True, False, True, False, False, False, False, 20)
    whole, sub, _ = plot.shown
    assert sub.picture.width == 2 * 64 + 20 and whole.picture.width == 2 * sub.picture.width
    (whole,) = draw(app, "X/Y/Z plot", 0, "", [], 0, "", [], "CFG Scale", "3", [], True, False, False).shown
    assert whole.picture.height > 64, "the one value of z stands above"


@pytest.mark.parametrize(("values", "words"), [
    (["Seed", ""], "has no values"), (["Steps", "three"], "'three' is no value of this axis .a whole number"), (["Prompt S/R", "dog,horse"], "did not find 'dog'"),
    (["Sampler", "Nope"], "sampler called 'Nope'"), (["Checkpoint name", "Nope"], "Nope"), (["Nope", "1"], "no axis 'Nope'"), ([99, "1"], "no number 99"),
    (["Prompt S/R", ",dog"], "first value is empty"), (["Size", "12"], "no size"), (["Steps", "1-500", [], "Seed", "1-500"], "megapixels"),
])
def test_what_cannot_be_plotted_is_said_before_the_first_picture(app: App, fake_engine: FakeEngine, values: list[Any], words: str) -> None:
    with pytest.raises(WebuiError, match=words):
        draw(app, "x/y/z plot", *values)
    assert fake_engine.requests == []


def test_a_cell_that_fails_stays_blank_and_is_named(app: App, fake_engine: FakeEngine) -> None:
    plot = draw(app, "x/y/z plot", "Steps", "1,5000,2")
    assert [each.steps for each in fake_engine.requests] == [1, 2]
    assert "X Type: Steps" in draw(app, "x/y/z plot", "Steps", "5000,1").shown[0].infotext, "also where the first one fails"
    assert plot.shown[0].picture.width == 3 * 64 and any("Steps: 5000 could not be made" in each for each in plot.comments)


def test_seeds_of_a_plot(app: App, fake_engine: FakeEngine) -> None:
    draw(app, "x/y/z plot", "Seed", "7,-1", [], "Steps", "1,2")
    plans = [each.seed for each in fake_engine.requests]
    assert plans[0] == plans[2] == 7 and plans[1] == plans[3] not in (-1, 7)
    fake_engine.requests.clear()
    draw(app, "x/y/z plot", "Steps", "1,2", [], "CFG Scale", "3,4", [], 0, "", [], True, False, False, False, True, True, False)
    assert [each.seed for each in fake_engine.requests] == [100, 101, 102, 103]


def test_settings_axes_hold_for_their_cell_alone(app: App, fake_engine: FakeEngine) -> None:
    draw(app, "x/y/z plot", "Clip skip", "1-2", [], "Prompt S/R", "red,blue")
    assert [(each.options.clip_skip, each.prompt) for each in fake_engine.requests] == [
        (1, "a red cat"), (2, "a red cat"), (1, "a blue cat"), (2, "a blue cat")]
    assert app.settings.get("CLIP_stop_at_last_layers") == 1


def test_the_axes_are_a1111s_in_its_order() -> None:
    """With those of its built-in extensions; programs name an axis by its number."""
    listed = a1111_said("ui-elem-ids")["elements"]
    for tab, is_img2img in (("txt2img", False), ("img2img", True)):
        wanted = next(each["choices"] for each in listed if each["elem_id"] == f"script_{tab}_xyz_plot_x_type")
        ours = [each.label for each in axis_options if each.is_img2img in (None, is_img2img)]
        ours = [each for each in ours if each.startswith("[Hypertile] ") or not each.startswith("[")]      # tests before may have loaded extensions with axes
        assert ours == [each if isinstance(each, str) else each[0] for each in wanted]


def test_hypertile_can_be_plotted(app: App, fake_engine: FakeEngine) -> None:
    draw(app, "x/y/z plot", "[Hypertile] Unet First pass Enabled", "", ["False", "True"], "[Hypertile] Unet Swap Size", "2,5")
    asked = [(each.hypertile.unet.is_on, each.hypertile.unet.swap_size) for each in fake_engine.requests]
    assert asked == [(False, 2), (True, 2), (False, 5), (True, 5)]
    with pytest.raises(InvalidValue, match="between 0 and 512"):
        draw(app, "x/y/z plot", "[Hypertile] VAE Max Tile Size", "1024")


def test_an_empty_value_leaves_the_words_out(app: App, fake_engine: FakeEngine) -> None:
    draw(app, "x/y/z plot", "Prompt S/R", "red,,blue", [], "Steps", "1,,2,")
    assert [each.prompt for each in fake_engine.requests[:3]] == ["a red cat", "a  cat", "a blue cat"]
    assert len(fake_engine.requests) == 6, "a comma too many is nothing among numbers"


def test_vaes_of_a_plot_are_named_as_in_a1111(app: App, fake_engine: FakeEngine) -> None:
    for name in ("my-kl-f8.safetensors", "my-kl-f8-ema.safetensors"):
        (app.paths.data_dir / "models" / "VAE").mkdir(parents=True, exist_ok=True)
        (app.paths.data_dir / "models" / "VAE" / name).write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    app.catalogue.refresh()
    plot = draw(app, "x/y/z plot", "VAE", "auto, none, KL-F8")
    assert not any("no VAE called" in each for each in plot.comments)


def test_a_plot_tells_its_axes_to_extensions(app: App, fake_engine: FakeEngine) -> None:
    draw(app, "x/y/z plot", "Clip skip", "1-2", [], "Prompt S/R", "red,blue")
    assert (state.xyz_plot_x.axis.label, state.xyz_plot_x.values) == ("Clip skip", [1, 2])
    assert (state.xyz_plot_y.axis.label, state.xyz_plot_z.axis.label) == ("Prompt S/R", "Nothing")


def test_an_extension_adds_an_axis(app: App, fake_engine: FakeEngine) -> None:
    """As 16 extensions do: the module is found by its name, AxisOptions are appended."""
    host = app.scripts.host
    assert isinstance(host, ScriptHost)
    (module,) = {each.module for each in host.scripts_data if each.script_class.__module__ in ("xyz_grid.py", "scripts.xyz_grid")}
    option = module.AxisOption("[Mine] width", int, module.apply_field("width"))
    module.axis_options.append(option)
    try:
        draw(app, "x/y/z plot", "[Mine] width", "64,128")
        assert [each.width for each in fake_engine.requests] == [64, 128]
    finally:
        module.axis_options.remove(option)


def test_prompt_matrix_of_the_negative_prompt(app: App, fake_engine: FakeEngine) -> None:
    outcome = draw(app, "Prompt matrix", True, True, "negative", "space", 4, negative_prompt="ugly|grey|old")
    assert outcome.info["all_negative_prompts"] == ["ugly", "grey ugly", "old ugly", "grey old ugly"]
    assert outcome.info["all_seeds"] == [100, 101, 102, 103] and len(outcome.shown) == 5
    with pytest.raises(InvalidValue, match="parts"):
        draw(app, "Prompt matrix", prompt="|".join("abcdefghijklmnopq"))


def test_prompts_from_lines(app: App, fake_engine: FakeEngine) -> None:
    lines = "a dog\n\n--prompt \"a house\" --steps 7 --cfg_scale 3.5 --negative_prompt old grey --seed 5\nit's 5 o'clock -- tea"
    outcome = draw(app, "prompts from file or textbox", True, False, "end", lines, prompt="in snow")
    assert [each.prompt for each in fake_engine.requests] == ["in snow a dog", "in snow a house", "in snow it's 5 o'clock -- tea"]
    second = fake_engine.requests[1]
    assert (second.steps, second.guidance_scale, second.negative_prompt, second.seed) == (7, 3.5, "old grey", 5)
    assert [each.seed for each in fake_engine.requests][::2] == [100, 102]
    assert len(outcome.shown) == 3 and outcome.info["all_prompts"][1] == "in snow a house"
    with pytest.raises(InvalidValue):
        draw(app, "prompts from file or textbox", False, False, "start", "")


def test_what_cannot_be_read_in_a_line_is_left_out_and_told_and_every_line_is_drawn(app: App, fake_engine: FakeEngine) -> None:
    lines = ["--prompt a cat --foo 3 --steps 7 --cfg_scal 2", "--prompt a dog --steps many", '--prompt "a cow', "--ar 16:9", "--prompt x --sd_model nowhere --sampler_name Nonesuch", "--steps 5 6 --prompt y"]
    outcome = draw(app, "prompts from file or textbox", False, False, "start", "\n".join(lines), prompt="", steps=9)
    assert [each.prompt for each in fake_engine.requests] == ["a cat", "a dog", '--prompt "a cow', "--ar 16:9", "x", "y"]
    assert [each.steps for each in fake_engine.requests] == [7, 9, 9, 9, 9, 5]
    told = "\n".join(outcome.comments)
    assert all(each in told for each in ("Line 1: there is no option --foo. They are called as in the API", "Line 2: Sampling steps (steps) cannot be", "Line 3 has a quote", "Line 4 has no option", '"6" behind --steps'))
    assert "there is no option --cfg_scal. Did you mean --cfg_scale?" in told
    for name in ("override_settings", "firstpass_image"):
        said = draw(app, "prompts from file or textbox", False, False, "start", f"--prompt x --{name} y").comments
        assert f"there is no option --{name}" in str(said) and f"Did you mean --{name}?" not in str(said)
    assert "nowhere" in told.split("Line 5: ")[1] and "Nonesuch" in told.split("Line 5: ")[2]


def test_a_line_that_cannot_be_drawn_takes_no_other_with_it(app: App, fake_engine: FakeEngine) -> None:
    outcome = draw(app, "prompts from file or textbox", False, False, "start", "a cat\n--prompt b --scheduler Nonesuch\na dog", prompt="")
    assert [each.prompt for each in fake_engine.requests] == ["a cat", "a dog"] and len(outcome.shown) == 2
    assert any(each.startswith("Line 2 could not be drawn") and "Nonesuch" in each for each in outcome.comments)


def test_sd_upscale_draws_over_each_tile(app: App, fake_engine: FakeEngine) -> None:
    outcome = redraw(app, "sd upscale", None, 16, "Lanczos", 2.0)
    assert len(fake_engine.requests) == 9 and {each.init.pictures[0].size for each in fake_engine.requests} == {(64, 64)}
    assert [each.seed for each in fake_engine.requests] == list(range(100, 109))
    assert [image.picture.size for image in outcome.shown] == [(128, 128)]
    assert "SD upscale overlap: 16, SD upscale upscaler: Lanczos" in outcome.shown[0].infotext
    with pytest.raises(InvalidValue, match="no upscaler 'Nope'"):
        redraw(app, "sd upscale", None, 16, "Nope", 2.0)
    two = [encode_image(Image.new("RGB", (64, 64), colour)) for colour in ("green", "red")]
    assert len(redraw(app, "sd upscale", None, 16, "Lanczos", 2.0, init_images=two).shown) == len(outcome.shown), "as in A1111 it takes the first"
    with pytest.raises(InvalidValue, match="2 input pictures"):
        redraw(app, "", init_images=two)
    outcome = redraw(app, "sd upscale", None, 16, 1, 2.0)      # by its place in the list
    assert "SD upscale upscaler: Lanczos" in outcome.shown[0].infotext


def test_sd_upscale_offers_what_extras_offers(app: App) -> None:
    """R-ESRGAN and the others before their files are here; whoever chooses one is told where the file is."""
    with occupied(app), gradio.Blocks():
        (offered,) = (each for each in SdUpscale().ui(True) if getattr(each, "label", "") == "Upscaler")
    assert [each[0] for each in offered.choices] == app.upscalers.offered(app.settings)
    with pytest.raises(WebuiError, match="download it from"):
        redraw(app, "sd upscale", None, 16, "R-ESRGAN 4x+", 2.0)


@pytest.mark.parametrize(("name", "args"), [("poor man's outpainting", [16, 4, "fill", ["left"]]), ("outpainting mk2", [None, 64, 8, ["left"], 1.0, 0.05])])
def test_outpainting_keeps_the_picture_in_a_larger_one(app: App, fake_engine: FakeEngine, name: str, args: list[Any]) -> None:
    kept = Image.effect_mandelbrot((128, 128), (-2, -1.5, 1, 1.5), 50).convert("RGB")
    (image,) = redraw(app, name, *args, picture=kept, width=64, height=64).shown
    assert image.picture.size == (192, 128)
    assert image.picture.crop((160, 0, 192, 128)).tobytes() == kept.crop((96, 0, 128, 128)).tobytes(), "far from the seam"
    request = fake_engine.requests[0]
    assert request.init.inpaint.mask is not None and request.init.inpaint.mask.getpixel((0, 32)) == 255 and not request.init.inpaint.only_masked


@pytest.mark.parametrize(("pixels", "sides", "drawn"), [(32, ["left", "up"], 8), (16, ["right"], 2)])
def test_poor_mans_outpainting_draws_no_tile_of_the_old_picture_alone(app: App, fake_engine: FakeEngine, pixels: int, sides: list[str], drawn: int) -> None:
    """Each tile that is drawn takes a seed: one more at the beginning, and a seed no longer gives the picture that it gave in A1111."""
    redraw(app, "poor man's outpainting", pixels, 4, "fill", sides, picture=Image.new("RGB", (64, 64), "green"))
    assert len(fake_engine.requests) == drawn, "as many as A1111 draws"


def test_poor_mans_mask_leaves_one_more_pixel_of_the_new_part_at_the_right_and_below(app: App, fake_engine: FakeEngine) -> None:
    """A1111 draws the old picture's frame with its far corner: without it every picture differed (28 dB instead of 84)."""
    redraw(app, "poor man's outpainting", 8, 0, "original", ["left", "right", "down"], width=128, height=128)
    mask = fake_engine.requests[0].init.inpaint.mask.convert("L")
    assert [x for x in range(128) if mask.getpixel((x, 0)) == 0] == list(range(32, 97))
    assert [y for y in range(128) if mask.getpixel((64, y)) == 0] == list(range(65))


@pytest.mark.parametrize(("name", "args", "most"), [("poor man's outpainting", [64, 4, "fill", ["left"]], 3), ("sd upscale", [None, 64, "Lanczos", 1.05], 4)])
def test_an_overlap_as_large_as_a_tile_makes_no_tile_for_each_pixel(app: App, fake_engine: FakeEngine, name: str, args: list[Any], most: int) -> None:
    outcome = redraw(app, name, *args)
    assert 0 < len(fake_engine.requests) <= most
    assert any("64x64" in words and "32" in words for words in outcome.comments), outcome.comments


def test_loopback_feeds_each_result_back(app: App, fake_engine: FakeEngine) -> None:
    outcome = redraw(app, "loopback", 3, 0.2, "Linear", "None", denoising_strength=0.8)
    assert [round(each.denoising_strength, 3) for each in fake_engine.requests] == [0.8, 0.5, 0.2]
    second = fake_engine.requests[1].init.pictures[0]
    assert second.getpixel((0, 0)) == (100, 0, 77), "the first result"
    assert len(outcome.shown) == 4 and outcome.shown[0].picture.size == (192, 64)
    told = [("Seed: 100,", "strength: 0.8,"), ("Seed: 101,", "strength: 0.5,"), ("Seed: 102,", "strength: 0.2,")]
    assert all(seed in each.infotext and strength in each.infotext for each, (seed, strength) in zip(outcome.shown[1:], told)), "each can be drawn again"


@pytest.mark.parametrize("side", ["positive", "negative"])
def test_prompt_matrix_draws_with_hires_fix(app: App, fake_engine: FakeEngine, side: str) -> None:
    """Was refused: "Hires prompt cannot be [...]: it must be text"."""
    hires = {"enable_hr": True, "hr_scale": 2.0, "denoising_strength": 0.5}
    plot = draw(app, "prompt matrix", False, False, side, "comma", 0, prompt="a|b", negative_prompt="x|y", **hires)
    assert len(plot.shown) == 3 and not any("Hires prompt" in each.infotext for each in plot.shown)
    assert fake_engine.requests[0].hires.enabled
    wanted = ["a\nNegative prompt: x|y", "a, b\nNegative prompt: x|y"] if side == "positive" else ["a|b\nNegative prompt: x", "a|b\nNegative prompt: x, y"]
    assert [each.infotext.split("\nSteps")[0] for each in plot.shown[1:]] == wanted


@pytest.mark.parametrize(("name", "args"), [("x/y/z plot", ["Steps", "1,2,3"]), ("prompts from file or textbox", [False, False, "start", "a\nb\nc"])])
def test_an_interrupt_ends_the_script_and_keeps_what_is_made(app: App, fake_engine: FakeEngine, name: str, args: list[Any]) -> None:
    fake_engine.gate.clear()
    job = submit(app, Txt2ImgRequest.from_flat(SMALL | {"script_name": name, "script_args": args}), source="page")
    assert fake_engine.started.wait(20)
    app.jobs.interrupt(job.id)
    app.jobs.wait(job, 20)
    assert job.state is JobState.INTERRUPTED and len(fake_engine.requests) == 1


def test_a_script_job_survives_a_restart(make_app: MakeApp, fake_engine: FakeEngine) -> None:
    first = make_app()
    install_scripts(first, gradio.Blocks)
    fake_engine.gate.clear()
    submit(first, Txt2ImgRequest.from_flat(SMALL), source="page")
    assert fake_engine.started.wait(20)
    waiting = submit(first, Txt2ImgRequest.from_flat(SMALL | {"script_name": "prompt matrix", "prompt": "a|b"}), source="page")
    lost = submit(first, Txt2ImgRequest.from_flat(SMALL | {"alwayson_scripts": {"seed": {"args": [object()]}}}), source="page")
    first.close()
    fake_engine.gate.set()
    second = make_app(start=False)
    install_scripts(second, gradio.Blocks)
    second.jobs.start()
    for job in (waiting, lost):
        again = second.jobs.find(job.id)
        assert again is not None
        second.jobs.wait(again, 30)
    done, refused = second.jobs.find(waiting.id), second.jobs.find(lost.id)
    assert done is not None and done.state is JobState.DONE and len(done.result.shown) == 3
    assert refused is not None and refused.state is JobState.FAILED and "restarted" in (refused.error or "")


def test_a_style_whose_name_has_a_comma_is_an_axis_value_like_any(app: App, fake_engine: FakeEngine) -> None:
    (app.paths.data_dir / "styles.csv").write_text('name,prompt,negative_prompt\n"ink, wet",in ink,\noil,in oil,\nold,long ago,\n')
    draw(app, "X/Y/Z plot", "Styles", "", ["ink, wet", "oil,old"])
    assert [each.prompt for each in fake_engine.requests] == ["a red cat, in ink", "a red cat, in oil, long ago"]


MANUALS_CODE = """import modules.processing

processed = modules.processing.process_images(p)

print("Seed was: " + str(processed.seed))

display(processed.images, processed.seed, processed.info)
"""


@pytest.fixture
def app_with_code(make_app: MakeApp, fake_engine: FakeEngine) -> App:
    app = make_app("--allow-code")
    install_scripts(app, gradio.Blocks)
    return app


def test_custom_code_runs_what_a1111s_manual_shows(app_with_code: App, fake_engine: FakeEngine, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = draw(app_with_code, "Custom code", MANUALS_CODE, 2)
    assert len(drawn.shown) == 1 and "Seed: 100" in drawn.shown[0].infotext
    assert "Seed was: 100" in capsys.readouterr().out


def test_custom_code_may_change_p_and_return_what_it_made(app_with_code: App, fake_engine: FakeEngine) -> None:
    drawn = redraw(app_with_code, "Custom code", "from modules.processing import process_images\np.steps = 7\np.batch_size = 2\nif True:\n  return process_images(p)\n", 2)
    assert len(drawn.shown) == 2 and fake_engine.requests[0].steps == 7


@pytest.mark.parametrize(("code", "words"), [("p.steps = 3\nnonsense()", "line 2: NameError.*nonsense"), ("for", "no Python")])
def test_a_mistake_in_custom_code_is_told_with_its_line(app_with_code: App, code: str, words: str) -> None:
    with pytest.raises(WebuiError, match=words):
        draw(app_with_code, "Custom code", code)


def test_without_allow_code_no_code_runs(app: App, fake_engine: FakeEngine) -> None:
    with pytest.raises(WebuiError, match="Custom code"):
        draw(app, "Custom code", MANUALS_CODE, 2)
    assert fake_engine.requests == []
