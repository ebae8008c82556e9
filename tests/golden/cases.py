"""What A1111 1.10.1 produced for exact requests: every golden test reads its cases from here.

``cases()`` gives the requests, pictures and intermediate tensors; ``data_dir()`` a data folder with the
checkpoint, LoRA and embeddings those pictures were made with.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from modules.schema.table import IMG2IMG, TXT2IMG

HERE = Path(__file__).parent
MODELS = HERE / "models"
A1111_ANSWERS = HERE / "a1111"      # openapi-*.json, ui-elem-ids.json, a1111-config-used.json, api/*.json
CHECKPOINT_SHA256 = "f5f9aef99429596b561b08e6b5d439bc0cbfa449942d1b86a86320efa54fb5da"
STYLES_CSV = (
    'name,prompt,negative_prompt\n'
    'watercolor,"{prompt}, watercolor, soft light","photo, {prompt}"\n'
    'append,highly detailed,text\n'
)

_CONDITIONING = re.compile(r"(hr-)?(un)?cond-b(\d+)(?:-part(\d+)-w(-?[\d.]+))?-until(\d+)(-crossattn)?")


@dataclass(frozen=True, kw_only=True)
class ConditioningEntry:
    """One stored text encoder output: AND part ``part`` of image ``image``, used up to and including step ``until``."""

    image: int
    part: int
    weight: float
    until: int
    tensor: np.ndarray      # (tokens, width) float32
    vector: np.ndarray | None = None    # SDXL: pooled text and sizes


class Arrays(Mapping[str, np.ndarray]):
    """The arrays of one case by stage name ("noise", "sigmas", "cond-b0-part0-w1-until8"), read when asked for."""

    def __init__(self, archive: Path, keys: Mapping[str, str]) -> None:
        self._archive, self._keys = archive, keys

    def __getitem__(self, stage: str) -> np.ndarray:
        return _archive(self._archive)[self._keys[stage]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


@functools.cache
def _archive(path: Path) -> Any:
    return np.load(path, allow_pickle=False)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request to A1111, and what came out of it at each stage."""

    name: str
    endpoint: str                       # "/sdapi/v1/txt2img", ".../img2img", ".../extra-single-image"
    checkpoint: str
    request: Mapping[str, Any]          # the body as the API reads it
    infotext: str                       # of the first image; "" for extras
    info: Mapping[str, Any] | None      # the answer's ``info``, decoded; None for extras
    arrays: Mapping[str, np.ndarray] = field(repr=False)
    image_paths: tuple[Path, ...] = field(repr=False)

    def __str__(self) -> str:
        return self.name

    def images(self) -> list[Image.Image]:
        """The pictures as the API returned them; ``.info["parameters"]`` is each one's infotext."""
        return [Image.open(path) for path in self.image_paths]

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings that differ from A1111's defaults in this request."""
        return self.request.get("override_settings", {})

    def conditioning(self, *, hires: bool = False) -> tuple[list[ConditioningEntry], list[ConditioningEntry]]:
        """(positive, negative) entries in order of image, part, step; both empty where none was stored. hires: those of the second pass."""
        found: tuple[list[ConditioningEntry], list[ConditioningEntry]] = ([], [])
        for stage in self.arrays:
            match = _CONDITIONING.fullmatch(stage)
            if match and bool(match[1]) == hires:
                _, negative, image, part, weight, until, is_xl = match.groups()
                vector = self.arrays[stage.replace("-crossattn", "-vector")] if is_xl else None
                entry = ConditioningEntry(image=int(image), part=int(part or 0), weight=float(weight or 1),
                                          until=int(until), tensor=self.arrays[stage], vector=vector)
                found[1 if negative else 0].append(entry)
        for entries in found:
            entries.sort(key=lambda entry: (entry.image, entry.part, entry.until))
        return found


@functools.cache
def cases(set_name: str = "sd15") -> tuple[Case, ...]:
    """All cases of one set, in the order in which A1111 made them."""
    return cases_in(HERE / set_name)


def cases_in(folder: Path) -> tuple[Case, ...]:
    """All cases that ``pack.py`` wrote into ``folder``."""
    rows = json.loads((folder / "cases.json").read_text("utf-8"))
    return tuple(_case(folder, row) for row in rows)


def case(name: str, set_name: str = "sd15") -> Case:
    """One case by name; KeyError when there is none."""
    return {one.name: one for one in cases(set_name)}[name]


def as_read(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body whose whole numbers are floats where the API's bodies hold floats: A1111's and ours write "CFG scale: 7.0" for a 7."""
    floats = {entry.api_name for table in (TXT2IMG, IMG2IMG) for entry in table if entry.type is float}
    return {name: float(value) if name in floats and type(value) is int else value for name, value in body.items()}


def _case(folder: Path, row: dict[str, Any]) -> Case:
    paths = tuple(folder / "images" / f"{row['name']}-{number}.png" for number in range(row["images"]))
    return Case(name=row["name"], endpoint=row["endpoint"], checkpoint=row["checkpoint"], request=as_read(row["request"]),
                infotext=row["infotext"], info=row["info"], image_paths=paths,
                arrays=Arrays(folder / "arrays.npz", row["arrays"]))


@functools.cache
def data_dir() -> Path:
    """A data folder as ``--data-dir`` takes it: models/Stable-diffusion, models/Lora, embeddings, styles.csv.

    Made once per clone (2 s), bit for bit the checkpoint that A1111 ran. Tests read it and write elsewhere.
    """
    return made_once(HERE / "made", _make_data_dir)


def a1111_said(name: str) -> Any:
    """What A1111 1.10.1 answered or listed. name: of the file in A1111_ANSWERS, "api/samplers"."""
    return json.loads((A1111_ANSWERS / f"{name}.json").read_text("utf-8"))


def flags_over(stored: Path) -> list[str]:
    """The flags with which a server has the models, embeddings and styles of the data folder ``stored``, and writes elsewhere."""
    return ["--models-dir", str(stored / "models"), "--embeddings-dir", str(stored / "embeddings"), "--styles-file", str(stored / "styles.csv")]


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """``folder``, made by ``make`` where it is not there yet: beside it first, and then there as a whole."""
    if not folder.exists():
        work = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
        make(work)
        try:
            os.rename(work, folder)
        except OSError:         # another test process was first
            shutil.rmtree(work)
    return folder


def checkpoint_path() -> Path:
    """The tiny SD 1.5 checkpoint of the golden pictures; its yaml and clip-tiny/config.json lie beside it."""
    return data_dir() / "models/Stable-diffusion/sd15-tiny.safetensors"


def _make_data_dir(folder: Path) -> None:
    checkpoints, loras, embeddings = (folder / name for name in ("models/Stable-diffusion", "models/Lora", "embeddings"))
    for path in (checkpoints / "clip-tiny", loras, embeddings):
        path.mkdir(parents=True)
    environ = dict(os.environ, OMP_NUM_THREADS="1")
    subprocess.run([sys.executable, MODELS / "make_checkpoints.py", "tiny", checkpoints], check=True, env=environ, stdout=subprocess.DEVNULL)
    checkpoint = checkpoints / "sd15-tiny.safetensors"
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    if digest != CHECKPOINT_SHA256:
        raise AssertionError(f"make_checkpoints.py made {checkpoint} with SHA-256 {digest}, not {CHECKPOINT_SHA256}: "
                             "the installed torch or safetensors writes other bytes. Golden pictures cannot be compared.")
    shutil.copyfile(MODELS / "sd15-tiny.yaml", checkpoints / "sd15-tiny.yaml")
    shutil.copyfile(MODELS / "clip-tiny/config.json", checkpoints / "clip-tiny/config.json")
    shutil.copyfile(MODELS / "tiny-lora.safetensors", loras / "tiny-lora.safetensors")
    for name in ("tiny-emb.safetensors", "tiny-emb-pt.pt"):
        shutil.copyfile(MODELS / name, embeddings / name)
    (folder / "styles.csv").write_text(STYLES_CSV, "utf-8")
