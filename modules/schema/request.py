"""What was asked for, frozen, as it was typed: seed -1, styles not applied, sizes not rounded.

Inside, parameters stand in groups; on the wire they are flat, under A1111's names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from modules.schema.check import checked
from modules.schema.errors import InvalidValue
from modules.schema.param import get, group, param, put, put_all, walk
from modules.schema.params_hires import FirstPass, Hires, Refiner
from modules.schema.params_img2img import InitImages, Inpaint
from modules.schema.params_sampling import (
    Batch,
    Features,
    NoiseOptions,
    Output,
    Overrides,
    Prompt,
    Sampling,
    Scripting,
    Seed,
    Size,
    Task,
)
from modules.schema.widgets import Slider

HIRES_SIDE_LIMIT = 16_384  # pixels; a picture of that side alone takes 0.8 GB as floats


@dataclass(frozen=True, kw_only=True)
class _Common:
    """What both kinds of request can say. Group defaults are the API's."""

    prompt: Prompt = group(Prompt)
    sampling: Sampling = group(Sampling)
    size: Size = group(Size)
    batch: Batch = group(Batch)
    seed: Seed = group(Seed)
    noise: NoiseOptions = group(NoiseOptions)
    refiner: Refiner = group(Refiner)
    features: Features = group(Features)
    first_pass: FirstPass = group(FirstPass)
    output: Output = group(Output)
    overrides: Overrides = group(Overrides)
    scripting: Scripting = group(Scripting)
    task: Task = group(Task)

    @classmethod
    def from_flat(cls, values: Mapping[str, Any]) -> Self:
        """A request from values by API name, each checked; left-out and unknown names are passed over.

        Raises InvalidValue (``field``: the API name) for a wrong type, NaN, a number out of range, a text too long.
        """
        return cls().changed(values)

    def changed(self, values: Mapping[str, Any]) -> Self:
        """A copy with the given values, by API name, each checked as in ``from_flat``."""
        new = {entry.path: checked(entry, values[entry.api_name]) for entry in walk(type(self)) if entry.api_name in values}
        request = put_all(self, new)
        check_together(request)
        return request

    def to_flat(self) -> dict[str, Any]:
        """Every value by its API name; ``from_flat`` of it gives an equal request."""
        return {entry.api_name: _plain(get(self, entry.path)) for entry in walk(type(self))}

    @classmethod
    def page_defaults(cls) -> Self:
        """The request that the untouched page makes."""
        request = cls()
        for entry in walk(cls):
            request = put(request, entry.path, entry.page_default)
        return request


@dataclass(frozen=True, kw_only=True)
class Txt2ImgRequest(_Common):
    """A picture from words."""

    hires: Hires = group(Hires)
    denoising_strength: float | None = param(
        None,
        label="Denoising strength",
        infotext="Denoising strength",
        axis="Denoising",
        widget=Slider(0.0, 1.0, 0.01),
        ui_default=0.7,
        description="How far the hires pass may move from the first pass: 0 not at all, 1 freely. None: 0.75.",
    )


@dataclass(frozen=True, kw_only=True)
class Img2ImgRequest(_Common):
    """A picture from a picture and words."""

    init: InitImages = group(InitImages)
    inpaint: Inpaint = group(Inpaint)
    denoising_strength: float = param(
        0.75,
        label="Denoising strength",
        infotext="Denoising strength",
        axis="Denoising",
        widget=Slider(0.0, 1.0, 0.01),
        description="How far the result may move from the picture: 0 not at all, 1 freely.",
    )


Request = Txt2ImgRequest | Img2ImgRequest


def unknown_fields(cls: type, values: Mapping[str, Any]) -> tuple[str, ...]:
    """The names in ``values`` that mean nothing to ``cls``; A1111 ignores them, and so does ``from_flat``."""
    known = {entry.api_name for entry in walk(cls)}
    return tuple(name for name in values if name not in known)


def check_together(request: Any) -> None:
    """Refuse values that are fine alone but not together. Raises InvalidValue."""
    hires = request.hires if isinstance(request, Txt2ImgRequest) else None
    if hires is None or not hires.enabled or hires.resize_width or hires.resize_height:
        return
    longest = max(request.size.width, request.size.height) * hires.scale
    if longest > HIRES_SIDE_LIMIT:
        raise InvalidValue(
            f"{request.size.width}x{request.size.height} upscaled by {hires.scale:g} is {longest:.0f} pixels long;"
            f" at most {HIRES_SIDE_LIMIT} are accepted.",
            "Lower Upscale by (hr_scale), Width or Height.",
            field="hr_scale",
        )


def _plain(value: Any) -> Any:
    """Lists and dicts of their own, as JSON has them."""
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    return value
