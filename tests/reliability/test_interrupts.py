"""Interrupt and skip at any moment of a job: it ends soon, nobody else's does, and the next picture is right."""

from __future__ import annotations

import random
import threading
import time
from typing import Any

import httpx
import numpy as np
import pytest

from modules.jobs.job import JobState
from tests.reliability.conftest import SMALL, Real, pixels

pytestmark = pytest.mark.group("R11")
LONG_JOB = {**SMALL, "steps": 6, "n_iter": 2, "enable_hr": True, "hr_scale": 2, "hr_upscaler": "Lanczos", "denoising_strength": 0.6, "save_images": True, "width": 64, "height": 64}
SOON = 3.0                                          # seconds of the processor, all threads: a step, the VAE, or loading


def once(real: Real, draw: random.Random, wanted: np.ndarray, length: float) -> str:
    """One job stopped at a random moment, another one in line behind it. What was done."""
    app, client = real.server.app, real.server.client
    how, fresh = draw.choice(("interrupt", "job", "skip")), draw.random() < 0.3
    if fresh:
        app.jobs.call(app.checkpoints.unload)       # so that the moment may fall into loading
    answers: dict[str, httpx.Response] = {}

    def ask(name: str, values: dict[str, Any]) -> None:
        answers[name] = httpx.post(f"{real.server.url}/sdapi/v1/txt2img", json=values, timeout=120, trust_env=False)

    first = threading.Thread(target=ask, args=("first", {**LONG_JOB, "force_task_id": "first", "seed": 1}))
    second = threading.Thread(target=ask, args=("second", {**SMALL, "force_task_id": "second"}))
    first.start()
    while app.jobs.position("first") is None and "first" not in answers:
        time.sleep(0.001)
    second.start()
    while app.jobs.position("second") is None and "second" not in answers:
        time.sleep(0.001)
    time.sleep(draw.random() * length)
    running, met_second = app.jobs.running(), False
    if how == "skip":
        client.post("/sdapi/v1/skip")
        after = app.jobs.running()
        met_second = not (running is not None and after is not None and running.id == after.id == "first")      # perhaps: it names none
    elif running is not None and running.id == "first":
        client.post("/sdapi/v1/interrupt" if how == "interrupt" else "/internal/jobs/first/interrupt")
        began = time.process_time()
        first.join(120)
        assert time.process_time() - began < SOON, f"{how} took {time.process_time() - began:.1f} s"
    first.join(60)
    second.join(60)
    assert answers["first"].status_code == 200, answers["first"].text[:300]
    job = app.jobs.find("second")
    if job is not None and job.state is JobState.DONE and not met_second:      # a late interrupt without an id may have met the second one too
        assert np.array_equal(pixels(answers["second"].json())[0], wanted)
    assert app.jobs.running() is None
    assert np.array_equal(real.draw()[0], wanted), f"the picture after {how}"
    return how


def at_random_moments(real: Real, count: int, seed: int) -> None:
    wanted, draw = real.draw()[0], random.Random(seed)
    began = time.monotonic()
    real.draw(**{**LONG_JOB, "seed": 1})
    length = time.monotonic() - began
    for _ in range(count):
        once(real, draw, wanted, length)


def test_at_random_moments(real: Real) -> None:
    at_random_moments(real, 2, seed=3)


@pytest.mark.long
def test_at_two_hundred_random_moments(real: Real) -> None:
    at_random_moments(real, 200, seed=4)


@pytest.mark.parametrize("stage", ["load", "encode", "decode", "save", "hires"])
def test_in_every_part_that_is_no_step(real: Real, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The moment is met for certain: the part itself interrupts its job. What is returned is whole, and the next picture right."""
    wanted, app = real.draw()[0], real.server.app
    place = {
        "load": "modules.application.generation.load_checkpoint", "encode": "modules.engine.run.encode_prompts", "decode": "modules.engine.run.decode_latent",
        "save": "modules.application.picture_saver.save_image", "hires": "modules.engine.hires.encode_pixels",
    }[stage]  # fmt: skip
    module, _, name = place.rpartition(".")
    own = getattr(__import__(module, fromlist=[name]), name)

    def interrupting(*args: Any, **kwargs: Any) -> Any:
        app.jobs.interrupt()
        return own(*args, **kwargs)

    monkeypatch.setattr(place, interrupting)
    answer = real.server.client.post("/sdapi/v1/txt2img", json={**LONG_JOB, "steps": 3, "hr_upscaler": "Lanczos"})
    monkeypatch.undo()
    assert answer.status_code == 200
    assert len(answer.json()["images"]) <= 1 + (stage == "save")    # a grid of what there is
    assert app.jobs.recent(1)[0].state is JobState.INTERRUPTED
    assert np.array_equal(real.draw()[0], wanted)
