"""Stand-ins for InsightFace's two ONNX files, with answers that are known."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.golden_cn.onnx_files import write_onnx

PLACES = np.array([(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)])     # of a face of 112 pixels


def write_finder(path: Path, side: int, *faces: tuple[float, float, float]) -> None:
    """Sees ``faces`` in each picture of ``side`` pixels: left, top and side of each, upright."""
    scale = 640 / side
    outputs = {(stride, kind): np.zeros((2 * (640 // stride) ** 2, kind), np.float32) for kind in (1, 4, 10) for stride in (8, 16, 32)}
    for left, top, size in faces:
        x, y = int((left + size / 2) * scale // 16), int((top + size / 2) * scale // 16)
        row, at = 2 * (y * 40 + x) + 1, np.array([x, y]) * 16
        outputs[16, 1][row] = 0.9
        outputs[16, 4][row] = [*(at - np.array([left, top]) * scale) / 16, *(np.array([left + size, top + size]) * scale - at) / 16]
        outputs[16, 10][row] = (((np.array([left, top]) + PLACES * size / 112) * scale - at) / 16).reshape(-1)
        outputs[16, 1][row - 1], outputs[16, 4][row - 1] = 0.6, outputs[16, 4][row]        # the other guess at that place means the same face
    nodes: list[Any] = [("GlobalAveragePool", ["seen"], "mean", {}), ("Conv", ["mean", "nothing"], "one", {"kernel_shape": [1, 1]}), ("Reshape", ["one", "flat"], "flatted", {})]
    tables = {"nothing": np.zeros((1, 3, 1, 1), np.float32), "flat": np.array([1, 1])}
    for (stride, kind), values in outputs.items():
        nodes.append(("Add", ["flatted", f"found_{kind}_{stride}"], f"told_{kind}_{stride}", {}))
        tables[f"found_{kind}_{stride}"] = values
    write_onnx(path, nodes, tables, seen=(1, 3, 640, 640), given={f"told_{kind}_{stride}": values.shape for (stride, kind), values in outputs.items()})


def write_teller(path: Path, numbers: int) -> np.ndarray:
    """Tells faces apart by their mean colour, -1 .. 1: the matrix that makes so many numbers of it."""
    matrix = np.random.default_rng(3).normal(size=(numbers, 3, 1, 1)).astype(np.float32)
    write_onnx(path, [("GlobalAveragePool", ["seen"], "mean", {}), ("Conv", ["mean", "matrix"], "all", {"kernel_shape": [1, 1]}), ("Reshape", ["all", "flat"], "told", {})],
               {"matrix": matrix, "flat": np.array([1, numbers])}, seen=(1, 3, 112, 112), given={"told": (1, numbers)})
    return matrix[:, :, 0, 0]
