"""A pose as text on the page: what OpenPose found, to be changed, kept and drawn anew."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np

from internal_controlnet.panel_inputs import folded
from internal_controlnet.poses import drawn
from internal_controlnet.settings import setting
from modules.schema.errors import InvalidValue

GROUP = "cnet-pose-group"
_WORDS = "The pose as OpenPose's JSON: change it and draw it anew; the preview is the unit's picture then."


@dataclass(frozen=True, kw_only=True)
class PoseFields:
    """text: a pose file, or a data URL with one, as pose editors write it. render: draws it."""

    group: gr.Column
    text: gr.Textbox
    render: gr.Button


def build_pose(base: str) -> PoseFields:
    """Inside the current block. base: of the elem_ids."""
    with gr.Column(elem_classes=folded(GROUP, False), min_width=0) as group:
        text = gr.Textbox("", label="Pose JSON", info=_WORDS, lines=2, max_lines=6, elem_id=f"{base}_pose_json", elem_classes=["gradio-textbox", "cnet-pose-json"])
        with gr.Row(elem_classes=["cnet-pose-buttons"]):
            render = gr.Button("Render", elem_id=f"{base}_render_pose", elem_classes=["cnet-render-pose"], size="sm", min_width=80)
            upload = gr.Button("Upload JSON", elem_id=f"{base}_upload_pose", elem_classes=["cnet-upload-pose"], size="sm", min_width=80)
            download = gr.Button("Download JSON", elem_id=f"{base}_download_pose", elem_classes=["cnet-download-pose"], size="sm", min_width=80)
            edit = gr.Button("Edit", elem_id=f"{base}_edit_pose", elem_classes=["cnet-edit-pose"], size="sm", min_width=80,
                             visible=not setting("controlnet_disable_openpose_edit"))
    for button, action in ((upload, "Upload"), (download, "Download"), (edit, "Edit")):
        button.click(None, [], [], js=f"() => controlnetPose{action}({base!r})")
    return PoseFields(group=group, text=text, render=render)


def rendered(text: str) -> np.ndarray:
    """The pose of ``text`` as a picture. Raises InvalidValue: what is wrong with the text."""
    pose = _parsed(text)
    try:
        return drawn(pose)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidValue("This JSON is no pose: it needs people with pose_keypoints_2d, canvas_width and canvas_height.", "Paste or upload a pose file.", field="pose") from error


def _parsed(text: str) -> dict[str, Any]:
    text = text.strip()
    try:
        if text.startswith("data:"):
            text = base64.b64decode(text.partition(",")[2]).decode()
        pose = json.loads(text)
    except (ValueError, binascii.Error) as error:
        raise InvalidValue("This is no JSON.", "Paste or upload a pose file.", field="pose") from error
    if isinstance(pose, list) and len(pose) == 1:   # as /controlnet/render_openpose_json takes them
        pose = pose[0]
    if not isinstance(pose, dict):
        raise InvalidValue("This JSON is no pose.", "Paste or upload a pose file.", field="pose")
    return pose
