"""``p`` for a request of ours."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from modules.a1111.app_slot import current
from modules.a1111.patch_points import looked_up
from modules.a1111.processing import (
    OWN_MEANING,
    StableDiffusionProcessing,
    StableDiffusionProcessingImg2Img,
    StableDiffusionProcessingTxt2Img,
)
from modules.a1111.prompts_of_p import settings_of
from modules.engine.sampler_registry import split_sampler_and_schedule
from modules.imaging.base64_codec import decode_image
from modules.schema.param import get
from modules.schema.request import Img2ImgRequest, Request


def _opened(picture: Any, field_name: str) -> Any:
    return decode_image(picture, field_name) if isinstance(picture, str) else picture


def _made(kind: type[StableDiffusionProcessing]) -> StableDiffusionProcessing:
    """One of ``kind``, or of the class that an extension put in its place, whose ``init`` and ``sample`` act then. A broken one of theirs is passed over."""
    theirs = looked_up("modules.processing", kind.__name__, kind)
    if theirs is kind:
        return kind()
    host, file = current().extensions, str(getattr(sys.modules.get(theirs.__module__), "__file__", ""))
    with host.guarded(host.owner_of(file), f"{Path(file).name}, {theirs.__name__}"):
        made = theirs()
        if isinstance(made, kind):
            return made
    return kind()


def from_request(request: Request) -> StableDiffusionProcessing:
    """``p`` for a request; scripts and their arguments are put in afterwards."""
    p = _made(StableDiffusionProcessingImg2Img if isinstance(request, Img2ImgRequest) else StableDiffusionProcessingTxt2Img)
    for entry in p.table:
        value = get(request, entry.path)
        if hasattr(p, entry.api_name) and entry.api_name not in OWN_MEANING and not (value is None and entry.api_name == "initial_noise_multiplier"):
            setattr(p, entry.api_name, value)
    if isinstance(p, StableDiffusionProcessingImg2Img):
        if (blur := get(request, ("inpaint", "mask_blur"))) is not None or p.mask_blur_x == p.mask_blur_y:
            p.mask_blur = p.mask_blur_x if blur is None else blur
        p.image_mask = _opened(get(request, ("inpaint", "mask")), "mask")
        p.latent_mask = _opened(p.latent_mask, "latent_mask")
        p.depth_map = _opened(p.depth_map, "depth_map")
        p.further_images = [_opened(each, "further_images") for each in p.further_images or ()]
        p.init_images = [_opened(each, "init_images") for each in p.init_images or ()]
    p.sampler_name, p.scheduler = split_sampler_and_schedule(request.sampling.sampler or "Euler", request.sampling.scheduler or "Automatic")
    p.styles, p.override_settings = list(request.prompt.styles), dict(request.overrides.override_settings)
    if isinstance(p, StableDiffusionProcessingImg2Img) and get(request, p.table.by_api_name("initial_noise_multiplier").path) is None:
        p.initial_noise_multiplier = float(settings_of(p).get("initial_noise_multiplier"))      # a replaced p.sample multiplies by it
    unsaved = not request.output.save_images
    p.do_not_save_samples = p.do_not_save_samples or unsaved
    p.do_not_save_grid = p.do_not_save_grid or unsaved
    return p
