"""The canvases of img2img -> the picture to start from and the mask, as A1111 takes them in each of its modes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modules.a1111.tab_functions import BATCH, INPAINT, INPAINT_SKETCH, INPAINT_UPLOAD, SKETCH
from modules.gradio_ui.canvas import CanvasContent, read_canvas
from modules.gradio_ui.soft_inpainting import soft_arguments
from modules.imaging.drawings import colour_sketch, painted_mask, painted_over
from modules.schema.errors import InvalidValue

if TYPE_CHECKING:
    from PIL.Image import Image

LABELS = {
    "img2img_image": "Image for img2img",
    "img2img_sketch": "Image for img2img",
    "img2maskimg": "Image for inpainting with mask",
    "inpaint_sketch": "Color sketch inpainting",
    "img_inpaint_base": "Image for img2img",
    "img_inpaint_mask": "Mask",
    "img2img_depth_map": "Depth map (bright is near), or edges",
    "img2img_picture_2": "Picture 2, if the prompt speaks of one",
    "img2img_picture_3": "Picture 3",
}
MODE, RESIZE_TAB, SCALE, MASK_ALPHA = "img2img_mode", "img2img_resize_tab", "img2img_scale", "img2img_mask_alpha"
DEPTH = "img2img_depth_map"
FURTHER = ("img2img_picture_2", "img2img_picture_3")
LARGEST_SCALE = 64


def img2img_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """More values of an Img2ImgRequest by API name, from all fields of the page by name. Raises InvalidValue."""
    mode = _number(values.get(MODE))
    depth = read_canvas(values.get(DEPTH), LABELS[DEPTH]).picture
    further = tuple(each for name in FURTHER if (each := read_canvas(values.get(name), LABELS[name]).picture) is not None)
    found: dict[str, Any] = {"further_images": further} if further else {}
    found |= {} if depth is None else {"depth_map": depth}
    if mode == BATCH:
        return found
    picture, mask = _start(mode, values)
    found |= {"init_images": (picture,), "mask": mask}
    if mask is not None and (soft := soft_arguments(values)):
        found["alwayson_scripts"] = soft
    scale = scale_of(values)
    if scale is not None:
        found["width"], found["height"] = (int(side * scale) for side in picture.size)
    return found


def scale_of(values: Mapping[str, Any]) -> float | None:
    """The factor of "Resize by", None while "Resize to" is chosen. Raises InvalidValue."""
    if _number(values.get(RESIZE_TAB)) != 1:
        return None
    try:
        scale = float(values.get(SCALE) or 0)
    except (TypeError, ValueError):
        scale = math.nan
    if not 0 < scale <= LARGEST_SCALE:
        raise InvalidValue(f"Scale cannot be {str(values.get(SCALE))[:40]}: it must be a number up to {LARGEST_SCALE}.", field="width")
    return scale


def _start(mode: int, values: Mapping[str, Any]) -> tuple[Image, Image | None]:
    match mode:
        case _ if mode == SKETCH:
            picture, drawing = _content("img2img_sketch", values)
            return painted_over(picture, drawing), None
        case _ if mode == INPAINT:
            picture, drawing = _content("img2maskimg", values)
            return picture, painted_mask(picture, drawing)
        case _ if mode == INPAINT_SKETCH:
            picture, drawing = _content("inpaint_sketch", values)
            return colour_sketch(
                picture, drawing, transparency=float(values.get(MASK_ALPHA) or 0), blur=float(values.get("mask_blur") or 0)
            )
        case _ if mode == INPAINT_UPLOAD:
            return _content("img_inpaint_base", values)[0], _content("img_inpaint_mask", values)[0]
        case _:
            return _content("img2img_image", values)[0], None


def _content(name: str, values: Mapping[str, Any]) -> tuple[Image, Image | None]:
    content: CanvasContent = read_canvas(values.get(name), LABELS[name])
    if content.picture is None:
        what = "a mask" if name == "img_inpaint_mask" else "a picture to start from"
        raise InvalidValue(
            f"There is no picture in {LABELS[name]!r}: img2img needs {what}.", "Drop, paste or choose one first.", field="init_images"
        )
    return content.picture, content.drawing


def _number(text: Any) -> int:
    return int(text) if str(text or "").isdigit() else 0
