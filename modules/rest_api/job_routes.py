"""/sdapi/v1/jobs, beyond A1111: the queue as a list, one job, taking it out, and its progress as server-sent events."""
from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import HTTPException
from starlette.responses import StreamingResponse

from modules.application.app import App
from modules.jobs.job import Job
from modules.rest_api.models import JobItem, JobsResponse
from modules.rest_api.routes import Routes

MOST_JOBS = 200
EVENT_SECONDS = 0.25            # between two looks at a job
QUIET_SECONDS = 15              # after which a line is sent although nothing happened, so that proxies keep the line open


def add_job_routes(routes: Routes) -> None:
    """Open them."""
    app = routes.app

    def jobs(count: int = 20) -> dict[str, Any]:
        """The running job, those in line, and the ``count`` that ended last."""
        return listed_jobs(app, count)

    def job(job_id: str) -> dict[str, Any]:
        """One job; one that is over with paths, infotexts and A1111's info of its pictures."""
        found = found_job(app, job_id)
        return {**described(app, found), **found.summary}

    def delete(job_id: str) -> dict[str, Any]:
        """A waiting job leaves the queue, a running one stops at its next step, one that is over leaves the history. Files stay."""
        found = found_job(app, job_id)
        if not app.jobs.interrupt(found.id):
            app.jobs.forget(found.id)
        return {"id": found.id, "state": found.state.value}

    def events(job_id: str) -> StreamingResponse:
        """The job's progress as server-sent events: "progress" at each change, then one "end"."""
        found = found_job(app, job_id)
        return StreamingResponse(job_events(app, found), media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    routes.add_route("/sdapi/v1/jobs", jobs, model=JobsResponse)
    routes.add_route("/sdapi/v1/jobs/{job_id}", job, model=JobItem)
    routes.add_route("/sdapi/v1/jobs/{job_id}", delete, methods=("DELETE",))
    routes.add_route("/sdapi/v1/jobs/{job_id}/events", events)


async def job_events(app: App, job: Job) -> AsyncIterator[str]:
    """Ends with the job."""
    last, quiet = "", 0.0
    while not job.is_over:
        line = json.dumps(described(app, job))
        if line != last or quiet >= QUIET_SECONDS:
            yield f"event: progress\ndata: {line}\n\n"
            last, quiet = line, 0.0
        await asyncio.sleep(EVENT_SECONDS)
        quiet += EVENT_SECONDS
    yield f"event: end\ndata: {json.dumps(described(app, job))}\n\n"


# Of jobs without a prompt: what of their request says which work it is.
_ABOUT = {"train-embedding": "embedding_name", "train-hypernetwork": "hypernetwork_name", "merge": "primary_model_name"}


def listed_jobs(app: App, count: int) -> dict[str, Any]:
    """The whole queue as JSON."""
    running = app.jobs.running()
    return {
        "running": described(app, running) if running else None,
        "pending": [described(app, job) for job in app.jobs.pending()],
        "finished": [described(app, job) for job in app.jobs.recent(max(0, min(count, MOST_JOBS)))],
        "paused": app.jobs.paused,
    }


def described(app: App, job: Job) -> dict[str, Any]:
    """A job as JSON, without its pictures."""
    asked = job.payload.get("request", {})
    shot = job.progress.snapshot()
    return {
        "id": job.id,
        "kind": job.kind,
        "source": job.source,
        "state": job.state.value,
        "position": app.jobs.position(job.id),
        "progress": 1.0 if job.state.value == "done" else round(shot.fraction, 4),
        "eta": None if job.is_over or shot.eta_seconds is None else round(shot.eta_seconds, 1),
        "textinfo": "" if job.is_over else shot.text,
        "batches": shot.batches,
        "stopping": job.cancel.stopping,
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "attempts": job.attempts,
        "error": job.error,
        "prompt": str(asked.get("prompt", ""))[:500] if isinstance(asked, dict) else "",
        "about": str(asked.get(_ABOUT.get(job.kind, ""), ""))[:500] if isinstance(asked, dict) else "",
        "interrupted": job.state.value == "interrupted",
    }


def found_job(app: App, job_id: str) -> Job:
    """404 for one that nobody knows."""
    job = app.jobs.find(job_id)
    if job is None:
        raise HTTPException(404, "No job has this id.")
    return job
