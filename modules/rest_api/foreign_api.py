"""A1111's ``Api`` object, as extensions make one and call its methods: the same jobs as the routes make, waited for."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from modules.a1111.app_slot import current
from modules.application.generation import submit
from modules.rest_api.direct_calls import endpoint_of
from modules.rest_api.generation_routes import answer_of, request_of, values_of
from modules.rest_api.models import ImageToImageResponse, TextToImageResponse
from modules.schema.request import Img2ImgRequest, Txt2ImgRequest
from modules.schema.table import IMG2IMG, TXT2IMG, ParameterTable

METHODS = {  # A1111's method -> the route whose function it is
    "extras_single_image_api": ("extra-single-image", "POST"), "extras_batch_images_api": ("extra-batch-images", "POST"), "pnginfoapi": ("png-info", "POST"),
    "progressapi": ("progress", "GET"), "interrogateapi": ("interrogate", "POST"), "interruptapi": ("interrupt", "POST"), "skip": ("skip", "POST"),
    "unloadapi": ("unload-checkpoint", "POST"), "reloadapi": ("reload-checkpoint", "POST"), "get_config": ("options", "GET"), "set_config": ("options", "POST"),
    "get_cmd_flags": ("cmd-flags", "GET"), "get_samplers": ("samplers", "GET"), "get_schedulers": ("schedulers", "GET"), "get_upscalers": ("upscalers", "GET"),
    "get_latent_upscale_modes": ("latent-upscale-modes", "GET"), "get_sd_models": ("sd-models", "GET"), "get_sd_vaes": ("sd-vae", "GET"),
    "get_hypernetworks": ("hypernetworks", "GET"), "get_face_restorers": ("face-restorers", "GET"), "get_realesrgan_models": ("realesrgan-models", "GET"),
    "get_prompt_styles": ("prompt-styles", "GET"), "get_embeddings": ("embeddings", "GET"), "refresh_embeddings": ("refresh-embeddings", "POST"),
    "refresh_checkpoints": ("refresh-checkpoints", "POST"), "refresh_vae": ("refresh-vae", "POST"), "get_memory": ("memory", "GET"),
    "get_scripts_list": ("scripts", "GET"), "get_script_info": ("script-info", "GET"), "get_extensions_list": ("extensions", "GET"),
}  # fmt: skip


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

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The other methods: what the route of that work answers, read by key or by attribute."""
        path, method = METHODS.get(name, ("", ""))
        found = endpoint_of(self.app, f"/sdapi/v1/{path}", method) if path else None
        if found is None:
            raise AttributeError(f"A1111's Api has {name} by the route /sdapi/v1/{path}, which is there with --api only." if path else name)
        return found


def _drawn(kind: type[Txt2ImgRequest] | type[Img2ImgRequest], table: ParameterTable, body: BaseModel) -> dict[str, Any]:
    app, known = current(), {entry.api_name for entry in table}
    values = {name: value for name, value in values_of(app, table, body).items() if name in known}
    request, said = request_of(app, kind, values)
    job = submit(app, request, source="api")
    app.jobs.wait(job)
    return answer_of(app, job, request, values, said)
