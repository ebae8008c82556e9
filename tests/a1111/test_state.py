"""``shared.state`` speaks of the running job, and is a record of its own where none runs."""
from __future__ import annotations

from types import SimpleNamespace

import pytest

from modules.a1111.state import State
from modules.application.app import App
from modules.jobs.job import Job


@pytest.fixture
def state(a1111: App) -> State:
    return State()


def test_alone_it_keeps_what_is_set(state: State) -> None:
    assert (state.job, state.job_count, state.interrupted) == ("", 0, False)
    state.begin("mine")
    state.job_count = 3
    state.nextjob()
    state.interrupt()
    assert (state.job, state.job_count, state.job_no, state.interrupted) == ("mine", 3, 1, True)
    state.end()
    assert (state.job, state.job_count, state.interrupted) == ("", 0, False)
    with pytest.raises(AttributeError):
        _ = state.something_else


def test_it_reads_and_stops_the_running_job(state: State, a1111: App, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(id="task(1)", kind="txt2img", payload={})
    monkeypatch.setattr(a1111.jobs, "running", lambda: job)
    job.progress.begin(2, 4)
    job.progress.step(3, 20)
    assert (state.job, state.job_count, state.sampling_step, state.sampling_steps) == ("task(1)", 2, 3, 20)
    state.job_count = 9
    assert state.job_count == 9
    state.interrupt()
    assert job.cancel.interrupted and state.interrupted
    state.assign_current_image(SimpleNamespace(save=lambda file, kind: file.write(b"png")))
    assert job.progress.preview() == b"png"
    monkeypatch.setattr(a1111.jobs, "running", lambda: None)
    assert state.job_count == 0 and not state.interrupted


def test_before_the_first_step_it_tells_of_the_steps_of_the_job_before(state: State, a1111: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in A1111: extensions divide by them while the prompts are read."""
    jobs = [Job(id=f"task({n})", kind="txt2img", payload={}) for n in range(2)]
    monkeypatch.setattr(a1111.jobs, "running", lambda: jobs[0])
    assert state.sampling_steps == 0
    state.sampling_steps = 20                       # what the house says at each call of the model
    monkeypatch.setattr(a1111.jobs, "running", lambda: jobs[1])
    assert (state.sampling_step, state.sampling_steps) == (0, 20)
    jobs[1].progress.step(0, 6)
    assert state.sampling_steps == 6
