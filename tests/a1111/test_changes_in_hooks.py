"""What scripts change on ``p`` while it runs acts from there on and stands in the text, and what they find there is what A1111 1.10.1 has; held beside it."""
from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from modules.a1111 import callbacks
from modules.a1111 import sampler_list as sd_samplers
from modules.a1111.noise_names import ImageRNG
from modules.a1111.options import opts
from modules.a1111.state import state
from modules.application.app import App
from modules.application.generation import generate_blocking
from modules.application.outcome import Outcome
from modules.imaging.base64_codec import encode_image
from modules.schema.request import Img2ImgRequest, Txt2ImgRequest
from tests.a1111.golden_app import golden_app, take_script
from tests.golden.cases import data_dir

pytestmark = pytest.mark.golden
SCRIPT = Path(__file__).parents[1] / "extensions" / "every-hook" / "scripts" / "every_hook.py"
SMALL = {"prompt": "a cat", "negative_prompt": "blurry", "steps": 2, "width": 64, "height": 64, "seed": 5, "sampler_name": "Euler a", "denoising_strength": 0.5}
HIRES = {"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Latent", "hr_second_pass_steps": 2}
PICTURE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    data = tmp_path_factory.mktemp("hooks")
    checkpoints = data / "models" / "Stable-diffusion"
    shutil.copytree(data_dir() / "models" / "Stable-diffusion", checkpoints)
    for suffix in (".safetensors", ".yaml"):
        shutil.copy(checkpoints / f"sd15-tiny{suffix}", checkpoints / f"other-tiny{suffix}")
    with golden_app(data, "--ckpt", str(checkpoints / "sd15-tiny.safetensors")) as app:
        take_script(app, SCRIPT)
        yield app


@pytest.fixture
def told(app: App) -> Iterator[dict[str, Any]]:
    """``acts`` and ``heard`` of the extension."""
    host: Any = app.scripts.host
    names = host.txt2img.script("every hook").__class__.process.__globals__
    names["acts"].clear()
    names["heard"].clear()
    yield names
    names["acts"].clear()


def drawn(app: App, **values: Any) -> Outcome:
    return generate_blocking(app, Txt2ImgRequest.from_flat(SMALL | values))


def repainted(app: App, **values: Any) -> Outcome:
    return generate_blocking(app, Img2ImgRequest.from_flat(SMALL | {"init_images": [encode_image(PICTURE)]} | values))


def pixels(outcome: Outcome, number: int = 0) -> bytes:
    return outcome.images[number].picture.tobytes()


def puts(**values: Any) -> Callable[[Any, Any], None]:
    return lambda p, _: vars(p).update(values)


@pytest.mark.parametrize("hook", ["before_process_batch", "process_batch", "process_before_every_sampling"])
@pytest.mark.parametrize(("name", "value"), [("steps", 4), ("eta", 0.3), ("cfg_scale", 2.5)])
def test_a_value_put_on_p_in_a_batch_acts_and_is_told(app: App, told: dict[str, Any], hook: str, name: str, value: float) -> None:
    asked = drawn(app, **{name: value})
    told["acts"][hook] = puts(**{name: value})
    found = drawn(app)
    assert pixels(found) == pixels(asked) and found.images[0].infotext == asked.images[0].infotext


def test_the_noise_of_samplers_follows_p(app: App, told: dict[str, Any]) -> None:
    asked = drawn(app, sampler_name="Euler", steps=3, s_churn=1.0)
    told["acts"]["process_batch"] = puts(s_churn=1.0)
    assert pixels(drawn(app, sampler_name="Euler", steps=3)) == pixels(asked)


@pytest.mark.parametrize(("name", "value"), [("denoising_strength", 0.9), ("initial_noise_multiplier", 0.5)])
def test_the_strength_of_img2img_follows_p(app: App, told: dict[str, Any], name: str, value: float) -> None:
    asked = repainted(app, steps=6, **{name: value})
    told["acts"]["process_batch"] = puts(**{name: value})
    assert pixels(repainted(app, steps=6)) == pixels(asked)


def test_the_hires_pass_follows_p(app: App, told: dict[str, Any]) -> None:
    first, longer = drawn(app), drawn(app, **HIRES | {"hr_second_pass_steps": 4})
    told["acts"]["before_hr"] = puts(hr_second_pass_steps=4)
    assert pixels(drawn(app, **HIRES)) == pixels(longer)
    told["acts"].clear()
    told["acts"]["process_batch"] = puts(enable_hr=False)
    assert pixels(drawn(app, **HIRES)) == pixels(first)


def test_what_a_batch_changes_holds_for_the_next_ones_and_not_for_the_next_job(app: App, told: dict[str, Any]) -> None:
    usual, longer = drawn(app, n_iter=2), drawn(app, n_iter=2, steps=4)
    told["acts"]["process_batch"] = lambda p, handed: vars(p).update(steps=4) if handed["batch_number"] == 1 else None
    found = drawn(app, n_iter=2)
    assert [pixels(found), pixels(found, 1)] == [pixels(usual), pixels(longer, 1)]
    told["acts"].clear()
    assert pixels(drawn(app, n_iter=2), 1) == pixels(usual, 1)


def test_a_batch_finds_what_an_earlier_one_wrote_into_the_lists_of_all(app: App, told: dict[str, Any]) -> None:
    def write(p: Any, _: Any) -> None:
        p.all_seeds[1], p.all_prompts[1] = 77, "a house"

    asked = drawn(app, seed=77, prompt="a house")
    told["acts"]["before_process_batch"] = write
    found = drawn(app, n_iter=2)
    assert pixels(found, 1) == pixels(asked) and "Seed: 77" in found.images[1].infotext


def test_an_option_set_in_process_holds_for_the_run(app: App, told: dict[str, Any]) -> None:
    from modules.a1111.options import opts

    asked = drawn(app, override_settings={"CLIP_stop_at_last_layers": 2})
    told["acts"]["process"] = lambda p, _: setattr(opts, "CLIP_stop_at_last_layers", 2)
    told["acts"]["postprocess"] = lambda p, _: setattr(opts, "CLIP_stop_at_last_layers", 1)
    found = drawn(app)
    assert pixels(found) == pixels(asked) and "Clip skip: 2" in found.images[0].infotext


def test_a_folder_set_in_process_takes_the_pictures(app: App, told: dict[str, Any], tmp_path: Path) -> None:
    told["acts"]["process"] = puts(outpath_samples=str(tmp_path / "mine"))
    drawn(app, save_images=True)
    assert [*(tmp_path / "mine").rglob("*.png")]


def test_img2img_shows_its_latent_before_the_first_batch_and_takes_another(app: App, told: dict[str, Any]) -> None:
    usual, seen = repainted(app), []

    def halve(p: Any, _: Any) -> None:
        seen.append((tuple(p.init_latent.shape), tuple(p.image_conditioning.shape), p.mask_blur))
        p.init_latent = p.init_latent * 0.5

    told["acts"]["before_process_batch"] = halve
    assert pixels(repainted(app)) != pixels(usual)
    assert seen == [((1, 4, 8, 8), (1, 5, 1, 1), 4)]


def test_the_networks_of_the_hires_pass_are_told(app: App, told: dict[str, Any]) -> None:
    drawn(app, **HIRES, hr_prompt="a cat <lora:nobody:0.5>")
    names = [name for name, _ in told["heard"]]
    place = names.index("before_hr")
    assert names.count("after_extra_networks_activate") == 2 and names[place - 1] == "after_extra_networks_activate"
    of_first, of_second = (handed["extra_network_data"] for name, handed in told["heard"] if name == "after_extra_networks_activate")
    assert of_first["lora"] == [] and of_second["lora"][0].items == ["nobody", "0.5"]


def test_process_finds_the_checkpoint_that_the_run_asked_for(app: App, told: dict[str, Any]) -> None:
    seen = []
    told["acts"]["process"] = lambda p, _: seen.append(p.sd_model.sd_checkpoint_info.model_name)
    for name in ("sd15-tiny", "other-tiny", "sd15-tiny"):
        drawn(app, override_settings={"sd_model_checkpoint": name})
    assert seen == ["sd15-tiny", "other-tiny", "sd15-tiny"]


def test_the_model_tells_its_noise_and_takes_another_schedule_for_a_run(app: App, told: dict[str, Any]) -> None:
    usual, seen = drawn(app, sampler_name="DDIM"), {}

    def change(p: Any, _: Any) -> None:
        model = p.sd_model
        seen.update(betas=float(model.betas.sum()), start=model.linear_start, end=model.linear_end, kept=float(model.sqrt_alphas_cumprod[500]),
                    noise=float(model.sqrt_one_minus_alphas_cumprod[500]), scale=model.scale_factor, channels=model.channels)
        model.alphas_cumprod = model.alphas_cumprod_original.flip(0).sort(descending=True).values * 0.8

    told["acts"]["process_batch"] = change
    assert pixels(drawn(app, sampler_name="DDIM")) != pixels(usual)
    assert seen["start"] == pytest.approx(0.00085, rel=1e-3) and seen["end"] == pytest.approx(0.012, rel=1e-3) and seen["betas"] == pytest.approx(5.349, rel=1e-3)
    assert seen["kept"] ** 2 + seen["noise"] ** 2 == pytest.approx(1) and (seen["scale"], seen["channels"]) == (0.18215, 4)
    told["acts"].clear()
    assert pixels(drawn(app, sampler_name="DDIM")) == pixels(usual), "of that run alone"


def test_a_latent_put_there_as_sampling_begins_is_drawn_over(app: App, told: dict[str, Any]) -> None:
    def halve(p: Any, _: Any) -> None:
        p.init_latent = p.init_latent * 0.5

    told["acts"]["process_batch"] = halve
    asked = repainted(app)
    told["acts"].clear()
    told["acts"]["process_before_every_sampling"] = halve
    assert pixels(repainted(app)) == pixels(asked)


def test_a_callback_scales_the_guidance_and_finds_the_steps_of_its_pass(app: App, told: dict[str, Any]) -> None:
    asked, steps = drawn(app, cfg_scale=3.5), []

    def halve(params: Any) -> None:
        params.denoiser.cond_scale_miltiplier = 0.5
        steps.append(params.denoiser.steps)

    callbacks.on_cfg_denoiser(halve)
    try:
        found = drawn(app, cfg_scale=7)
        drawn(app, **HIRES | {"hr_second_pass_steps": 3})
    finally:
        callbacks.remove_callbacks_for_function(halve)
    assert np.abs(np.asarray(found.images[0].picture, int) - np.asarray(asked.images[0].picture, int)).max() <= 1
    assert steps == [2, 2, 2, 2, 3, 3, 3]


def test_pictures_are_handed_on_with_their_text(app: App, told: dict[str, Any]) -> None:
    texts: list[Any] = []
    told["acts"]["postprocess"] = lambda p, processed: texts.extend((each.info.get("parameters"), text) for each, text in zip(processed.images, processed.infotexts))
    drawn(app, batch_size=2)
    assert len(texts) >= 2 and all(found == text for found, text in texts)


def test_callbacks_hear_of_a_scripts_sheet(app: App, told: dict[str, Any], tmp_path: Path) -> None:
    heard: list[Any] = []

    def turned(params: Any) -> None:
        heard.append((params.cols, params.rows, len(params.imgs)))
        params.cols, params.rows = params.rows, params.cols

    def named(params: Any) -> None:
        if "grid" in params.filename:
            params.pnginfo["mine"] = "here"

    callbacks.on_image_grid(turned)
    callbacks.on_before_image_saved(named)
    callbacks.on_image_saved(saved := lambda params: heard.append((Path(params.filename).name[:4], params.pnginfo.get("mine"), params.image.size[0] < params.image.size[1])))
    try:
        drawn(app, prompt="a cat|red", script_name="Prompt matrix", script_args=[False, False, "positive", "comma", 0], save_images=True)
    finally:
        for each in (turned, named, saved):
            callbacks.remove_callbacks_for_function(each)
    assert (2, 1, 2) in heard or (1, 2, 2) in heard
    assert [each for each in heard if each[1] == "here"], "the sheet's file has what a callback put into its texts, and the next one finds it there"


def test_state_shows_what_a_script_gives_it_and_counts_as_a1111_does(app: App, told: dict[str, Any]) -> None:
    read: list[Any] = []
    previews: list[bytes | None] = []

    def asked(p: Any, _: Any) -> None:
        job = app.jobs.running()
        assert job is not None
        read.append((state.job, state.job_count, state.job_no, state.processing_has_refined_job_count))
        state.current_image = Image.new("RGB", (3, 2), "red")
        previews.append(job.progress.preview())
        state.current_latent = torch.zeros(1, 4, 8, 8)
        state.do_set_current_image()
        read.append((type(state.current_image).__module__, state.current_image_sampling_step))
        previews.append(job.progress.preview())

    told["acts"].update(before_process_batch=asked, postprocess_image=lambda p, _: read.append((state.job_no, state.current_latent.shape)))
    drawn(app, n_iter=2, **HIRES)
    again = ("Batch 1 out of 2", 4, 2, True)
    assert read == [("scripts_txt2img", 4, 0, True), ("PIL.Image", 0), (2, (1, 4, 12, 12)), again, ("PIL.Image", 0), (4, (1, 4, 12, 12))]
    sizes = [Image.open(io.BytesIO(each)).size for each in previews if each]
    assert sizes[0] == (3, 2) and sizes[1] != (3, 2)


def test_after_a_hires_pass_scripts_are_handed_pictures_and_may_leave_either_form(app: App, told: dict[str, Any]) -> None:
    plain = drawn(app, **HIRES)
    found: list[Any] = []
    told["acts"]["post_sample"] = lambda p, ps: found.append((getattr(ps.samples, "already_decoded", False), [each.shape for each in ps.samples], p.sampler))
    assert pixels(drawn(app, **HIRES)) == pixels(plain)
    drawn(app)
    assert found[0] == (True, [(3, 96, 96)], None)
    assert found[1][0] is False and found[1][1] == [(4, 8, 8)]

    told["acts"]["post_sample"] = lambda p, ps: ps.samples[0].fill_(1.0)       # of a picture: white; in place
    assert set(pixels(drawn(app, **HIRES))) == {255}
    told["acts"]["post_sample"] = lambda p, ps: setattr(ps, "samples", torch.zeros(1, 4, 8, 8))
    latents = drawn(app, **HIRES)
    assert latents.images[0].picture.size == (64, 64) and pixels(latents) == pixels(drawn(app))
    told["acts"]["post_sample"] = lambda p, ps: setattr(ps, "samples", type("Decoded", (list,), {"already_decoded": True})([torch.full((3, 64, 64), -1.0)]))
    assert set(pixels(drawn(app))) == {0}
    told["acts"]["post_sample"] = lambda p, ps: setattr(ps, "samples", "nothing")
    assert "ps.samples" in " ".join(drawn(app).comments)


@pytest.mark.parametrize("hook", ["before_process_batch", "process_batch"])
@pytest.mark.parametrize(("key", "value"), [("CLIP_stop_at_last_layers", 2), ("eta_ancestral", 0.4), ("eta_noise_seed_delta", 31337), ("sd_noise_schedule", "Zero Terminal SNR")])
def test_an_option_that_is_set_in_a_batch_acts_on_it_and_not_on_the_next_job(app: App, told: dict[str, Any], hook: str, key: str, value: Any) -> None:
    values = {"sampler_name": "Euler a", "scheduler": "Karras", "prompt": "a (cat:1.2)"}
    plain, before = drawn(app, **values), app.settings.get(key)
    app.settings.set(key, value)
    asked = drawn(app, **values)
    app.settings.set(key, before)
    told["acts"].update({hook: lambda p, _: opts.data.update({key: value}), "postprocess": lambda p, _: opts.data.update({key: before})})
    found = drawn(app, **values)
    assert pixels(found) == pixels(asked) != pixels(plain)
    assert found.images[0].infotext == asked.images[0].infotext
    told["acts"].clear()
    assert pixels(drawn(app, **values)) == pixels(plain)


def test_an_option_that_is_set_too_late_does_not_act(app: App, told: dict[str, Any]) -> None:
    plain = drawn(app)
    for key, value, hook in (("CLIP_stop_at_last_layers", 2, "process_before_every_sampling"), ("tiling", True, "process"), ("sd_noise_schedule", "Zero Terminal SNR", "post_sample")):
        before = app.settings.get(key)
        told["acts"].update({hook: lambda p, _, key=key, value=value: opts.data.update({key: value}), "postprocess": lambda p, _, key=key, before=before: opts.data.update({key: before})})
        assert pixels(drawn(app)) == pixels(plain), key
        told["acts"].clear()


def test_how_pictures_are_saved_follows_options_and_p_to_the_last(app: App, told: dict[str, Any]) -> None:
    kept = {"samples_format": "webp", "samples_filename_pattern": "[seed]-[steps]-mine", "save_to_dirs": False}
    before = {key: app.settings.get(key) for key in kept}
    told["acts"].update(postprocess_image=lambda p, _: opts.data.update(kept), postprocess=lambda p, _: opts.data.update(before), process_batch=puts(steps=3))
    path = drawn(app, save_images=True).images[0].path
    assert path is not None and path.name.endswith("5-3-mine.webp") and path.parent.name == "txt2img-images"
    told["acts"].update(process_batch=puts(do_not_save_samples=True))
    assert drawn(app, save_images=True).images[0].path is None


def test_the_text_tells_what_stands_on_p_at_the_end(app: App, told: dict[str, Any]) -> None:
    told["acts"]["process_batch"] = puts(width=96, subseed_strength=0.5, tiling=True)
    found = drawn(app)
    assert pixels(found) == pixels(drawn(app)) and all(each in found.images[0].infotext for each in ("Size: 96x64", "Variation seed strength: 0.5", "Tiling: True"))
    told["acts"]["process_batch"] = puts(all_hr_prompts=["a green cow"])
    assert "Hires prompt: a green cow" in drawn(app, **HIRES).images[0].infotext


def test_the_sampler_stands_on_p_from_a1111s_moment_to_a1111s_moment(app: App, told: dict[str, Any]) -> None:
    """img2img's is made once, before the first batch, and one that a script puts in its place samples; txt2img's is made for each batch, and gone after a hires pass."""
    hooks = ("process", "before_process_batch", "process_before_every_sampling", "postprocess")
    found: list[Any] = []
    told["acts"].update({hook: lambda p, _: found.append(p.sampler) for hook in hooks})
    repainted(app, n_iter=2)
    assert found[0] is None and found[1] is not None and all(each is found[1] for each in found[1:])
    assert found[1].last_latent.shape == (1, 4, 8, 8) and found[1].eta == 1.0 and found[1].sampler_extra_args["cond_scale"] == 7.0
    found.clear()
    drawn(app, n_iter=2)
    assert found[:2] == [None, None] and found[2] is not None and found[3] is found[2] and found[4] is not found[2]
    found.clear()
    drawn(app, **HIRES)
    assert found[2] is not None and found[-1] is None
    told["acts"].clear()
    plain, asked = repainted(app), repainted(app, sampler_name="DPM++ 2M")
    told["acts"]["process_batch"] = lambda p, _: setattr(p, "sampler", sd_samplers.create_sampler("DPM++ 2M", p.sd_model))
    assert pixels(repainted(app)) == pixels(asked) != pixels(plain)
    told["acts"]["process_batch"] = puts(sampler_name="DPM++ 2M")
    late = repainted(app)
    assert pixels(late) == pixels(plain) and "Sampler: DPM++ 2M" in late.images[0].infotext


def test_names_that_extensions_look_for_are_there_at_a1111s_moments(app: App, told: dict[str, Any]) -> None:
    read: dict[str, Any] = {}

    def before(p: Any, _: Any) -> None:
        p.s_churn = None
        p.fill_fields_from_opts()
        read.update(churn=p.s_churn, user=p.user, refiner=p.refiner_checkpoint_info, old=p.applied_old_hires_behavior_to)
        with pytest.raises(AttributeError):
            p.unclip_image_conditioning(torch.zeros(1, 3, 8, 8))

    def sampling(p: Any, _: Any) -> None:
        read.update(steps=(p.firstpass_steps, p.step_multiplier), job=state.job, hashes=p.lora_hashes, hires=p.hr_prompt,
                    function=p.extra_generation_params["Hires prompt"](p=p, index=0, prompt_text="a dog"), name=(p.sampler.funcname, p.sampler.config.options))

    told["acts"].update(before_process=before, process_before_every_sampling=sampling)
    found = drawn(app, n_iter=2, sampler_name="DPM2 a", **HIRES)
    assert read["churn"] == 0 and read["user"] is None and read["refiner"] is None and read["old"] is None
    assert read["steps"] == (4, 2) and read["job"] == "Batch 2 out of 2" and read["hashes"] == {} and read["hires"] == "a cat" and read["function"] == "a cat"
    assert read["name"][0] == "sample_dpm_2_ancestral" and read["name"][1]["uses_ensd"]
    assert "Hires prompt" not in found.images[0].infotext and found.info["extra_generation_params"]["Hires prompt"] is None


def test_another_rng_on_p_gives_the_noise_of_the_steps_too(app: App, told: dict[str, Any]) -> None:
    """As in A1111: with the seeds of another picture it is that picture."""
    other = drawn(app, seed=77, steps=4)
    told["acts"]["process_batch"] = lambda p, _: setattr(p, "rng", ImageRNG(p.rng.shape, [77]))
    assert pixels(drawn(app, steps=4)) == pixels(other)


def test_the_text_tells_the_schedule_of_a_sampler_that_a_batch_chose(app: App, told: dict[str, Any]) -> None:
    told["acts"]["before_process_batch"] = lambda p, _: setattr(p, "sampler_name", ["Euler", "DPM++ 2M"][p.iteration])
    found = drawn(app, n_iter=2)
    assert ["Schedule type: Karras" in each.infotext for each in found.images] == [False, True]
    told["acts"].clear()
    assert pixels(found, 1) == pixels(drawn(app, seed=6, sampler_name="DPM++ 2M"))
