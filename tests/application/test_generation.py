"""Requests become jobs, jobs become pictures and files; nothing finished is lost, and what is wrong is said before it waits."""
from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modules.application.app import App
from modules.application.generation import generate_blocking, outcome_of, submit
from modules.application.infotext_fill import fill_from_infotext
from modules.files.storage import Storage
from modules.imaging.metadata import read_infotext_from
from modules.jobs.job import JobState
from modules.schema.errors import InvalidValue, JobSetAside, NoCheckpoint, UnknownName
from modules.schema.request import Txt2ImgRequest
from modules.schema.table import TXT2IMG
from tests.conftest import FakeEngine

MakeApp = Callable[..., App]


def asking(**values: Any) -> Txt2ImgRequest:
    return Txt2ImgRequest.from_flat({"prompt": "a cat", "steps": 2, "width": 64, "height": 64, "seed": 100, "save_images": True, **values})


def test_a_picture_that_is_not_saved_waits_for_no_disk(make_app: MakeApp, fake_engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the last prompt was is kept all the same."""
    app = make_app()
    generate_blocking(app, asking(save_images=False))       # the first one of a server notes hashes and its time
    waits: list[Path] = []
    monkeypatch.setattr(Storage, "before", lambda self, step, path: waits.append(path) if step in ("fsync", "sync_folder") else None)
    outcome = generate_blocking(app, asking(save_images=False, seed=5))
    assert (tmp_path / "params.txt").read_text() == outcome.images[0].infotext and waits == []


def test_pictures_files_and_facts(make_app: MakeApp, fake_engine: FakeEngine, tmp_path: Path) -> None:
    app = make_app()
    outcome = generate_blocking(app, asking(n_iter=2, batch_size=2, negative_prompt="dog", sampler_name="DPM++ 2M Karras"))
    assert [image.seed for image in outcome.images] == [100, 101, 102, 103]
    assert len(outcome.shown) == 5 and outcome.grid is outcome.shown[0] and outcome.info["index_of_first_image"] == 1
    day = next((tmp_path / "outputs" / "txt2img-images").iterdir())
    assert sorted(path.name for path in day.iterdir()) == ["00000-100.png", "00001-101.png", "00002-102.png", "00003-103.png"]
    assert outcome.grid is not None and outcome.grid.path is not None and outcome.grid.path.name == "grid-0000.png"
    infotext = read_infotext_from(day / "00001-101.png")[0]
    assert infotext == outcome.images[1].infotext == outcome.info["infotexts"][2]
    assert infotext.startswith("a cat\nNegative prompt: dog\nSteps: 2, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.0, Seed: 101, Size: 64x64, Model hash: ")
    assert (tmp_path / "params.txt").read_text() == outcome.images[0].infotext
    assert outcome.info["all_seeds"] == [100, 101, 102, 103] and outcome.info["batch_size"] == 2
    job = app.jobs.recent(1)[0]
    assert [each["path"] for each in job.summary["images"]][1:] == [str(image.path) for image in outcome.images]
    assert json.dumps(job.summary)


def test_a_request_names_and_places_its_own_pictures(make_app: MakeApp, fake_engine: FakeEngine, tmp_path: Path) -> None:
    """As programs for A1111 do; a grid has its text beside it too."""
    app = make_app()
    own = {"samples_filename_pattern": "mine-[seed]", "outdir_samples": "outputs/mine", "directories_filename_pattern": "[none]", "save_txt": True}
    outcome = generate_blocking(app, asking(n_iter=2, seed=5, override_settings=own))
    assert [image.path for image in outcome.shown if not image.is_grid] == [tmp_path / "outputs/mine" / f"0000{index}-mine-{5 + index}.png" for index in range(2)]
    assert outcome.grid is not None and outcome.grid.path is not None and "Steps: " in outcome.grid.path.with_suffix(".txt").read_text()
    (after,) = generate_blocking(app, asking(seed=5)).shown
    assert after.path is not None and after.path.name == "00000-5.png" and "txt2img-images" in after.path.parts


def test_the_hashes_in_a_name_are_a1111s(make_app: MakeApp, fake_engine: FakeEngine, tmp_path: Path) -> None:
    """The prompt's own is that of the whole prompt; those with the negative prompt are of what was typed, without styles."""
    (tmp_path / "styles.csv").write_text("name,prompt,negative_prompt\nphoto,a photo,paint\n")
    pattern = "[prompt_hash]~[negative_prompt_hash]~[full_prompt_hash]"
    (shown,) = generate_blocking(make_app(), asking(negative_prompt="dog", styles=["photo"], override_settings={"samples_filename_pattern": pattern})).shown
    assert shown.path is not None and shown.path.stem == "00000-" + "~".join(hashlib.sha256(text).hexdigest()[:8] for text in (b"a cat, a photo", b"dog", b"a cat dog"))


def test_nothing_is_saved_unless_asked(make_app: MakeApp, fake_engine: FakeEngine, tmp_path: Path) -> None:
    app = make_app("--no-prompt-history")
    outcome = generate_blocking(app, asking(n_iter=2, save_images=False))
    assert len(outcome.shown) == 2 and outcome.grid is None and not (tmp_path / "outputs").exists() and not (tmp_path / "params.txt").exists()
    app.settings.set("samples_save", False)
    app.settings.set("return_grid", False)
    outcome = generate_blocking(app, asking(n_iter=2))
    assert [image.path for image in outcome.shown] == [None, None] and outcome.grid is not None and outcome.grid.path is not None


@pytest.mark.parametrize(("values", "error", "word"), [
    ({"sampler_name": "Nope"}, UnknownName, "sampler"), ({"scheduler": "Nope"}, UnknownName, "schedule"),
    ({"override_settings": {"sd_model_checkpoint": "nope"}}, UnknownName, "checkpoint"), ({"override_settings": {"nope": 1}}, UnknownName, "setting"),
    ({"override_settings": {"CLIP_stop_at_last_layers": "x"}}, InvalidValue, "CLIP_stop"),
    ({"override_settings": {"outdir_samples": "/etc"}}, InvalidValue, "lies outside"), ({"script_name": "Nope"}, InvalidValue, "Script 'Nope' not found"),
    ({"alwayson_scripts": {"Nope": {"args": []}}}, InvalidValue, "not found"), ({"enable_hr": True, "hr_upscaler": "Nope"}, UnknownName, "upscaler"),
    ({"n_iter": 10_000, "batch_size": 8, "width": 512, "height": 512}, InvalidValue, "GB of memory"),
    ({"enable_hr": True, "hr_checkpoint_name": "other"}, UnknownName, "checkpoint called 'other'. Known checkpoint names: fake"),
    ({"refiner_checkpoint": "other"}, UnknownName, "checkpoint called 'other'. Known checkpoint names: fake"),
])
def test_what_is_wrong_is_said_at_once(make_app: MakeApp, fake_engine: FakeEngine, values: dict[str, Any], error: type[Exception], word: str) -> None:
    app = make_app()
    with pytest.raises(error, match=word):
        submit(app, asking(**values), source="api")
    assert app.jobs.recent(5) == [] and app.jobs.running() is None
    assert generate_blocking(app, asking()).images


def test_without_a_checkpoint_it_says_where_to_put_one(make_app: MakeApp, fake_engine: FakeEngine, tmp_path: Path) -> None:
    (tmp_path / "models" / "Stable-diffusion" / "fake.safetensors").unlink()
    with pytest.raises(NoCheckpoint, match="Stable-diffusion"):
        submit(make_app(), asking(), source="page")


def test_checkpoints_that_were_away_with_their_disk_are_found_when_it_is_back(make_app: MakeApp, fake_engine: FakeEngine, tmp_path: Path) -> None:
    """Nobody has to press refresh, and no other checkpoint draws in place of the chosen one."""
    folder, away, app = tmp_path / "models" / "Stable-diffusion", tmp_path / "away", make_app()
    app.settings.set("sd_model_checkpoint", "fake")
    for left in ((), ("another.safetensors",)):         # all of them were away, or the chosen one
        folder.rename(away)
        folder.mkdir()
        for name in left:
            shutil.copyfile(away / "fake.safetensors", folder / name)
        app.catalogue.refresh()
        shutil.rmtree(folder)
        away.rename(folder)
        os.utime(folder)
        assert generate_blocking(app, asking()).info["sd_model_name"] == "fake"


def test_an_interrupt_keeps_what_is_finished(make_app: MakeApp, fake_engine: FakeEngine) -> None:
    app = make_app()
    fake_engine.step_seconds = 0.03
    job = submit(app, asking(n_iter=50, steps=5), source="page")
    while not job.summary.get("images"):
        assert not job.over.wait(0.01)
    app.jobs.interrupt(job.id)
    outcome = outcome_of(app.jobs.wait(job, 10))
    assert job.state is JobState.INTERRUPTED and 1 <= len(outcome.images) < 50
    finished = [image for image in outcome.images if image.complete]
    assert finished and all(image.path and image.path.is_file() for image in finished)
    assert all(image.path is None for image in outcome.images if not image.complete)
    assert len(outcome.info["all_seeds"]) == 50


def test_a_skip_leaves_one_batch_and_goes_on(make_app: MakeApp, fake_engine: FakeEngine) -> None:
    app = make_app()
    fake_engine.gate.clear()
    job = submit(app, asking(n_iter=2, steps=5), source="page")
    fake_engine.started.wait(5)
    app.jobs.skip()
    fake_engine.gate.set()
    outcome = outcome_of(app.jobs.wait(job, 10))
    assert [image.complete for image in outcome.images] == [False, True] and job.state is JobState.DONE


def test_a_failure_loses_none_already_done(make_app: MakeApp, fake_engine: FakeEngine) -> None:
    app = make_app()
    fake_engine.fail_at = 2
    job = app.jobs.wait(submit(app, asking(n_iter=4), source="page"), 10)
    assert job.state is JobState.FAILED and "the engine broke" in (job.error or "")
    assert [image.seed for image in job.result.images] == [100, 101] and all(image.path.is_file() for image in job.result.images)
    with pytest.raises(RuntimeError):
        outcome_of(job)
    fake_engine.fail_at = None
    assert generate_blocking(app, asking()).images


def test_a_full_disk_costs_the_file_not_the_picture(make_app: MakeApp, fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app()

    def full(self: Storage, step: str, path: Path) -> None:
        if step == "write" and "outputs" in path.parts:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Storage, "before", full)
    outcome = generate_blocking(app, asking(n_iter=2))
    assert len(outcome.images) == 2 and all(image.path is None for image in outcome.images)
    assert any("disk is full" in comment for comment in outcome.comments)


def test_a_job_takes_its_settings_and_its_seed_with_it(make_app: MakeApp, fake_engine: FakeEngine) -> None:
    app = make_app()
    fake_engine.gate.clear()
    first = submit(app, asking(), source="api")
    app.settings.set("CLIP_stop_at_last_layers", 2)
    second = submit(app, asking(seed=-1, override_settings={"eta_ancestral": 0.5}), source="api")
    app.settings.set("CLIP_stop_at_last_layers", 5)
    fake_engine.gate.set()
    app.jobs.wait(first, 10)
    app.jobs.wait(second, 10)
    assert [request.options.clip_skip for request in fake_engine.requests] == [1, 2]
    assert fake_engine.requests[1].options.eta_ancestral == 0.5 and fake_engine.requests[1].seed == second.payload["request"]["seed"] >= 0
    assert app.settings.get("eta_ancestral") == 1.0
    submit(app, asking(override_settings={"eta_ancestral": 0.25}, override_settings_restore_afterwards=False), source="api")
    assert app.settings.get("eta_ancestral") == 0.25


def test_settings_about_how_steps_are_computed_reach_the_engine(make_app: MakeApp, fake_engine: FakeEngine) -> None:
    app = make_app("--use-cpu", "all")
    app.settings.set("openvino", "CPU")
    generate_blocking(app, asking())
    generate_blocking(app, asking(override_settings={"openvino": "Off"}))
    assert [policy.openvino for policy in fake_engine.policies] == ["CPU", "Off"]


def test_a_missing_vae_costs_a_sentence_not_the_picture(make_app: MakeApp, fake_engine: FakeEngine) -> None:
    outcome = generate_blocking(make_app(), asking(override_settings={"sd_vae": "gone.safetensors"}))
    assert len(outcome.images) == 1
    assert "'gone.safetensors'" in outcome.comments[0] and outcome.comments[0] in outcome.info["comments"]


def test_styles_and_comments(make_app: MakeApp, fake_engine: FakeEngine, tmp_path: Path) -> None:
    (tmp_path / "styles.csv").write_text('name,prompt,negative_prompt\nwatercolor,"{prompt}, watercolor",photo\n')
    outcome = generate_blocking(make_app(), asking(prompt="a cat # quietly", styles=["watercolor", "nope"]))
    assert outcome.info["prompt"].startswith("a cat") and "nope" in outcome.comments[0] and outcome.info["negative_prompt"] == "photo"
    assert outcome.info["styles"] == ["watercolor", "nope"]


def test_hashes_of_networks_are_left_out_of_texts_when_that_is_wanted(make_app: MakeApp, fake_engine: FakeEngine) -> None:
    from types import SimpleNamespace

    from modules.application.run_facts import FactsWriter
    from modules.engine.hooks import SamplingFacts
    from modules.engine.resolved import Hypertile

    app = make_app()
    used = SamplingFacts(sampler_name="Euler", schedule_name="Automatic", width=64, height=64, extra=(("Lora hashes", "a: b"), ("TI hashes", "c: d"), ("Other", 1)))
    request: Any = SimpleNamespace(options=SimpleNamespace(noise_schedule="Default", use_downcasted_alpha_bar=False, skip_early_cond=0), hypertile=Hypertile(), init=SimpleNamespace(inpaint=SimpleNamespace(mask=None)))
    writer = FactsWriter(asked=SimpleNamespace(), request=request, settings=app.settings, models=SimpleNamespace(quick_vae={}))  # type: ignore[arg-type]
    assert writer.extra(used) == {"Lora hashes": "a: b", "TI hashes": "c: d", "Other": 1}
    app.settings.update({"lora_add_hashes_to_infotext": False, "textual_inversion_add_hashes_to_infotext": False})
    assert writer.extra(used) == {"Other": 1}


def test_a_schedule_rounded_as_in_old_versions_is_told(make_app: MakeApp, fake_engine: FakeEngine) -> None:
    """Without it a picture drawn so, pasted again, would be drawn with the other schedule."""
    outcome = generate_blocking(make_app(), asking(override_settings={"use_downcasted_alpha_bar": True}))
    assert "Downcast alphas_cumprod: True" in outcome.info["infotexts"][0]


def test_tiles_of_the_attention_are_told_and_pasted(make_app: MakeApp, fake_engine: FakeEngine) -> None:
    """As A1111's Hypertile writes them: without, the picture could not be drawn again from its own text."""
    app = make_app()
    text = generate_blocking(app, asking(override_settings={"hypertile_enable_unet": True, "hypertile_max_depth_unet": 2, "hypertile_enable_vae": True})).images[0].infotext
    assert ", Hypertile U-Net: True, Hypertile U-Net max depth: 2, Hypertile VAE: True, Version" in text
    pasted = fill_from_infotext(app.settings, app.paths, TXT2IMG, {"infotext": text})["override_settings"]
    assert {key: value for key, value in pasted.items() if "hypertile" in key} == {"hypertile_enable_unet": True, "hypertile_max_depth_unet": 2, "hypertile_enable_vae": True}
    second = asking(enable_hr=True, denoising_strength=0.5, override_settings={"hypertile_enable_unet_secondpass": True, "hypertile_swap_size_unet": 5})
    assert "Hypertile U-Net second pass: True, Hypertile U-Net swap size: 5" in generate_blocking(app, second).images[0].infotext
    assert "Hypertile" not in generate_blocking(app, asking(override_settings={"hypertile_enable_unet_secondpass": True})).images[0].infotext


def test_parameters_go_to_the_console_when_that_is_wanted(make_app: MakeApp, fake_engine: FakeEngine, caplog: pytest.LogCaptureFixture) -> None:
    app = make_app()
    app.settings.set("samples_log_stdout", True)
    with caplog.at_level("INFO"):
        generate_blocking(app, asking(prompt="told aloud", steps=1))
    assert any("told aloud" in line and "Steps: 1" in line for line in caplog.messages)


@pytest.mark.group("R12")
def test_a_set_aside_job_says_so(make_app: MakeApp, fake_engine: FakeEngine) -> None:
    from modules.jobs.job import Job

    with pytest.raises(JobSetAside, match="twice"):
        outcome_of(Job(id="a", kind="txt2img", payload={}, state=JobState.SET_ASIDE, error="It was set aside: the server died twice."))


def test_waiting_jobs_are_done_after_a_restart(make_app: MakeApp, fake_engine: FakeEngine) -> None:
    app = make_app()
    fake_engine.gate.clear()
    submit(app, asking(), source="page", task_id="first")
    fake_engine.started.wait(5)
    submit(app, asking(seed=7), source="page", task_id="second")
    app.close()
    fake_engine.gate.set()
    again = make_app()
    job = again.jobs.find("second")
    assert job is not None and again.jobs.wait(job, 10).result.images[0].seed == 7
    before = again.jobs.find("first")
    assert before is not None and before.state is JobState.INTERRUPTED


def test_img2img_takes_pictures_and_waits_on_disk(make_app: MakeApp, fake_engine: FakeEngine) -> None:
    from PIL import Image

    from modules.schema.request import Img2ImgRequest

    app = make_app()
    picture, mask = Image.new("RGB", (64, 64), "red"), Image.new("L", (64, 64), 255)
    request = Img2ImgRequest.from_flat({"prompt": "a cat", "steps": 1, "width": 64, "height": 64, "init_images": [picture], "mask": mask, "inpainting_fill": 0,
                                        "save_images": True, "alwayson_scripts": {"Soft Inpainting": {"args": [True, 1, 0.5, 4, 0, 0.5, 2]}}})
    job = submit(app, request, source="page")
    outcome = outcome_of(app.jobs.wait(job, 10))
    init = fake_engine.requests[0].init
    assert init.pictures[0].getpixel((0, 0)) == (255, 0, 0) and init.inpaint.mask.size == (64, 64) and init.inpaint.soft is not None
    assert isinstance(job.payload["request"]["mask"], str) and json.dumps(dict(job.payload))
    assert outcome.images[0].path is not None and "img2img-images" in outcome.images[0].path.parts
    assert "Denoising strength: 0.75, Soft inpainting enabled: True, Soft inpainting schedule bias: 1, " in outcome.images[0].infotext
    assert outcome.images[0].infotext.partition("difference contrast: 2, ")[2].startswith("Mask blur: 4, Inpaint area: Only masked, Masked area padding: 0, Masked content: fill")


def test_hires_is_said_in_the_text(make_app: MakeApp, fake_engine: FakeEngine) -> None:
    outcome = generate_blocking(make_app(), asking(enable_hr=True, hr_prompt="a dog", hr_sampler_name="Euler a", hr_upscaler="Latent", firstphase_width=32, firstphase_height=32))
    request = fake_engine.requests[0]
    assert (request.width, request.hires.resize_width, request.hires.prompt, request.hires.sampler_name) == (32, 64, "a dog", "Euler a")
    assert "Denoising strength: 0.75" in outcome.images[0].infotext
    assert "Hires sampler: Euler a, Hires prompt: a dog, Hires resize: 64x64, Hires upscaler: Latent" in outcome.images[0].infotext


@pytest.mark.group("R12")
def test_a_job_tried_again_after_a_crash_makes_no_picture_twice(make_app: MakeApp, fake_engine: FakeEngine, tmp_path: Path) -> None:
    app = make_app()
    done = app.jobs.wait(submit(app, asking(n_iter=3), source="page", task_id="job"), 30)
    paths = [Path(each["path"]) for each in done.summary["images"][1:]]
    app.close()
    paths[2].unlink()                               # as if the server had died after the second picture
    kept = json.dumps({"images": done.summary["images"][:3], "info": {}, "comments": []})
    with sqlite3.connect(app.paths.jobs_file) as store:
        store.execute("UPDATE jobs SET state='running', attempts=1, finished=NULL, summary=? WHERE id='job'", (kept,))
    store.close()
    written = [path.stat().st_mtime_ns for path in paths[:2]]
    fake_engine.batches.clear()
    again = make_app()
    job = again.jobs.find("job")
    assert job is not None
    outcome = outcome_of(again.jobs.wait(job, 30))
    assert [image.path for image in outcome.images] == paths and all(path.is_file() for path in paths)
    assert [path.stat().st_mtime_ns for path in paths[:2]] == written and fake_engine.batches == [2]
    assert [image.seed for image in outcome.images] == outcome.info["all_seeds"] and len(set(outcome.info["infotexts"])) == 3
    assert sorted(path for path in paths[0].parent.iterdir() if path.name.startswith("0")) == paths


@pytest.mark.group("R19")
def test_a_job_of_hours_is_allowed_and_said(make_app: MakeApp, fake_engine: FakeEngine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    from modules.application.estimates import Estimate, Estimates

    app = make_app()
    for seconds, taken, words in ((3 * 3600.0, 0.0, "3.0 hours"), (60.0, 2.0**60, "GB of memory"), (60.0, 1.0, "")):
        caplog.clear()
        found = Estimate(seconds=seconds, bytes=taken, jobs=3)
        monkeypatch.setattr(Estimates, "estimate", lambda *_, found=found: found)
        assert len(generate_blocking(app, asking(steps=1)).images) == 1
        said = [line for line in caplog.messages if "was asked for that will take" in line]
        assert (len(said) == 1 and words in said[0]) if words else not said
