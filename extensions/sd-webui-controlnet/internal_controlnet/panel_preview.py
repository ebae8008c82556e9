"""The preprocessor's picture on the page, before anything is generated; it may be the unit's picture."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np

from internal_controlnet.args import ControlNetUnit
from internal_controlnet.hints import mask_shown, pixel_perfect_resolution
from internal_controlnet.panel_inputs import PREVIEW_GROUP, folded
from internal_controlnet.panel_pose import GROUP as POSE_GROUP
from internal_controlnet.panel_pose import PoseFields, rendered
from internal_controlnet.panel_values import picture_of
from internal_controlnet.pictures import own_pictures, seen
from internal_controlnet.preprocessors import Preprocessor, find_preprocessor, pose_drawn
from internal_controlnet.settings import setting
from modules.schema.errors import WebuiError


@dataclass(frozen=True, kw_only=True)
class Preview:
    """The components beside the unit's fields. words: where it is said why there is no preview."""

    kind: gr.Radio | gr.Dropdown
    group: gr.Column
    allow: gr.Checkbox
    run: gr.Button
    words: gr.HTML
    pose: PoseFields


def wire_preview(base: str, made: dict[str, Any], preview: Preview) -> None:
    """made: the unit's fields, the preview's picture and whether it is used among them."""
    image, used = made["generated_image"], made["use_preview_as_input"]
    given = [made["image"], made["module"], made["processor_res"], made["threshold_a"], made["threshold_b"], made["pixel_perfect"], made["resize_mode"], preview.words, preview.words]
    shown = [image, preview.group, preview.allow, preview.words, used]
    preview.run.click(_previewed, given, [*shown, preview.pose.text, preview.pose.group], js=f"(...values) => controlnetPreviewed({base!r}, values)", show_progress="minimal")
    preview.pose.render.click(_rendered, [preview.pose.text], shown, show_progress="minimal")
    for each in (preview.kind, made["module"], made["pixel_perfect"]):     # what was made otherwise is not what is asked for now
        each.input(None, [], [image, used], js="() => [null, false]")
    for name in ("processor_res", "threshold_a", "threshold_b"):
        made[name].release(None, [], [image, used], js="() => [null, false]")
    preview.allow.input(_allowed, [preview.allow], [preview.group, image, used], show_progress="hidden", queue=False)


def _allowed(on: bool) -> list[Any]:
    """A preview that is put away is the unit's picture no more."""
    return [gr.update(elem_classes=folded(PREVIEW_GROUP, on)), gr.skip() if on else None, gr.skip() if on else False]


def _previewed(content: str, label: str, resolution: float, first: float, second: float, pixel_perfect: bool, resize_mode: str, width: Any, height: Any) -> list[Any]:
    """The preprocessor's picture of what is on the canvas, and its keypoints where it finds some. width, height: of the tab."""
    try:
        unit = ControlNetUnit(enabled=True, module=label, image=picture_of(content), processor_res=resolution, threshold_a=first, threshold_b=second, resize_mode=resize_mode)
        preprocessor = find_preprocessor(label)
        pictures = own_pictures(unit)
        if preprocessor is None or not pictures:
            raise ValueError("Put a picture into the unit first; on img2img, tick \"Upload independent control image\" for it.")
        found = np.ascontiguousarray(pictures[0] if preprocessor.reads_mask else seen(pictures[0], ignore_mask=bool(setting("controlnet_ignore_noninpaint_mask"))))
        if pixel_perfect:
            unit.processor_res = pixel_perfect_resolution(found, int(height or 512), int(width or 512), unit.resize_mode)
        if preprocessor.pose is not None:
            pose = preprocessor.pose(found, unit.processor_res)
            return [*_seen(pose_drawn(preprocessor.key, pose)), json.dumps(pose), gr.update(elem_classes=folded(POSE_GROUP, True))]
        return [*_seen(_shown(preprocessor, unit, found)), gr.skip(), gr.skip()]
    except (WebuiError, ValueError) as error:
        return [*_unseen(error), gr.skip(), gr.skip()]


def _rendered(text: str) -> list[Any]:
    """A pose's text as the preview, which is the unit's picture from now on."""
    try:
        return [*_seen(rendered(text))[:-1], True]
    except WebuiError as error:
        return _unseen(error)


def _seen(picture: np.ndarray) -> list[Any]:
    return [picture, gr.update(elem_classes=folded(PREVIEW_GROUP, True)), True, "", gr.skip()]


def _unseen(error: Exception) -> list[Any]:
    words = str(error).replace("&", "&amp;").replace("<", "&lt;")
    return [None, gr.skip(), gr.skip(), f"<p class='webui-message error'>{words}</p>", False]


def _shown(preprocessor: Preprocessor, unit: ControlNetUnit, picture: np.ndarray) -> np.ndarray:
    return mask_shown(preprocessor.run(picture, unit.processor_res, unit.threshold_a, unit.threshold_b)).clip(0, 255).astype(np.uint8)
