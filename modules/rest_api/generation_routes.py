"""POST /sdapi/v1/txt2img and img2img: a request, a job, its pictures as base64."""
from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from modules.application.app import App
from modules.application.generation import CHECKPOINT_KEY, outcome_of, submit
from modules.application.infotext_fill import fill_from_infotext
from modules.application.outcome import Outcome
from modules.application.picture_urls import with_fetched_pictures
from modules.imaging.base64_codec import encode_image
from modules.jobs.job import Job
from modules.rest_api.forgiven_names import with_known_names
from modules.rest_api.models import ImageToImageResponse, Img2ImgBody, TextToImageResponse, Txt2ImgBody
from modules.rest_api.routes import Routes
from modules.schema.request import Img2ImgRequest, Txt2ImgRequest
from modules.schema.table import IMG2IMG, TXT2IMG, ParameterTable

EMBEDDED = "enable_pnginfo"     # a request may override it, as in A1111; the format of the pictures it gets is the server's


def add_generation_routes(routes: Routes) -> None:
    """The routes that make pictures."""
    app = routes.app

    async def text2img(asked: Request, body: Txt2ImgBody) -> dict[str, Any]:  # type: ignore[valid-type]
        """Make pictures from words. Answers when they are done; a caller who hangs up loses nothing: see /internal/jobs."""
        return await _generate(app, Txt2ImgRequest, TXT2IMG, body, user_of(asked))

    async def img2img(asked: Request, body: Img2ImgBody) -> dict[str, Any]:  # type: ignore[valid-type]
        """Make pictures from pictures and words; with a mask, only inside or outside of it."""
        answer = await _generate(app, Img2ImgRequest, IMG2IMG, body, user_of(asked))
        if not answer["parameters"].get("include_init_images"):
            answer["parameters"] |= dict.fromkeys(("init_images", "mask", "depth_map", "further_images"))
        return answer

    routes.add_route("/sdapi/v1/txt2img", text2img, methods=("POST",), model=TextToImageResponse)
    routes.add_route("/sdapi/v1/img2img", img2img, methods=("POST",), model=ImageToImageResponse)


async def _generate(app: App, kind: type[Txt2ImgRequest] | type[Img2ImgRequest], table: ParameterTable, body: BaseModel, user: str) -> dict[str, Any]:
    values = values_of(app, table, body)
    request, said = await run_in_threadpool(request_of, app, kind, values)
    job = await run_in_threadpool(submit, app, request, source="api", user=user)
    await finished(job)
    return await run_in_threadpool(answer_of, app, job, request, values, said)


def user_of(asked: Request) -> str:
    """Who asks, by the name that came with the password; empty where none is set."""
    return getattr(asked.state, "user", "")


async def finished(job: Job) -> None:
    """Wait for a job without holding a thread: a hundred callers may wait while others ask for progress."""
    over, loop = asyncio.Event(), asyncio.get_running_loop()

    def tell() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(over.set)

    job.when_over(tell)
    await over.wait()


def values_of(app: App, table: ParameterTable, body: BaseModel) -> dict[str, Any]:
    """What was sent, by API name, the rest filled in: from the infotext where one was sent, else with the defaults."""
    given = {name: getattr(body, name) for name in body.model_fields_set}
    values = {**body.model_dump(), **given}
    if isinstance(given.get("infotext"), str):
        values |= fill_from_infotext(app.settings, app.paths, table, given)
    return values


def request_of(app: App, kind: type[Txt2ImgRequest] | type[Img2ImgRequest], values: Mapping[str, Any]) -> tuple[Txt2ImgRequest | Img2ImgRequest, tuple[str, ...]]:
    """The request, its pictures fetched, and a sentence for each name in it that is not here (``forgiven_names``). Blocks. Raises WebuiError.

    What sets nothing (``SettingsTable.is_none``) stays as it is, and so does the checkpoint with an empty text for it.
    """
    (values, said), table = with_known_names(app, with_fetched_pictures(values, app.settings)), app.settings.table
    overrides = values.get("override_settings") or {}
    as_usual = {key for key, value in overrides.items() if table.is_none(key, value)}
    if not str(overrides.get(CHECKPOINT_KEY) or "").strip():
        as_usual.add(CHECKPOINT_KEY)
    kept = {key: value for key, value in overrides.items() if key not in as_usual}
    return kind.from_flat({**values, "override_settings": kept}), said


def answer_of(app: App, job: Job, request: Txt2ImgRequest | Img2ImgRequest, values: Mapping[str, Any], said: tuple[str, ...]) -> dict[str, Any]:
    """What A1111 answers for a job that is over. Blocks. Raises what made it fail."""
    outcome = outcome_of(job)
    info = outcome.info
    if said:
        info = {**info, "comments": "\n".join((*said, *outcome.comments))}
    embed = app.settings.table.find(EMBEDDED).checked(request.overrides.override_settings.get(EMBEDDED, app.settings.get(EMBEDDED)))
    images = encoded_pictures(app, outcome, embed=embed) if request.output.send_images else []
    return {"images": images, "parameters": values, "info": json.dumps(info)}


def encoded_pictures(app: App, outcome: Outcome, *, embed: bool) -> list[str]:
    """Base64 of the shown pictures, in the format that pictures are saved in, then a script's own words. embed: with their parameters inside."""
    get = app.settings.get
    options = {"file_format": get("samples_format"), "quality": get("jpeg_quality"), "lossless": get("webp_lossless")}
    return [*(encode_image(image.picture, image.infotext if embed else "", **options) for image in outcome.shown), *outcome.words]
