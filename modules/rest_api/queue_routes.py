"""What the page's queue panel does: order, pause, try again, stop after this picture."""
from __future__ import annotations

from typing import Any

from modules.application.listing import notices
from modules.rest_api.job_routes import described, found_job, listed_jobs
from modules.rest_api.routes import Access, Routes


def add_queue_routes(routes: Routes) -> None:
    """/internal/jobs and /internal/queue; they ask for the page's password."""
    app = routes.app

    def jobs(count: int = 20) -> dict[str, Any]:
        """The queue: the running job, those in line with their places, those that ended last, and what the user should know."""
        app.first_visit.stands()
        return {**listed_jobs(app, count), "notices": notices(app)}

    def job(job_id: str) -> dict[str, Any]:
        """One job with its results: paths, infotexts and A1111's info."""
        return {**described(app, found := found_job(app, job_id)), **found.summary}

    def interrupt(job_id: str) -> dict[str, Any]:
        """Stop this job: at its next step when it runs, at once when it waits."""
        return {"stopped": app.jobs.interrupt(found_job(app, job_id).id)}

    def stop(job_id: str) -> dict[str, Any]:
        """Let the running job finish its picture and begin no other."""
        return {"stopping": app.jobs.stop_after_image(found_job(app, job_id).id)}

    def skip(job_id: str) -> dict[str, Any]:
        """Leave the current batch of this job."""
        return {"skipped": app.jobs.skip(found_job(app, job_id).id)}

    def move(job_id: str, place: int) -> dict[str, Any]:
        """Put a waiting job at another place; 1 is the next one."""
        return {"moved": app.jobs.move(found_job(app, job_id).id, place)}

    def retry(job_id: str) -> dict[str, Any]:
        """Put what a finished job was asked in line once more."""
        again = app.jobs.retry(found_job(app, job_id).id)
        return {"id": again.id if again else None, "tab": again.kind if again else None}

    def forget(job_id: str) -> dict[str, Any]:
        """Take a finished job out of the list; its pictures stay on disk."""
        return {"forgotten": app.jobs.forget(found_job(app, job_id).id)}

    def pause() -> dict[str, Any]:
        """Hold the running job at its next step, and begin no other."""
        app.jobs.pause()
        return {"paused": True}

    def resume() -> dict[str, Any]:
        """Go on."""
        app.jobs.pause(False)
        return {"paused": False}

    routes.add_route("/internal/jobs", jobs, access=Access.PAGE)
    routes.add_route("/internal/jobs/{job_id}", job, access=Access.PAGE)
    routes.add_route("/internal/jobs/{job_id}", forget, methods=("DELETE",), access=Access.PAGE)
    for name, handler in (("interrupt", interrupt), ("stop", stop), ("skip", skip), ("move", move), ("retry", retry)):
        routes.add_route(f"/internal/jobs/{{job_id}}/{name}", handler, methods=("POST",), access=Access.PAGE)
    for name, act in (("pause", pause), ("resume", resume)):
        routes.add_route(f"/internal/queue/{name}", act, methods=("POST",), access=Access.PAGE)
