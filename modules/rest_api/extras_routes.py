"""POST /sdapi/v1/extra-single-image and extra-batch-images: finished pictures through upscalers and face restorers."""
from __future__ import annotations

from typing import Any

from fastapi import Request
from pydantic import BaseModel, Field, create_model
from starlette.concurrency import run_in_threadpool

from modules.application.extras import Source, encoded_pictures, submit
from modules.application.generation import outcome_of
from modules.application.outcome import Outcome
from modules.application.picture_urls import MOST_ADDRESSES, fetched_picture, is_address
from modules.rest_api.generation_routes import finished, user_of
from modules.rest_api.lenient_body import LenientBody
from modules.rest_api.models import request_model
from modules.rest_api.routes import Routes
from modules.schema.errors import InvalidValue
from modules.schema.params_extras import ExtrasRequest
from modules.schema.table import EXTRAS

# What A1111's API knows of the tab; the rest is for the page.
FIELDS = (
    "resize_mode", "show_extras_results", "gfpgan_visibility", "codeformer_visibility", "codeformer_weight", "upscaling_resize",
    "upscaling_resize_w", "upscaling_resize_h", "upscaling_crop", "upscaler_1", "upscaler_2", "extras_upscaler_2_visibility", "upscale_first",
)


class FileData(LenientBody):
    data: str = Field(title="File data", description="Base64 representation of the file")
    name: str = Field(title="File name")


_Common = request_model(EXTRAS, "ExtrasBaseRequest", only=FIELDS)
SingleBody: Any = create_model("ExtrasSingleImageRequest", __base__=_Common, image=(str, Field(default="", description="The picture, base64 of an image file.")))
BatchBody: Any = create_model("ExtrasBatchImagesRequest", __base__=_Common, imageList=(list[FileData], Field(description="The pictures, base64 of image files.")))


class ExtrasSingleImageResponse(BaseModel):
    html_info: str = Field(description="What was done, as HTML.")
    image: str | None = Field(default=None, description="The result, base64 of an image file.")


class ExtrasBatchImagesResponse(BaseModel):
    html_info: str = Field(description="What was done, as HTML.")
    images: list[str] = Field(description="The results, base64 of image files.")


def add_extras_routes(routes: Routes) -> None:
    """The two routes."""
    app = routes.app

    async def fetched(picture: str) -> str:
        return await run_in_threadpool(fetched_picture, picture, app.settings)

    async def run(body: BaseModel, sources: list[Source], user: str) -> Outcome:
        values = {name: getattr(body, name) for name in FIELDS}
        values |= {name: values[name] or "None" for name in ("upscaler_1", "upscaler_2")}      # clients leave a choice that was not made empty
        asked = ExtrasRequest.from_flat(values)
        asked = asked.changed({"show_extras_results": True})    # A1111 reads it for a folder of the server alone: clients send false and wait for the picture
        job = await run_in_threadpool(submit, app, asked, sources, source="api", save=False, user=user)
        await finished(job)
        return outcome_of(job)

    async def single(asked: Request, body: SingleBody) -> dict[str, Any]:  # type: ignore[valid-type]
        """One picture."""
        if not body.image:
            raise InvalidValue("image: there is no picture.", "Send a PNG, JPEG or WebP file in base64.", field="image")
        outcome = await run(body, [Source(data=await fetched(body.image))], user_of(asked))
        images = await run_in_threadpool(lambda: list(encoded_pictures(app, outcome)))
        return {"html_info": outcome.info.get("html_info", ""), "image": images[0] if images else None}

    async def batch(asked: Request, body: BatchBody) -> dict[str, Any]:  # type: ignore[valid-type]
        """Many pictures, one after the other; one that cannot be read is left out."""
        if sum(is_address(each.data) for each in body.imageList) > MOST_ADDRESSES:
            raise InvalidValue(f"imageList: more than {MOST_ADDRESSES} pictures are named by address.", "Send them in base64.", field="imageList")
        sources = [Source(name=each.name, data=await fetched(each.data)) for each in body.imageList]
        outcome = await run(body, sources, user_of(asked))
        images = await run_in_threadpool(lambda: list(encoded_pictures(app, outcome)))
        return {"html_info": outcome.info.get("html_info", ""), "images": images}

    routes.add_route("/sdapi/v1/extra-single-image", single, methods=("POST",), model=ExtrasSingleImageResponse)
    routes.add_route("/sdapi/v1/extra-batch-images", batch, methods=("POST",), model=ExtrasBatchImagesResponse)
