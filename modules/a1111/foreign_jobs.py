"""Work of an extension's own as a job: it stands in the server's line, shows its progress, and can be stopped like any other."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modules.a1111.app_slot import current
from modules.a1111.running import RunningWork, working
from modules.application.app import App
from modules.application.generation import checkpoint_now, note
from modules.application.outcome import Outcome
from modules.jobs.job import Job, JobState
from modules.schema.errors import InvalidValue, NoCheckpoint, WebuiError

KIND = "extension"


class Stopped(WebuiError):
    """Somebody took the work out of the line, or interrupted it before it gave anything."""


def carried_out(function: Callable[[], Any], *, title: str, task_id: str | None = None) -> Any:
    """What ``function`` returns, run as a job. title: how the line calls it. Its exception is raised here; Stopped where it never ran."""
    app, given = current(), list[Any]()
    payload = {"request": {"prompt": title}, "settings": app.settings.changed(), "checkpoint": _checkpoint(app)}
    job = app.jobs.wait(app.jobs.submit(KIND, payload, id=task_id, source="extension", live=lambda: given.append(function())))
    if job.failure is not None:
        raise job.failure
    if not given:
        raise Stopped(job.error or "The work was taken out of the line.") if job.state is JobState.INTERRUPTED else Stopped(job.error or "It was not carried out.")
    return given[0]


def run(app: App, job: Job) -> tuple[Outcome, dict[str, Any]]:
    """The queue's runner of this kind, on the worker. The pictures that the work made are the job's."""
    if job.live is None:
        raise InvalidValue("This was the work of an extension's button, and the server was restarted meanwhile.", "Press the button again.")
    work = RunningWork(
        app=app, settings=dict(job.payload["settings"]), checkpoint=job.payload["checkpoint"], progress=job.progress, cancel=job.cancel,
        noted=lambda made: note(app, job, made))  # fmt: skip
    try:
        with working(work):
            job.live()
    finally:
        made = tuple(work.made)
        job.result = Outcome(images=made, shown=made, info={}, comments=tuple(work.comments))
        job.summary = job.result.summary()
    return job.result, job.summary


def runners(app: App) -> dict[str, Callable[[Job], tuple[Any, dict[str, Any]]]]:
    """What the queue runs."""
    return {KIND: lambda job: run(app, job)}


def _checkpoint(app: App) -> str:
    try:
        return checkpoint_now(app).name
    except NoCheckpoint:
        return ""           # the work may need none
