"""From a click to a job and back to the gallery: what is asked is what is drawn, and every refusal comes in words."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modules.gradio_ui.finished import finished_job
from modules.schema.request import Txt2ImgRequest
from tests.gradio_ui.conftest import Behind, BuiltPage


def gallery_of(update: Any) -> list[Path]:
    return [Path(each) for each in update["value"]]


def test_an_untouched_page_asks_for_the_tables_page_defaults(page: BuiltPage) -> None:
    plain = Txt2ImgRequest.page_defaults()
    assert page.form.request(page.values()) == plain.changed({"width": page.form.component("width").value, "height": page.form.component("height").value})  # type: ignore[attr-defined]


def test_every_value_arrives_under_its_own_name(page: BuiltPage) -> None:
    asked = {
        "prompt": "a cat", "negative_prompt": "dog", "styles": ["x"], "sampler_name": "Euler a", "scheduler": "Karras", "steps": 7, "width": 96, "height": 64,
        "n_iter": 2, "batch_size": 3, "cfg_scale": 4.5, "seed": 5, "subseed": 6, "subseed_strength": 0.25, "seed_resize_from_w": 128, "seed_resize_from_h": 256,
        "enable_hr": True, "hr_upscaler": "Latent (nearest)", "hr_second_pass_steps": 3, "denoising_strength": 0.5, "hr_scale": 1.5, "hr_resize_x": 96,
        "hr_resize_y": 128, "hr_sampler_name": "Euler", "hr_scheduler": "Exponential", "hr_prompt": "fur", "hr_negative_prompt": "feathers",
        "hr_checkpoint_name": "other", "refiner_checkpoint": "third", "refiner_switch_at": 0.4,
    }  # fmt: skip
    folds = {"txt2img_enable-checkbox": True, "txt2img_subseed_show": True}
    assert {field.name for field in page.form.fields} == {*asked, *folds}
    flat = page.form.request(page.values(**asked, **folds)).to_flat()
    assert {name: flat[name] for name in asked} == asked


def test_what_stands_in_a_closed_fold_is_not_asked_for(page: BuiltPage) -> None:
    request = page.form.request(page.values(enable_hr=False, hr_scale=3.0, hr_prompt="fur", subseed=7, subseed_strength=0.5, seed_resize_from_w=64))
    assert request == page.form.request(page.values())


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("width", 7, "Width"), ("steps", 0, "Sampling steps"), ("sampler_name", "Nope", "Nope"), ("prompt", "x" * 100_000, "Prompt")],
)
def test_a_refusal_names_the_field_and_the_next_click_works(behind: Callable[..., Behind], page: BuiltPage, name: str, value: Any, words: str) -> None:
    server = behind()
    answer, message = server.run("task(1)", page.values(**{name: value}))
    assert words in json.loads(answer)["error"]
    assert words in message
    assert server.app.jobs.find("task(1)") is None
    answer, message = server.run("task(2)", page.values(steps=1))
    assert json.loads(answer) == {"id": "task(2)", "error": ""}
    assert len(gallery_of(server.submitter.collect("task(2)")[0])) == 1


def test_the_gallery_gets_the_saved_files_with_their_texts(behind: Callable[..., Behind], page: BuiltPage) -> None:
    server = behind()
    server.run("task(1)", page.values(prompt="a red potion", steps=1, n_iter=2, seed=11))
    gallery, info, shown, answer, message = server.submitter.collect("task(1)")
    paths, facts = gallery_of(gallery), json.loads(info)
    assert len(paths) == 3 == len(facts["infotexts"])  # the grid stands first
    assert facts["index_of_first_image"] == 1
    assert all(path.is_relative_to(server.app.paths.outputs_dir) for path in paths)
    assert facts["infotexts"][1].startswith("a red potion\nSteps: 1,") and "Seed: 12" in facts["infotexts"][2]
    assert shown == "task(1)" and json.loads(answer)["error"] == "" and "Time taken" in message


def test_a_failed_job_says_why_and_leaves_the_gallery(behind: Callable[..., Behind], page: BuiltPage) -> None:
    server = behind()
    server.engine.fail_at, server.engine.failure = 0, RuntimeError("the <engine> broke")
    server.run("task(1)", page.values(steps=1))
    gallery, _info, _shown, answer, message = server.submitter.collect("task(1)")
    assert "value" not in gallery
    assert "the <engine> broke" in json.loads(answer)["error"]
    assert "the &lt;engine&gt; broke" in message


def test_pictures_made_before_a_failure_are_shown(behind: Callable[..., Behind], page: BuiltPage) -> None:
    server = behind()
    server.engine.fail_at = 1
    server.run("task(1)", page.values(steps=1, n_iter=3))
    gallery, _info, _shown, answer, _message = server.submitter.collect("task(1)")
    assert len(gallery_of(gallery)) == 1
    assert json.loads(answer)["state"] == "failed"


def test_unsaved_pictures_are_shown_too(behind: Callable[..., Behind], page: BuiltPage) -> None:
    server = behind()
    server.app.settings.set("samples_save", False)
    server.run("task(1)", page.values(steps=1))
    (path,) = gallery_of(server.submitter.collect("task(1)")[0])
    assert path.is_file() and not path.is_relative_to(server.app.paths.outputs_dir)


def test_after_a_restart_the_result_is_still_there(behind: Callable[..., Behind], page: BuiltPage) -> None:
    server = behind()
    server.run("task(1)", page.values(prompt="kept", steps=1))
    before = gallery_of(server.submitter.collect("task(1)")[0])
    server.app.close()
    gallery, info, *_ = behind().submitter.collect("task(1)")
    assert gallery_of(gallery) == before
    assert json.loads(info)["infotexts"][0].startswith("kept")


def test_a_deleted_picture_is_left_out(behind: Callable[..., Behind], page: BuiltPage) -> None:
    server = behind()
    server.run("task(1)", page.values(steps=1, n_iter=2))
    paths = gallery_of(server.submitter.collect("task(1)")[0])
    paths[0].unlink()
    assert gallery_of(server.submitter.collect("task(1)")[0]) == paths[1:]


def test_a_job_nobody_knows_is_said_to_be_gone(behind: Callable[..., Behind]) -> None:
    gallery, _info, _shown, answer, message = behind().submitter.collect("task(never)")
    assert "value" not in gallery
    assert json.loads(answer)["gone"] and message == ""


def test_interrupt_stops_the_pages_own_job(behind: Callable[..., Behind], page: BuiltPage) -> None:
    server = behind()
    server.engine.gate.clear()
    server.submitter.submit("task(1)", [], *page.values(steps=5))
    server.submitter.submit("task(2)", [], *page.values(steps=5))
    assert server.engine.started.wait(10)
    server.submitter.interrupt("task(2)")
    assert server.app.jobs.position("task(2)") is None and server.app.jobs.position("task(1)") == 0
    server.submitter.interrupt("task(1)")
    job = server.app.jobs.find("task(1)")
    assert job is not None
    assert server.app.jobs.wait(job, 10).state.value == "interrupted"


def test_the_first_interrupt_of_several_pictures_waits_for_the_one_at_work(behind: Callable[..., Behind], page: BuiltPage) -> None:
    server = behind()
    for wait, kept in ((True, 1), (False, 1)):
        server.app.settings.update({"interrupt_after_current": wait})
        server.engine.started.clear()
        server.engine.gate.clear()
        server.submitter.submit(f"task({wait})", [], *page.values(steps=2, n_iter=4))
        assert server.engine.started.wait(10)
        assert bool(server.submitter.interrupt(f"task({wait})")) is wait
        server.engine.gate.set()
        job = server.app.jobs.find(f"task({wait})")
        assert job is not None
        assert server.app.jobs.wait(job, 10).state.value == ("done" if wait else "interrupted")
        assert len(job.result.images) == kept and job.result.images[0].complete is wait


def test_override_chips_hold_for_this_picture_alone(behind: Callable[..., Behind], page: BuiltPage) -> None:
    server = behind()
    server.run("task(1)", page.values(steps=1), overrides=["Clip skip: 2", "ENSD: 31337"])
    (request,) = server.engine.requests
    assert (request.options.clip_skip, request.options.ensd) == (2, 31337)
    assert server.app.settings.get("CLIP_stop_at_last_layers") == 1


def test_an_override_chip_that_cannot_be_is_refused(behind: Callable[..., Behind], page: BuiltPage) -> None:
    answer, _ = behind().run("task(1)", page.values(), overrides=["Clip skip: many"])
    assert "Clip skip" in json.loads(answer)["error"] or "CLIP_stop_at_last_layers" in json.loads(answer)["error"]


def test_the_chosen_picture_is_enlarged_in_its_place(behind: Callable[..., Behind], page: BuiltPage) -> None:
    back = behind()
    back.run("first", page.values(prompt="a cat", n_iter=3, seed=7, width=64, height=64, steps=1, hr_scale=3.0))
    before = finished_job(back.app, "first")
    assert before is not None and len(before.images) == 4 and before.info["index_of_first_image"] == 1
    answer = json.loads(back.submitter.upscale("larger", [], "first", "2", *page.values(prompt="a cat", steps=1, hr_scale=3.0, denoising_strength=0.2))[0])
    assert answer == {"id": "larger", "error": ""}
    back.app.jobs.wait(back.app.jobs.find("larger"), 30)  # type: ignore[arg-type]
    asked = back.engine.requests[-1]
    assert (asked.width, asked.height, asked.seed, asked.batch_size, asked.batch_count, asked.hires.scale) == (64, 64, 8, 1, 1, 3.0)
    assert asked.hires.enabled and asked.hires.first_pass.size == (64, 64) and asked.denoising_strength == 0.2
    shown = finished_job(back.app, "larger")
    assert shown is not None and shown.chosen == 2 and len(shown.images) == 4 and shown.info["all_seeds"] == [7, 8, 9]
    assert [shown.images[index] == before.images[index] for index in range(4)] == [True, True, False, True]
    assert "Hires upscale: 3.0" in shown.info["infotexts"][2] and "Hires" not in shown.info["infotexts"][1]


@pytest.mark.parametrize(("job", "chosen", "words"), [("first", "0", "sheet of pictures"), ("none", "0", "no picture"), ("first", "9", "sheet")])
def test_what_cannot_be_enlarged_is_said(behind: Callable[..., Behind], page: BuiltPage, job: str, chosen: str, words: str) -> None:
    back = behind()
    back.run("first", page.values(prompt="a cat", n_iter=2, width=64, height=64, steps=1))
    answer = json.loads(back.submitter.upscale("larger", [], job, chosen, *page.values())[0])
    assert words in answer["error"] and back.app.jobs.find("larger") is None


def test_a_closed_refiner_fold_asks_for_none(page: BuiltPage) -> None:
    closed = page.form.request(page.values(refiner_checkpoint="other"))
    opened = page.form.request(page.values(refiner_checkpoint="other", **{"txt2img_enable-checkbox": True}))
    assert closed.refiner.checkpoint == "" and opened.refiner.checkpoint == "other" and opened.refiner.switch_at == 0.8
