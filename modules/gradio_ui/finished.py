"""What a finished job has to show, from memory or, after a restart, from the queue's store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modules.application.app import App
from modules.application.outcome import Outcome
from modules.jobs.job import Job

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, kw_only=True)
class ShownImage:
    """A picture of the gallery: on disk (``path``), or in memory only."""

    path: Path | None
    picture: Image | None
    infotext: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Finished:
    """images: as the gallery shows them, the grid first if there is one; chosen: the one to look at first. info: A1111's Processed as JSON has it."""

    job: Job
    images: tuple[ShownImage, ...] = ()
    info: Mapping[str, Any]
    comments: tuple[str, ...] = ()
    chosen: int = 0


def finished_job(app: App, task_id: str) -> Finished | None:
    """The job ``task_id`` if it is over, None otherwise. One that enlarged a picture of a gallery stands in that gallery."""
    found = _alone(app, task_id)
    place = found.job.payload.get("in_place_of") if found and found.images else None
    around = finished_job(app, str(place[0])) if place and str(place[0]) != task_id else None
    return _among(found, around, int(place[1])) if found and around and place else found


def _among(found: Finished, around: Finished, index: int) -> Finished:
    """``around`` with its picture at ``index`` exchanged for those of ``found``."""
    info, first = dict(around.info), int(around.info.get("index_of_first_image", 0))
    for key, place in {"infotexts": index, **dict.fromkeys(("all_prompts", "all_negative_prompts", "all_seeds", "all_subseeds"), index - first)}.items():
        if isinstance(info.get(key), list) and found.info.get(key):
            info[key] = [*info[key][:place], *found.info[key], *info[key][place + 1 :]]
    images = (*around.images[:index], *found.images, *around.images[index + 1 :])
    return Finished(job=found.job, images=images, info=info, comments=found.comments, chosen=index)


def _alone(app: App, task_id: str) -> Finished | None:
    job = app.jobs.find(task_id) if task_id else None
    if job is None or not job.is_over:
        return None
    outcome = job.result
    if isinstance(outcome, Outcome):
        images = (ShownImage(path=each.path, picture=each.picture, infotext=each.infotext, seed=each.seed) for each in outcome.shown)
        return Finished(job=job, images=tuple(images), info=outcome.info, comments=outcome.comments)
    return _from_summary(job)


def _from_summary(job: Job) -> Finished:
    """Pictures that were never saved are gone by now."""
    kept = job.summary or {}
    images = (
        ShownImage(path=Path(each["path"]), picture=None, infotext=each.get("infotext", ""), seed=each.get("seed", -1))
        for each in kept.get("images", ())
        if each.get("path")
    )
    return Finished(job=job, images=tuple(images), info=kept.get("info", {}), comments=tuple(kept.get("comments", ())))
