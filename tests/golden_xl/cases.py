"""What A1111 1.10.1 produced with SDXL and SD 2.x (v-prediction) checkpoints: 271 cases, in the form of ``tests/golden``.

``data_dir()`` gives the ``--data-dir`` whose checkpoints, LoRAs and embeddings those pictures were made with.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests import golden
from tests.golden.cases import STYLES_CSV, Case, cases_in, made_once

HERE = Path(__file__).parent
GOLDEN = Path(golden.__file__).parent
SHA256 = {
    "sdxl-tiny": "43ff08823213c0854d2ebab747c4026df7bc01ee0578bb8842985ab6c7660cc2",
    "sd2v-tiny": "9fe506f6562e65ae05db9a823c81c27d0bf17c8ead9b8436b77580ffb3c54c69",
}


@functools.cache
def cases() -> tuple[Case, ...]:
    """In the order of their checkpoints, so that each is loaded once."""
    return tuple(sorted(cases_in(HERE / "cases"), key=lambda case: case.checkpoint))


@functools.cache
def data_dir() -> Path:
    """Made once per clone (some seconds), the checkpoints bit for bit those that A1111 ran. Tests read it and write elsewhere."""
    return made_once(HERE / "made", _make)


def _make(folder: Path) -> None:
    checkpoints, loras, embeddings = (folder / name for name in ("models/Stable-diffusion", "models/Lora", "embeddings"))
    for path in (checkpoints / "clip-tiny", loras, embeddings):
        path.mkdir(parents=True)
    environ = dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=str(GOLDEN / "models"))
    for script, *what in ((HERE / "models/make_checkpoints_xl.py", "sdxl", "sd2v", "extras"), (GOLDEN / "models/make_checkpoints.py", "tiny")):
        subprocess.run([sys.executable, script, *what, checkpoints], check=True, env=environ, stdout=subprocess.DEVNULL)
    for name, expected in SHA256.items():
        digest = hashlib.sha256((checkpoints / f"{name}.safetensors").read_bytes()).hexdigest()
        if digest != expected:
            raise AssertionError(f"{name}.safetensors was made with SHA-256 {digest}, not {expected}: the installed torch or safetensors "
                                 "writes other bytes. Golden pictures cannot be compared.")
    for name in ("tiny-sdxl-lora.safetensors", "tiny-sdxl-lora-diffusers.safetensors"):
        os.rename(checkpoints / name, loras / name)
    for name in ("tiny-sdxl-emb.safetensors", "tiny-sd2-emb.safetensors"):
        os.rename(checkpoints / name, embeddings / name)
    shutil.copyfile(GOLDEN / "models/tiny-emb.safetensors", embeddings / "tiny-emb.safetensors")
    shutil.copyfile(GOLDEN / "models/sd15-tiny.yaml", checkpoints / "sd15-tiny.yaml")
    shutil.copyfile(GOLDEN / "models/clip-tiny/config.json", checkpoints / "clip-tiny/config.json")
    (folder / "styles.csv").write_text(STYLES_CSV, "utf-8")
