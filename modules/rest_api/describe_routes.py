"""Words for a picture: A1111's ``interrogate``, and what the page's two buttons ask."""

from __future__ import annotations

import logging
from typing import Any

from modules.application.app import App
from modules.application.describing import Description
from modules.application.picture_urls import fetched_picture
from modules.imaging.base64_codec import decode_bytes, open_image
from modules.rest_api.models import InterrogateRequest, InterrogateResponse
from modules.rest_api.routes import Access, Routes

log = logging.getLogger(__name__)


def add_describe_routes(routes: Routes) -> None:
    """/sdapi/v1/interrogate."""

    def interrogate(body: InterrogateRequest) -> dict[str, Any]:
        """A sentence (clip) or tags (deepdanbooru) for a picture."""
        return {"caption": _description(routes.app, body).words}

    routes.add_route("/sdapi/v1/interrogate", interrogate, methods=("POST",), model=InterrogateResponse)


def add_page_describe_routes(routes: Routes) -> None:
    """It belongs to the page and asks for its password."""

    def describe(body: InterrogateRequest) -> dict[str, Any]:
        """words, and notes about what they were found without."""
        found = _description(routes.app, body)
        return {"words": found.words, "notes": list(found.notes)}

    routes.add_route("/internal/describe", describe, methods=("POST",), access=Access.PAGE)


def _description(app: App, body: InterrogateRequest) -> Description:
    """On the worker, after the running job; what is missing is said before."""
    picture = open_image(decode_bytes(fetched_picture(body.image, app.settings)))
    app.describer.check(body.model)
    found = app.jobs.call(lambda: app.describer.describe(picture, body.model, app.settings))
    for note in found.notes:
        log.warning("%s", note)
    return found
