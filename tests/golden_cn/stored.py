"""The original extension's stored cases, and a server with our ControlNet to put to them."""

from __future__ import annotations

import base64
import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.extended_app import extended_app
from tests.golden.cases import data_dir

HERE = Path(__file__).parent
MODELS = ("control-tiny-canny", "control-tiny-shuffle", "control-tiny-inpaint", "t2iadapter-tiny-sketch")


@dataclass(frozen=True)
class Case:
    name: str
    endpoint: str
    status: int
    infotext: str
    request: dict[str, Any]
    images: tuple[str, ...]

    def pictures(self) -> list[Image.Image]:
        """The answer's, then the detected maps."""
        return [picture(key) for key in self.images]


@functools.cache
def cases() -> tuple[Case, ...]:
    return tuple(Case(**{**row, "images": tuple(row["images"])}) for row in rows("cases"))


def rows(name: str) -> list[dict[str, Any]]:
    return json.loads((HERE / f"{name}.json").read_text("utf-8"))


def answer(name: str) -> Any:
    """The body that a GET route gave."""
    return json.loads((HERE / f"api/{name}.json").read_text("utf-8"))


def picture(key: str) -> Image.Image:
    return Image.open(HERE / f"images/{key}.png")


def filled(value: Any) -> Any:
    """A stored request with its pictures back in."""
    if isinstance(value, dict):
        return {key: filled(each) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each) for each in value]
    if isinstance(value, str) and "@" in value and (HERE / f"images/{value.rpartition('@')[2]}.png").is_file():
        start, _, key = value.rpartition("@")
        return (start + "," if start else "") + base64.b64encode((HERE / f"images/{key}.png").read_bytes()).decode()
    return value


def control_folder() -> Path:
    """The tiny control networks, made once per clone beside the tiny checkpoint."""
    folder = data_dir() / "models/ControlNet"
    if not (folder / f"{MODELS[-1]}.safetensors").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, HERE / "make_controlnet.py", folder], check=True, env=dict(os.environ, OMP_NUM_THREADS="1"), stdout=subprocess.DEVNULL)
        shutil.rmtree(folder / "cn-inputs", ignore_errors=True)
        shutil.copyfile(folder / "control-tiny-canny.safetensors", folder / "control-tiny-xl-canny.safetensors")
    return folder


@contextmanager
def server(folder: Path, *more: str) -> Iterator[Any]:
    """An App with ControlNet in it, started with the flags ``more``. It speaks for A1111's names meanwhile."""
    control_folder()
    stored = data_dir()
    with extended_app("--data-dir", str(folder), "--models-dir", str(stored / "models"), "--embeddings-dir", str(stored / "embeddings"), *more) as app:
        yield app


def worst(ours: Image.Image, theirs: Image.Image) -> float:
    """The greatest difference of a pixel; 999 for other sizes."""
    if ours.size != theirs.size:
        return 999.0
    mode = "RGBA" if "A" in theirs.mode else "RGB"
    a, b = (np.asarray(each.convert(mode), dtype=np.int16) for each in (ours, theirs))
    return float(np.abs(a - b).max())
