"""A1111's ``Api`` object, as extensions make one and call its methods: the same jobs as the routes make, waited for."""
from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from modules.a1111.app_slot import current
from modules.application.generation import outcome_of, submit
from modules.rest_api.generation_routes import encoded_pictures, request_of, values_of
from modules.rest_api.models import ImageToImageResponse, TextToImageResponse
from modules.schema.request import Img2ImgRequest, Txt2ImgRequest
from modules.schema.table import IMG2IMG, TXT2IMG, ParameterTable


class Api:
    """app and queue_lock are A1111's arguments; routes are added to the server itself, and jobs queue by themselves."""

    def __init__(self, app: Any, queue_lock: Any) -> None:
        self.app, self.queue_lock = app, queue_lock

    def text2imgapi(self, txt2imgreq: BaseModel) -> TextToImageResponse:
        """Draw and answer as POST /sdapi/v1/txt2img does. Not from within a job, which would wait for itself. Raises WebuiError."""
        return TextToImageResponse(**_drawn(Txt2ImgRequest, TXT2IMG, txt2imgreq))

    def img2imgapi(self, img2imgreq: BaseModel) -> ImageToImageResponse:
        """As POST /sdapi/v1/img2img."""
        return ImageToImageResponse(**_drawn(Img2ImgRequest, IMG2IMG, img2imgreq))


def _drawn(kind: type[Txt2ImgRequest] | type[Img2ImgRequest], table: ParameterTable, body: BaseModel) -> dict[str, Any]:
    app, known = current(), {entry.api_name for entry in table}
    values = {name: value for name, value in values_of(app, table, body).items() if name in known}
    request = request_of(app, kind, values)
    job = submit(app, request, source="api")
    app.jobs.wait(job)
    outcome = outcome_of(job)
    images = encoded_pictures(app, outcome) if request.output.send_images else []
    return {"images": images, "parameters": values, "info": json.dumps(outcome.info)}
