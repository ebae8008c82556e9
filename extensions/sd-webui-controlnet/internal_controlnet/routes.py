"""The seven /controlnet/* routes."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from fastapi import Body, FastAPI
from fastapi.exceptions import HTTPException
from modules.api.api import encode_pil_to_base64
from PIL import Image
from pydantic import BaseModel

from internal_controlnet import external_code, models, preprocessors, vision
from internal_controlnet.args import ControlNetUnit
from internal_controlnet.hints import mask_shown
from internal_controlnet.pictures import as_array
from internal_controlnet.poses import drawn
from internal_controlnet.preprocessor_rows import FACE_ID, INSTANT_ID, LOOKS
from internal_controlnet.preprocessors import Preprocessor, find_preprocessor, pose_drawn
from internal_controlnet.vision import faces_in, packed, seen_of
from modules.a1111.app_slot import current
from modules.schema.errors import WebuiError

_NOT_ALONE = ("ip-adapter_face_id_plus", "clip_vision", "revision_clipvision", "revision_ignore_prompt", "ip-adapter-auto")   # what they give is no picture


class Person(BaseModel):
    pose_keypoints_2d: list[float]
    hand_right_keypoints_2d: list[float] | None = None
    hand_left_keypoints_2d: list[float] | None = None
    face_keypoints_2d: list[float] | None = None


class Pose(BaseModel):
    people: list[Person]
    canvas_width: int
    canvas_height: int


def mount(_page: Any, server: FastAPI) -> None:
    """Add the routes; the gate in front of the API stands in front of them too. And say what the page can fetch."""
    known = current().downloads.published
    known += [each for each in (preprocessors.published, vision.published) if each not in known]
    for path, handler in (
        ("version", version), ("model_list", model_list), ("module_list", module_list), ("control_types", control_types), ("settings", settings),
    ):  # fmt: skip
        server.add_api_route(f"/controlnet/{path}", handler, methods=["GET"])
    server.add_api_route("/controlnet/detect", detect, methods=["POST"])
    server.add_api_route("/controlnet/render_openpose_json", render_openpose_json, methods=["POST"])


def version() -> dict[str, int]:
    return {"version": external_code.get_api_version()}


def model_list(update: bool = True) -> dict[str, list[str]]:
    return {"model_list": external_code.get_models(update)}


def module_list(alias_names: bool = False) -> dict[str, Any]:
    return {"module_list": external_code.get_modules(alias_names), "module_detail": external_code.get_modules_detail(alias_names)}


def control_types() -> dict[str, Any]:
    return {"control_types": models.all_choices()}


def settings() -> dict[str, int]:
    return {"control_net_unit_count": external_code.get_max_models_num()}


def detect(
    controlnet_module: str | None = Body("none"), controlnet_input_images: list[str] = Body([]), controlnet_processor_res: int = Body(-1),  # noqa: B008
    controlnet_threshold_a: float = Body(-1), controlnet_threshold_b: float = Body(-1), controlnet_masks: list[str] = Body([]), low_vram: bool = Body(False),  # noqa: B008
) -> dict[str, Any]:
    """Pictures through a preprocessor."""
    module = controlnet_module or "none"
    preprocessor = find_preprocessor(module)
    if preprocessor is None:
        raise HTTPException(status_code=422, detail="Module not available")
    if module in _NOT_ALONE:
        raise HTTPException(status_code=422, detail="Module not supported")
    if not controlnet_input_images:
        raise HTTPException(status_code=422, detail="No image selected")
    if preprocessor.reads_mask and len(controlnet_masks) != len(controlnet_input_images):
        raise HTTPException(status_code=422, detail=f"Preprocessor {module} requires `controlnet_masks` param.")
    masks = [*controlnet_masks, *[None] * len(controlnet_input_images)]
    try:
        unit = ControlNetUnit(enabled=True, module=preprocessor.label, processor_res=controlnet_processor_res, threshold_a=controlnet_threshold_a,
                              threshold_b=controlnet_threshold_b)
        if preprocessor.key in LOOKS:
            pictures = [_masked(preprocessor, picture, mask) for picture, mask in zip(controlnet_input_images, masks)]
            alone = preprocessor.key in (FACE_ID, INSTANT_ID)
            told = faces_in(pictures, preprocessor.key, unit.processor_res) if alone else seen_of(preprocessor.key, pictures)
            return {"info": "Success", "images": [], "tensor": [packed(each) for each in told]}
        if preprocessor.pose is not None:
            poses = [preprocessor.pose(_masked(preprocessor, picture, None), unit.processor_res) for picture in controlnet_input_images]
            return {"info": "Success", "images": [_in_base64(pose_drawn(preprocessor.key, each)) for each in poses], "poses": poses}
        found = [shown for picture, mask in zip(controlnet_input_images, masks) for shown in _detected(preprocessor, unit, picture, mask)]
    except WebuiError as error:
        raise HTTPException(status_code=422, detail=str(error)) from error
    except cv2.error as error:
        raise HTTPException(status_code=422, detail=f"This picture cannot be worked on: {error.err}") from error
    return {"info": "Success", "images": [_in_base64(each) for each in found]}


def _detected(preprocessor: Preprocessor, unit: ControlNetUnit, picture: str, mask: str | None) -> list[np.ndarray]:
    """The hint; where it was painted over, without its mask and with."""
    found = preprocessor.run(_masked(preprocessor, picture, mask), unit.processor_res, unit.threshold_a, unit.threshold_b)
    return [*([found[:, :, :3]] if "+lama" in preprocessor.key else []), mask_shown(found)]


def _masked(preprocessor: Preprocessor, picture: str, mask: str | None) -> np.ndarray:
    """The picture, with its mask as a fourth channel where the preprocessor reads one."""
    found = as_array(picture, "controlnet_input_images")
    if (preprocessor.reads_mask or preprocessor.key in LOOKS) and mask is not None:
        over = as_array(mask, "controlnet_masks")[:, :, :1]
        if over.shape[:2] != found.shape[:2]:
            raise HTTPException(status_code=422, detail=f"The mask is {over.shape[1]}x{over.shape[0]}, the picture {found.shape[1]}x{found.shape[0]}.")
        found = np.concatenate([found, over], axis=2)
    return found


def render_openpose_json(pose_data: list[Pose] = Body([])) -> dict[str, Any]:  # noqa: B008
    """Keypoints as pictures."""
    if not pose_data:
        return {"info": "No pose data detected."}
    try:
        return {"images": [_in_base64(drawn(pose.model_dump())) for pose in pose_data], "info": "Success"}
    except WebuiError as error:
        raise HTTPException(status_code=422, detail=str(error)) from error


def _in_base64(picture: np.ndarray) -> str:
    return encode_pil_to_base64(Image.fromarray(np.ascontiguousarray(picture))).decode()
