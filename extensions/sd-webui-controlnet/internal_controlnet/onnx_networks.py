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

_Runs = tuple[Callable[[np.ndarray], Sequence[np.ndarray]], Sequence[str]]


@dataclass(frozen=True, eq=False)
class Onnx:
    """A file, and what runs the network in it: (1, 3, H, W), float32 -> its outputs, in no order that can be relied on. names: theirs, in the same order."""

    path: Path
    forward: Callable[[np.ndarray], Sequence[np.ndarray]]
    names: Sequence[str]

    def run(self, seen: np.ndarray) -> Sequence[np.ndarray]:
        """seen: (H, W, 3), as the network wants its values. Raises CannotLoad for a network that takes no such picture."""
        try:
            return self.forward(np.ascontiguousarray(seen.transpose(2, 0, 1)[None], dtype=np.float32))
        except Exception as error:                  # OpenCV and onnxruntime have their own
            raise _refused(self.path, error) from error


def in_square(picture: np.ndarray, side: int, rim: int = 0) -> tuple[np.ndarray, float]:
    """(the whole picture in the upper left of a square, on an even grey; how many times as large it is there): what detectors look at."""
    scale = side / max(picture.shape[:2])
    height, width = (int(each * scale) for each in picture.shape[:2])
    seen = np.full((side, side, 3), rim, np.uint8)
    seen[:height, :width] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return seen, scale


def distinct(boxes: np.ndarray, scores: np.ndarray, *, least: float, overlap: float) -> np.ndarray:
    """Numbers of the boxes (left, top, width, height) that are sure enough, one of those that mean the same thing."""
    return np.asarray(cv2.dnn.NMSBoxes(boxes.tolist(), scores.astype(float).tolist(), least, overlap), dtype=int).reshape(-1)


def read_onnx(path: Path, _part: str = "") -> Onnx:
    """Raises CannotLoad."""
    try:
        return Onnx(path, *(_by_runtime(path) or _by_opencv(path)))
    except Exception as error:
        raise _refused(path, error) from error


def _by_opencv(path: Path) -> _Runs:
    network = cv2.dnn.readNetFromONNX(str(path))
    names = network.getUnconnectedOutLayersNames()

    def forward(seen: np.ndarray) -> Sequence[np.ndarray]:
        network.setInput(seen)
        return network.forward(names)

    return forward, [name.rpartition("!")[2] for name in names]     # OpenCV 4 puts the layer before it


def _by_runtime(path: Path) -> _Runs | None:
    try:
        runtime: Any = importlib.import_module("onnxruntime")
    except Exception:                               # not there, or installed for another machine
        return None
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda seen: session.run(None, {name: seen}), [each.name for each in session.get_outputs()]


def _refused(path: Path, error: Exception) -> CannotLoad:
    return CannotLoad(path, f"it is no ONNX network that can be run here ({str(getattr(error, 'err', error))[:160]})", "Download the file again.")
