"""Faces as MediaPipe's mesh draws them: ovals, eyes, brows, lips and pupils. The package mediapipe finds them; where it is not installed, what to do is said."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys

import numpy as np

from internal_controlnet.stand_ins import network_class
from modules.a1111.control_units import ControlRefused

# the last version with the solution that the original asks; it wants an older numpy than ours, and runs with ours
_INSTALLED_BY = 'pip install --no-deps mediapipe==0.10.21 absl-py flatbuffers "protobuf<5" attrs'


def faces_drawn(picture: np.ndarray, most: float, least_sure: float) -> np.ndarray:
    """(H, W, 3), uint8, RGB -> at most so many faces on black. Faces of fewer than 64 pixels are left out. Raises ControlRefused without mediapipe."""
    if importlib.util.find_spec("mediapipe") is None:
        raise _refused("is not installed")
    try:
        annotation = network_class("mediapipe_face.mediapipe_face_common", "generate_annotation")
    except Exception as error:                      # a newer version has none of what is asked for; a damaged one anything
        raise _refused(f"is installed, and cannot be used ({str(error)[:120]})") from error
    with contextlib.redirect_stdout(io.StringIO()):             # it tells when there is nobody
        return annotation(picture, max(int(most), 1), float(least_sure))


def _refused(state: str) -> ControlRefused:
    return ControlRefused(f"The preprocessor 'mediapipe_face' needs the package mediapipe, which {state}.",
                          f"Run `{sys.executable} -m {_INSTALLED_BY}` and start anew, or choose 'none' and give the finished hint picture.", field="module")
