"""What the original extension's own networks drew, from weights that anyone can make anew: `networks/*.json` has their tensors' names and shapes, and the hints.

Recorded once by running the original's code (Mikubill's extension, and the packages that it calls) with `weights_like` in place of a file, on `picture`.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

HERE = Path(__file__).parent / "networks"
SIZE = (64, 128)                                    # (height, width)


def recorded(name: str) -> dict[str, Any]:
    return json.loads((HERE / f"{name}.json").read_text("utf-8"))


def weights_like(shapes: Mapping[str, Sequence[int]], seed: int, louder: Mapping[str, float] | None = None) -> dict[str, Tensor]:
    """Tensors of these names and shapes, each time the same. louder: a part of the name -> how many times as large."""
    drawn, table = np.random.RandomState(seed), {}
    for name, shape in shapes.items():
        values = np.asarray(drawn.standard_normal(shape), np.float32)
        if name.endswith("running_var"):
            values = 1 + 0.2 * np.abs(values)
        elif name.endswith("num_batches_tracked"):
            values = np.zeros(shape, np.int64)
        elif name.endswith("running_mean") or len(shape) < 2:
            values = 0.1 * values + (1 if name.endswith("weight") else 0)
        else:
            values = values * np.float32(1 / np.sqrt(np.prod(shape[1:])))
        for part, times in (louder or {}).items():
            values = values * np.float32(times) if part in name else values
        table[name] = torch.from_numpy(np.asarray(values))
    return table


def picture(height: int = SIZE[0], width: int = SIZE[1]) -> np.ndarray:
    y, x = np.mgrid[:height, :width].astype(np.float64)
    found = np.stack([x / width * 255, y / height * 255, 127 + 120 * np.sin(x / 7) * np.cos(y / 9)], axis=2)
    found[height // 4 : height * 3 // 4, width // 4 : width // 2] = (230, 60, 50)
    found[(x - width * 0.72) ** 2 + (y - height * 0.5) ** 2 < (height * 0.3) ** 2] = (20, 200, 240)
    return found.clip(0, 255).astype(np.uint8)


def hint(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))
