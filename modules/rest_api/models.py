"""The API's models: requests made from the parameter tables, answers in A1111's shapes."""
from __future__ import annotations

import dataclasses
import typing
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel, Field, create_model

from modules.rest_api.lenient_body import LenientBody
from modules.schema.flag_table import METADATA_KEY, Flags
from modules.schema.param import ParamEntry
from modules.schema.setting import Setting
from modules.schema.settings.table import SETTINGS
from modules.schema.table import IMG2IMG, TXT2IMG, ParameterTable


def request_model(table: ParameterTable, name: str, *, only: Collection[str] | None = None) -> type[BaseModel]:
    """A model with the table's API names, types, defaults and descriptions. Unknown fields are passed over, as A1111 does.

    only: the names that the API knows, where the table has more for the page.
    """
    fields: dict[str, Any] = {entry.api_name: (_type(entry), _field(entry)) for entry in table if only is None or entry.api_name in only}
    return create_model(name, __base__=LenientBody, **fields)


def _type(entry: ParamEntry) -> Any:
    kind = typing.get_origin(entry.type) or entry.type
    if kind is tuple:
        plain: Any = list[str] if typing.get_args(entry.type)[0] is str or entry.api_name in ("init_images", "further_images") else list
    elif isinstance(kind, type) and issubclass(kind, Mapping):
        plain = dict[str, Any]
    elif kind in (str, int, float, bool):
        plain = kind
    else:
        plain = str                     # a picture, in base64
    return plain | None                 # A1111's clients send null for "as usual"


def _field(entry: ParamEntry) -> Any:
    default = entry.default
    if isinstance(default, tuple):
        default = list(default)
    description = entry.info.description or entry.label
    return Field(default=default if not isinstance(default, Mapping) else dict(default), description=description)


def _setting_field(setting: Setting) -> tuple[Any, Any]:
    """A setting whose default is None may hold any value. Numbers are described as A1111 does, without saying which are whole."""
    default = setting.fresh_default()
    kind = float if type(default) is int else type(default)
    return (Any if default is None else kind), Field(default=default, description=setting.label)


def _flag_field(each: dataclasses.Field[Any], hint: Any) -> tuple[Any, Any]:
    kind = typing.get_origin(hint)
    if kind is tuple:
        hint = list
    elif isinstance(kind, type) and issubclass(kind, Mapping):
        hint = dict
    default = each.default_factory() if each.default is dataclasses.MISSING else each.default      # type: ignore[misc]
    return hint, Field(default=list(default) if isinstance(default, tuple) else default, description=each.metadata[METADATA_KEY].meaning)


def _described(name: str, fields: dict[str, Any]) -> type[BaseModel]:
    return create_model(name, **fields)


# What GET options and cmd-flags answer, for the documentation: made from the tables.
Options = _described("Options", {each.key: _setting_field(each) for each in SETTINGS})
FlagsItem = _described("Flags", {each.name: _flag_field(each, typing.get_type_hints(Flags)[each.name]) for each in dataclasses.fields(Flags)})

Txt2ImgBody = request_model(TXT2IMG, "StableDiffusionProcessingTxt2Img")
Img2ImgBody = request_model(IMG2IMG, "StableDiffusionProcessingImg2Img")


class TextToImageResponse(BaseModel):
    images: list[str] | None = Field(default=None, description="The pictures, base64 of image files; a grid comes first.")
    parameters: dict[str, Any] = Field(description="The request as it was understood.")
    info: str = Field(description="JSON: seeds, prompts, infotexts and more of every picture.")


class ImageToImageResponse(TextToImageResponse):
    """The same for img2img."""


class ProgressResponse(BaseModel):
    progress: float = Field(description="From 0 to 1.")
    eta_relative: float = Field(description="Seconds left.")
    state: dict[str, Any] = Field(description="The running job.")
    current_image: str | None = Field(default=None, description="The picture so far, base64 of an image file.")
    textinfo: str | None = Field(default=None, description="What the job does now, in words.")


class PNGInfoRequest(LenientBody):
    image: str = Field(description="Base64 of an image file.")


class PNGInfoResponse(BaseModel):
    info: str = Field(description="The parameters text.")
    items: dict[str, Any] = Field(description="Other texts in the file.")
    parameters: dict[str, Any] = Field(description="The parameters by name, A1111's defaults filled in.")


class SamplerItem(BaseModel):
    name: str
    aliases: list[str]
    options: dict[str, str]


class SchedulerItem(BaseModel):
    name: str
    label: str
    aliases: list[str] | None = None
    default_rho: float | None = None
    need_inner_model: bool | None = None


class UpscalerItem(BaseModel):
    name: str
    model_name: str | None = None
    model_path: str | None = None
    model_url: str | None = None
    scale: float | None = None


class RealesrganItem(BaseModel):
    name: str
    path: str | None = None
    scale: int | None = None


class LatentUpscalerModeItem(BaseModel):
    name: str


class SDModelItem(BaseModel):
    title: str
    model_name: str
    hash: str | None = None
    sha256: str | None = None
    filename: str
    config: str | None = None


class SDVaeItem(BaseModel):
    model_name: str
    filename: str


class PromptStyleItem(BaseModel):
    name: str
    prompt: str | None = None
    negative_prompt: str | None = None


class EmbeddingItem(BaseModel):
    step: int | None = None
    sd_checkpoint: str | None = None
    sd_checkpoint_name: str | None = None
    shape: int
    vectors: int


class EmbeddingsResponse(BaseModel):
    loaded: dict[str, EmbeddingItem]
    skipped: dict[str, EmbeddingItem]


class MemoryResponse(BaseModel):
    ram: dict[str, Any] = Field(description="System memory in bytes.")
    cuda: dict[str, Any] = Field(description="GPU memory in bytes, or why there is none.")


class ScriptsList(BaseModel):
    txt2img: list[str] | None = None
    img2img: list[str] | None = None


class ScriptArg(BaseModel):
    label: str | None = None
    value: Any = None
    minimum: Any = None
    maximum: Any = None
    step: Any = None
    choices: list[str] | None = None


class ScriptInfo(BaseModel):
    name: str | None = None
    is_alwayson: bool | None = None
    is_img2img: bool | None = None
    args: list[ScriptArg]


class ExtensionItem(BaseModel):
    name: str
    remote: str
    branch: str
    commit_hash: str
    version: str
    commit_date: str
    enabled: bool


class InterrogateRequest(LenientBody):
    image: str = Field(default="", description="Base64 of an image file.")
    model: str = Field(default="clip", description="clip or deepdanbooru.")


class InterrogateResponse(BaseModel):
    caption: str = Field(description="What was found, as a part of a prompt.")


class CreateResponse(BaseModel):
    info: str = Field(description="What was made.")


class TrainResponse(BaseModel):
    info: str = Field(description="How the training ended.")


class HypernetworkItem(BaseModel):
    name: str
    path: str | None = None


class FaceRestorerItem(BaseModel):
    name: str
    cmd_dir: str | None = None


class JobItem(BaseModel):
    id: str
    kind: str = Field(description="txt2img, img2img ...")
    source: str = Field(description="page or api.")
    state: str = Field(description="queued, running, done, failed, interrupted or set_aside.")
    position: int | None = Field(description="0 for the running job, 1 for the next one; null when it is over.")
    progress: float = Field(description="From 0 to 1.")
    eta: float | None = Field(description="Seconds left, null while unknown.")
    textinfo: str = Field(description="What it does now, in words.")
    created: float = Field(description="Seconds since 1970.")
    started: float | None
    finished: float | None
    attempts: int
    error: str | None
    prompt: str


class JobsResponse(BaseModel):
    running: JobItem | None
    pending: list[JobItem]
    finished: list[JobItem]
    paused: bool
