"""A batch draws every picture of its folder once, with its own mask, text and name; one bad file stops nothing."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from modules.application.app import App
from modules.application.img2img_batch import BatchOrder, files_of, named_folder, pictures_of, submit_batch
from modules.application.outcome import Outcome
from modules.imaging.metadata import png_bytes
from modules.jobs.job import Job, JobState
from modules.schema.errors import InvalidValue
from modules.schema.request import Img2ImgRequest
from tests.conftest import FakeEngine

TEXT = "from the file\nNegative prompt: not this\nSteps: 9, Sampler: Euler a, CFG scale: 4.5, Seed: 31, Size: 64x64"
Run = Callable[..., Job]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "in"
    made.mkdir()
    for number, side in ((10, 96), (2, 64)):
        (made / f"cat{number}.png").write_bytes(png_bytes(Image.new("RGB", (side, 64)), TEXT))
    return made


@pytest.fixture
def run(make_app: Callable[..., App], fake_engine: FakeEngine) -> Run:
    """A function (order, **values of the request by API name) -> the job, over."""
    app = make_app()

    def carry_out(order: BatchOrder, **values: Any) -> Job:
        request = Img2ImgRequest.page_defaults().changed({"width": 64, "height": 64, "steps": 2} | values)
        job = submit_batch(app, request, order, source="page")
        app.jobs.wait(job, 30)
        return job

    carry_out.app = app  # type: ignore[attr-defined]
    return carry_out


def outcome(job: Job) -> Outcome:
    assert isinstance(job.result, Outcome), job.error
    return job.result


def test_captions_beside_the_pictures_are_left_alone_and_folders_inside_are_walked(folder: Path) -> None:
    (folder / "b" / "deep").mkdir(parents=True)
    (folder / ".thumbnails").mkdir()
    for name in ("cat2.txt", "Thumbs.db", ".thumbnails/cat2.png", "b/deep/x.JPG", "b/y.webp"):
        (folder / name).write_bytes(b"")
    assert [Path(each).relative_to(folder).as_posix() for each in pictures_of(folder)] == ["cat2.png", "cat10.png", "b/y.webp", "b/deep/x.JPG"]


def test_every_picture_is_drawn_once_in_a_persons_order(run: Run, folder: Path, fake_engine: FakeEngine) -> None:
    job = run(BatchOrder(files=files_of(folder)), prompt="a cat", seed=7)
    assert job.state is JobState.DONE
    assert [each.init.pictures[0].width for each in fake_engine.requests] == [64, 96]
    assert [each.seed for each in fake_engine.requests] == [7, 7] and len(outcome(job).shown) == 2
    info = outcome(job).info
    assert len(info["infotexts"]) == 2 == len(info["all_seeds"]) and info["index_of_first_image"] == 0
    assert job.progress.snapshot().fraction == pytest.approx(1.0, abs=0.51)


def test_a_random_seed_is_drawn_once_for_all(run: Run, folder: Path, fake_engine: FakeEngine) -> None:
    run(BatchOrder(files=files_of(folder)), seed=-1)
    seeds = {each.seed for each in fake_engine.requests}
    assert len(seeds) == 1 and seeds != {-1}


def test_results_bear_their_pictures_names(run: Run, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(BatchOrder(files=files_of(folder), output=str(out)))
    assert sorted(each.name for each in out.iterdir()) == ["cat10.png", "cat2.png"]
    run(BatchOrder(files=files_of(folder), output=str(out)))
    assert len(list(out.iterdir())) == 4  # nothing was written over


def test_masks_by_name_or_one_for_all(run: Run, folder: Path, tmp_path: Path, fake_engine: FakeEngine) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for name, colour in (("cat2.png", 255), ("cat10.jpg", 9), ("dog.png", 1)):
        Image.new("L", (64, 64), colour).save(masks / name)
    run(BatchOrder(files=files_of(folder), masks=files_of(masks)))
    assert [each.init.inpaint.mask.convert("L").getpixel((5, 5)) for each in fake_engine.requests] == [255, 9]
    job = run(BatchOrder(files=files_of(folder), masks=(str(masks / "dog.png"),)))
    assert len(outcome(job).shown) == 2
    (masks / "cat2.png").unlink()
    job = run(BatchOrder(files=files_of(folder), masks=files_of(masks)))
    assert len(outcome(job).shown) == 1 and "no mask called cat2 for it. Put one" in outcome(job).comments[0]


def test_what_is_taken_from_a_pictures_own_text(run: Run, folder: Path, tmp_path: Path, fake_engine: FakeEngine) -> None:
    run(BatchOrder(files=files_of(folder)[:1], png_info=("Prompt", "Negative prompt", "Seed", "CFG scale", "Sampler", "Steps")), prompt="a cat", seed=7)
    request = fake_engine.requests[-1]
    assert (request.prompt, request.negative_prompt, request.seed, request.guidance_scale, request.steps) == ("a cat from the file", "not this", 31, 4.5, 9)
    assert request.sampler_name == "Euler a"
    run(BatchOrder(files=files_of(folder)[:1], png_info=("Seed",)), prompt="a cat", seed=7)
    assert (fake_engine.requests[-1].prompt, fake_engine.requests[-1].seed) == ("a cat", 31)
    others = tmp_path / "texts"
    others.mkdir()
    (others / "cat2.png").write_bytes(png_bytes(Image.new("RGB", (8, 8)), "else\nSteps: 3, Sampler: Euler, CFG scale: 7, Seed: 5, Size: 64x64"))
    run(BatchOrder(files=files_of(folder), png_info=("Prompt", "Seed"), png_info_folder=str(others)), prompt="a cat", seed=7)
    assert [(each.prompt, each.seed) for each in fake_engine.requests[-2:]] == [("a cat else", 5), ("a cat", 7)]


def test_resize_by_follows_each_picture(run: Run, folder: Path, fake_engine: FakeEngine) -> None:
    run(BatchOrder(files=files_of(folder), scale=1.5))
    assert [(each.width, each.height) for each in fake_engine.requests] == [(96, 96), (144, 96)]


def test_what_is_no_picture_is_left_out_and_told(run: Run, folder: Path, fake_engine: FakeEngine) -> None:
    (folder / "notes.txt").write_text("hello")
    (folder / ".hidden.png").write_bytes(b"")
    job = run(BatchOrder(files=(*files_of(folder), str(folder / "gone.png"))))
    assert len(outcome(job).shown) == 2 and job.state is JobState.DONE
    assert [each.split(" ")[0] for each in outcome(job).comments] == ["notes.txt", "gone.png"]
    job = run(BatchOrder(files=(str(folder / "notes.txt"),)))
    assert job.state is JobState.FAILED and "notes.txt" in (job.error or "")


def test_what_was_made_before_a_failure_is_kept(run: Run, folder: Path, fake_engine: FakeEngine) -> None:
    fake_engine.failure, fake_engine.fail_at = RuntimeError("broke"), 0
    job = run(BatchOrder(files=files_of(folder)))
    assert job.state is JobState.FAILED and "broke" in (job.error or "")


def test_as_many_results_are_shown_as_the_setting_allows(run: Run, folder: Path, tmp_path: Path) -> None:
    run.app.settings.set("img2img_batch_show_results_limit", 1)  # type: ignore[attr-defined]
    out = tmp_path / "out"
    job = run(BatchOrder(files=files_of(folder), output=str(out)))
    assert len(outcome(job).shown) == 1 and len(list(out.iterdir())) == 2


def test_folders_that_may_not_be_named(run: Run, make_app: Callable[..., App], folder: Path) -> None:
    app: App = run.app  # type: ignore[attr-defined]
    with pytest.raises(InvalidValue, match="no folder"):
        named_folder(app, "nowhere/at/all", "Input directory")
    with pytest.raises(InvalidValue, match="programs"):
        submit_batch(app, Img2ImgRequest.page_defaults(), BatchOrder(files=files_of(folder), output=str(app.paths.script_dir / "modules")), source="page")
    with pytest.raises(InvalidValue, match="no pictures"):
        submit_batch(app, Img2ImgRequest.page_defaults(), BatchOrder(files=()), source="page")
    app.close()
    with pytest.raises(InvalidValue, match="--hide-ui-dir-config"):
        named_folder(make_app("--hide-ui-dir-config"), str(folder), "Input directory")


def test_a_folder_may_be_named_as_windows_copies_a_path(make_app: Callable[..., App], folder: Path) -> None:
    app = make_app()
    assert named_folder(app, f' "{folder}" ', "Input directory") == named_folder(app, str(folder), "Input directory") == folder
