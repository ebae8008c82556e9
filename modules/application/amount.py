"""Whether a request can be made at all: its number of pictures, and the memory that they take in any case."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from modules.application.compute_settings import job_policy
from modules.application.estimates import Estimate, kind_of
from modules.engine.cost import work_of
from modules.engine.hires import hires_size
from modules.engine.img2img import effective_batch
from modules.engine.resolved import ResolvedRequest
from modules.schema.errors import InvalidValue

if TYPE_CHECKING:
    from modules.application.app import App
    from modules.application.engine_inputs import SettingsView
    from modules.library.model_file import ModelFile

_BYTES_PER_PIXEL = 3
_LONG = 3600.0                      # seconds
_MOST_PICTURE_BYTES = 8 * 2**30     # of one job; they stay in memory until the answer is sent


def check_amount(app: App, request: ResolvedRequest, model: ModelFile, settings: SettingsView, *, by_script: bool) -> None:
    """Refuse more input pictures than a batch has, more pictures than the memory holds until they are sent, and sizes that no measure makes fit. Raises InvalidValue.

    by_script: a chosen script takes of the input pictures what it wants: SD upscale the first.
    """
    if request.is_img2img and not by_script:
        effective_batch(request, model.family)
    width, height = hires_size(request).enlarged if request.hires.enabled else (request.width, request.height)
    count = request.batch_size * request.batch_count
    needed = count * width * height * _BYTES_PER_PIXEL
    if needed > _MOST_PICTURE_BYTES:
        raise InvalidValue(
            f"{count} pictures of {width}x{height} take {needed / 2**30:.0f} GB of memory until they are sent;"
            f" at most {_MOST_PICTURE_BYTES / 2**30:.0f} GB are accepted.",
            "Ask for fewer at a time (n_iter, batch_size), or smaller ones.", field="n_iter")
    one = work_of(replace(request, batch_size=1, batch_count=1, guidance_scale=1.0), from_picture=request.is_img2img)
    least = app.estimates.least_bytes(kind_of(model, job_policy(app, settings)), one)
    if 0 < app.hardware.memory_bytes < least:
        raise InvalidValue(
            f"A picture of {width}x{height} takes {least / 2**30:.0f} GB of memory at least while it is drawn, and {app.hardware.name} has"
            f" {app.hardware.memory_bytes / 2**30:.0f} GB.",
            "Ask for a smaller one, and enlarge it on the Extras tab, which works in tiles.", field="hr_scale" if request.hires.enabled else "width")


def warning_of(app: App, request: ResolvedRequest, model: ModelFile, settings: SettingsView) -> str:
    """What whoever waits should know of a job that is allowed: it takes hours, or more memory than there is; "" for all others."""
    found = estimate_of(app, request, model, settings, from_picture=request.is_img2img)
    if found is None:
        return ""
    told = []
    if found.seconds > _LONG:
        told.append(f"about {found.seconds / 3600:.1f} hours")
    if 0 < app.hardware.memory_bytes < found.bytes:
        told.append(f"about {found.bytes / 2**30:.0f} GB of memory, of which {app.hardware.name} has {app.hardware.memory_bytes / 2**30:.0f}")
    if not told:
        return ""
    return f"A job of {request.width}x{request.height} was asked for that will take {' and '.join(told)}, by what earlier ones took. Interrupt ends it."


def estimate_of(app: App, request: ResolvedRequest, model: ModelFile, settings: SettingsView, *, from_picture: bool) -> Estimate | None:
    """What the request will take on this machine; None before the first job of its kind."""
    return app.estimates.estimate(kind_of(model, job_policy(app, settings)), work_of(request, from_picture=from_picture))
