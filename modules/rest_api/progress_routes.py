"""How far the running job is, and stopping it: A1111's three routes."""
from __future__ import annotations

import base64
import time
from typing import Any

from modules.application.app import App
from modules.application.training_run import KINDS
from modules.jobs.job import Job
from modules.jobs.progress import ProgressSnapshot
from modules.rest_api.models import ProgressResponse
from modules.rest_api.routes import Routes


def add_progress_routes(routes: Routes) -> None:
    """/sdapi/v1/progress, interrupt, skip."""
    app = routes.app

    def progress(skip_current_image: bool = False) -> dict[str, Any]:
        """The running job: progress from 0 to 1, seconds left, the picture so far."""
        return progress_of(app, skip_current_image=skip_current_image)

    def interrupt() -> dict[str, Any]:
        """Stop the running job at its next step; what is finished is kept."""
        app.jobs.interrupt()
        return {}

    def skip() -> None:
        """Leave the current batch of the running job."""
        app.jobs.skip()

    routes.add_route("/sdapi/v1/progress", progress, model=ProgressResponse)
    routes.add_route("/sdapi/v1/interrupt", interrupt, methods=("POST",))
    routes.add_route("/sdapi/v1/skip", skip, methods=("POST",))


def progress_of(app: App, *, skip_current_image: bool = False) -> dict[str, Any]:
    """A1111's answer; all zeros while nothing runs."""
    job = app.jobs.running()
    if job is None:
        return {"progress": 0.0, "eta_relative": 0.0, "state": _state(None, None), "current_image": None, "textinfo": None}
    shot = job.progress.snapshot()
    fraction = 0.01 + shot.fraction if shot.batches else 0.0       # A1111 shows a running job as begun
    eta = shot.elapsed_seconds / fraction - shot.elapsed_seconds if fraction else 0.0
    preview = None if skip_current_image else job.progress.preview()
    return {
        "progress": min(1.0, fraction),
        "eta_relative": max(0.0, eta),
        "state": _state(job, shot),
        "current_image": base64.b64encode(preview).decode("ascii") if preview else None,
        "textinfo": shot.text or None,
    }


def _name_of(job: Job, shot: ProgressSnapshot) -> str:
    """As A1111's state calls it: of several batches, which one; programs show it beside the bar."""
    return f"Batch {min(shot.batch + 1, shot.batches)} out of {shot.batches}" if shot.batches > 1 else f"scripts_{job.kind}"


def _state(job: Job | None, shot: ProgressSnapshot | None) -> dict[str, Any]:
    """Of a training the steps are what A1111 counts as jobs."""
    if job is not None and shot is not None and job.kind in KINDS:
        return _state_of(job) | {"job": job.kind, "job_count": shot.steps, "job_no": shot.step, "sampling_step": 0, "sampling_steps": 0}
    found = _state_of(job) | {"job": _name_of(job, shot) if job and shot else ""}
    counts = (shot.batches, shot.batch, shot.step, shot.steps) if shot else (0, 0, 0, 0)
    return found | dict(zip(("job_count", "job_no", "sampling_step", "sampling_steps"), counts))


def _state_of(job: Job | None) -> dict[str, Any]:
    """The keys in A1111's order."""
    return {
        "skipped": bool(job and job.cancel.skipped),
        "interrupted": bool(job and job.cancel.interrupted),
        "stopping_generation": bool(job and job.cancel.stopping),
        "job": "",
        "job_count": 0,
        "job_timestamp": time.strftime("%Y%m%d%H%M%S", time.localtime(job.started if job and job.started else None)),
        "job_no": 0,
        "sampling_step": 0,
        "sampling_steps": 0,
    }
