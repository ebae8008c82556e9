"""The pictures of an img2img request, opened, and what is asked about them: the engine's ResolvedInit."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modules.engine.resolved import ResolvedInit, ResolvedInpaint, SoftInpaint
from modules.imaging.base64_codec import decode_image
from modules.schema.errors import InvalidValue
from modules.schema.request import Img2ImgRequest

SOFT_INPAINTING = "soft inpainting"     # the name under which A1111's API knows its built-in extension
USUAL_IMAGE_GUIDANCE = 1.0      # A1111's without a value: guidance by words alone
# in the order of the extension's arguments, after the switch
_SOFT_FIELDS = (
    "schedule_bias", "preservation_strength", "transition_contrast_boost", "mask_influence", "difference_threshold", "difference_contrast",
)


class NoInitImage(InvalidValue):
    """img2img without a picture to start from."""

    status = 404


def resolve_init(request: Img2ImgRequest) -> ResolvedInit:
    """Raises NoInitImage when there is no picture, InvalidValue for one that cannot be read."""
    init = request.init
    if not init.init_images:
        raise NoInitImage("Init image not found.", "Send at least one picture.", field="init_images")
    return ResolvedInit(
        pictures=tuple(opened(picture, "init_images") for picture in init.init_images),
        resize_mode=init.resize_mode,
        image_guidance_scale=USUAL_IMAGE_GUIDANCE if init.image_cfg_scale is None else init.image_cfg_scale,
        inpaint=_inpaint(request),
        further=tuple(opened(picture, "further_images") for picture in init.further_images or ()),
        depth_map=None if init.depth_map is None else opened(init.depth_map, "depth_map"),
    )


def _inpaint(request: Img2ImgRequest) -> ResolvedInpaint:
    inpaint = request.inpaint
    if inpaint.mask is None:
        return ResolvedInpaint()
    blur_x, blur_y = inpaint.blur
    return ResolvedInpaint(
        mask=opened(inpaint.mask, "mask"),
        latent_mask=None if inpaint.latent_mask is None else opened(inpaint.latent_mask, "latent_mask"),
        blur_x=blur_x,
        blur_y=blur_y,
        invert=bool(inpaint.invert),
        fill=inpaint.content,
        only_masked=inpaint.only_masked,
        padding=inpaint.padding,
        round_mask=inpaint.mask_round,
        soft=soft_inpainting(request.scripting.alwayson_scripts),
    )


def soft_inpainting(scripts: Mapping[str, Any]) -> SoftInpaint | None:
    """What the always-on script "soft inpainting" is given; None when it is off or not there. Raises InvalidValue."""
    given = next((value for name, value in scripts.items() if name.lower() == SOFT_INPAINTING), None)
    arguments = given.get("args", ()) if isinstance(given, Mapping) else ()
    if not isinstance(arguments, Sequence) or isinstance(arguments, str):
        raise InvalidValue("The arguments of soft inpainting are not a list.", field="alwayson_scripts")
    if not arguments or not arguments[0]:
        return None
    try:
        return SoftInpaint(**{name: float(value) for name, value in zip(_SOFT_FIELDS, arguments[1:])})
    except (TypeError, ValueError) as error:
        raise InvalidValue(
            f"Soft inpainting takes a switch and six numbers, not {str(list(arguments))[:100]}.", field="alwayson_scripts"
        ) from error


def opened(picture: Any, field: str) -> Any:
    """A picture as the engine takes it; one that came over the wire is base64 text."""
    return decode_image(picture, field) if isinstance(picture, str) else picture
