"""What the page asks between clicks: its own job by id, and previews."""
from __future__ import annotations

import base64
from typing import Any

from fastapi import HTTPException, Request, Response
from pydantic import BaseModel, Field

from modules.application import listing
from modules.application.app import App
from modules.application.checkpoint_wishes import wishes_of
from modules.application.generation import checkpoint_now
from modules.library.card import DRAW_WITH
from modules.rest_api.generation_routes import user_of
from modules.rest_api.job_routes import found_job
from modules.rest_api.lenient_body import LenientBody
from modules.rest_api.routes import Access, Routes
from modules.schema.errors import NoCheckpoint


class ProgressRequest(LenientBody):
    """A1111's form. id_live_preview: the newest preview that the page already has."""

    id_task: str | None = Field(default=None, max_length=200)
    id_live_preview: int | None = -1
    live_preview: bool | None = True


class TaskProgress(BaseModel):
    """The answer. progress: from 0 to 1. eta: seconds left. live_preview: a data URL, where there is a newer one."""

    active: bool
    queued: bool
    completed: bool
    paused: bool = False
    progress: float | None = None
    eta: float | None = None
    live_preview: str | None = None
    id_live_preview: int | None = None
    textinfo: str | None = None


def add_internal_routes(routes: Routes) -> None:
    """/internal/*: they belong to the page and ask for its password."""
    app = routes.app

    def ping() -> dict[str, Any]:
        """The server is there."""
        return {}

    def user(asked: Request) -> str | None:
        """Who asks, null where no password is set; programs ask it to see whether the server is there."""
        return user_of(asked) or None

    def login_check() -> None:
        """Null for those who are let in; the gate answers 401 to others. Programs ask it, of Gradio 3, whether they must log in."""

    def quicksettings_hint() -> list[dict[str, str]]:
        """Every setting's key and label."""
        return [{"name": setting.key, "label": setting.label} for setting in app.settings.table]

    def progress(body: ProgressRequest) -> dict[str, Any]:
        """One job by its id: waiting with its place in line, running with its preview, or over."""
        return internal_progress(app, body)

    def pending_tasks() -> dict[str, Any]:
        """Ids of the jobs that wait."""
        waiting = app.jobs.pending()
        return {"size": len(waiting), "tasks": [job.id for job in waiting]}

    def profile_startup() -> dict[str, Any]:
        """What the start of this server spent its seconds on."""
        return app.startup_times.record()

    def preview(job_id: str, number: int) -> Response:
        """The preview picture of a running job."""
        data = found_job(app, job_id).progress.preview(number)
        if data is None:
            raise HTTPException(404, "This preview is not there any more.")
        return Response(data, media_type=_media_type(data), headers={"Cache-Control": "private, max-age=60"})

    def checkpoint_wishes() -> dict[str, Any]:
        """What the chosen checkpoint asks to be drawn with; written: the names of those that its card says."""
        try:
            model = checkpoint_now(app)
        except NoCheckpoint:
            return {"name": "", "values": [], "written": []}
        wishes = wishes_of(model)
        values = [{"name": name, "label": wish.label, "value": wishes.values[name]} for name, wish in DRAW_WITH.items() if name in wishes.values]
        return {"name": model.stem, "values": values, "written": wishes.written}

    def notices() -> list[str]:
        """What the user should know now, as the page says it above its tabs."""
        return listing.notices(app)

    for path, handler, method in (
        ("/internal/notices", notices, "GET"),
        ("/internal/checkpoint-wishes", checkpoint_wishes, "GET"),
        ("/user", user, "GET"), ("/login_check", login_check, "GET"), ("/internal/quicksettings-hint", quicksettings_hint, "GET"),
        ("/internal/ping", ping, "GET"), ("/internal/progress", progress, "POST"), ("/internal/pending-tasks", pending_tasks, "GET"),
        ("/internal/profile-startup", profile_startup, "GET"),
        ("/internal/preview/{job_id}/{number}", preview, "GET"),
    ):
        routes.add_route(path, handler, methods=(method,), access=Access.PAGE)


def internal_progress(app: App, asked: ProgressRequest) -> dict[str, Any]:
    """A1111's answer for one task id."""
    place = app.jobs.position(asked.id_task) if asked.id_task else None
    job = app.jobs.find(asked.id_task) if asked.id_task else None
    active, queued, completed = place == 0, bool(place), bool(job and job.is_over)
    answer: dict[str, Any] = {
        "active": active, "queued": queued, "completed": completed, "progress": None, "eta": None, "live_preview": None,
        "id_live_preview": asked.id_live_preview, "textinfo": "Waiting..." if not completed else "",
    }
    if queued:
        answer["textinfo"] = f"In queue: {place}/{len(app.jobs.pending())}"
    if not active or job is None:
        return answer
    shot = job.progress.snapshot()
    answer |= {"progress": shot.fraction, "eta": shot.eta_seconds, "textinfo": shot.text or None}
    if asked.live_preview and shot.preview_id and shot.preview_id != asked.id_live_preview and (data := job.progress.preview()):
        answer["live_preview"] = f"data:{_media_type(data)};base64,{base64.b64encode(data).decode('ascii')}"
        answer["id_live_preview"] = shot.preview_id
    return answer


def _media_type(data: bytes) -> str:
    if data.startswith(b"\xff\xd8"):
        return "image/jpeg"
    return "image/webp" if data[8:12] == b"WEBP" else "image/png"
