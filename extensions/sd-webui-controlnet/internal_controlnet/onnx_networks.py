"""Networks in ONNX files. OpenCV runs them, on the CPU: as it is installed it computes nowhere else. Where onnxruntime is installed, it does."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from modules.schema.errors import CannotLoad


@dataclass(frozen=True, eq=False)
class Onnx:
    """A file, and what runs the network in it: (1, 3, H, W), float32 -> its outputs, in no order that can be relied on."""

    path: Path
    forward: Callable[[np.ndarray], Sequence[np.ndarray]]

    def run(self, seen: np.ndarray) -> Sequence[np.ndarray]:
        """seen: (H, W, 3), as the network wants its values. Raises CannotLoad for a network that takes no such picture."""
        try:
            return self.forward(np.ascontiguousarray(seen.transpose(2, 0, 1)[None], dtype=np.float32))
        except Exception as error:                  # OpenCV and onnxruntime have their own
            raise _refused(self.path, error) from error


def read_onnx(path: Path, _part: str = "") -> Onnx:
    """Raises CannotLoad."""
    try:
        return Onnx(path, _by_runtime(path) or _by_opencv(path))
    except Exception as error:
        raise _refused(path, error) from error


def _by_opencv(path: Path) -> Callable[[np.ndarray], Sequence[np.ndarray]]:
    network = cv2.dnn.readNetFromONNX(str(path))

    def forward(seen: np.ndarray) -> Sequence[np.ndarray]:
        network.setInput(seen)
        return network.forward(network.getUnconnectedOutLayersNames())

    return forward


def _by_runtime(path: Path) -> Callable[[np.ndarray], Sequence[np.ndarray]] | None:
    try:
        runtime: Any = importlib.import_module("onnxruntime")
    except Exception:                               # not there, or installed for another machine
        return None
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda seen: session.run(None, {name: seen})


def _refused(path: Path, error: Exception) -> CannotLoad:
    return CannotLoad(path, f"it is no ONNX network that can be run here ({str(getattr(error, 'err', error))[:160]})", "Download the file again.")
