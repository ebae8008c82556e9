"""A real server in this process, over models of its own that tests may add to: two checkpoints, two VAEs, a LoRA, an embedding."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import RunningServer, serve

SMALL = {"prompt": "a cat", "steps": 2, "width": 64, "height": 64, "seed": 7, "sampler_name": "Euler", "save_images": False}


@dataclass(frozen=True, kw_only=True)
class Real:
    """server: in this process. models: its folder of models."""

    server: RunningServer
    models: Path

    def draw(self, path: str = "txt2img", **values: Any) -> list[np.ndarray]:
        """The pictures of one request."""
        answer = self.server.client.post(f"/sdapi/v1/{path}", json={**SMALL, **values})
        assert answer.status_code == 200, answer.text[:500]
        return pixels(answer.json())

    def refused(self, path: str = "txt2img", **values: Any) -> tuple[int, str]:
        """The status of a request that is not carried out, and what is said."""
        answer = self.server.client.post(f"/sdapi/v1/{path}", json={**SMALL, **values})
        assert answer.status_code >= 400
        return answer.status_code, str(answer.json().get("errors") or answer.json().get("detail"))


def pixels(body: dict[str, Any]) -> list[np.ndarray]:
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(each)))) for each in body["images"]]


def fill_models(folder: Path) -> Path:
    """The golden models, and another of each kind."""
    from safetensors.torch import save_file

    from tests.golden.cases import MODELS, checkpoint_path, data_dir
    from tests.loading.files import golden_tensors, vae_tensors

    shutil.copytree(data_dir() / "models", folder)
    checkpoints = folder / "Stable-diffusion"
    changed = {name: (tensor * 1.2 if "middle_block" in name else tensor).contiguous() for name, tensor in golden_tensors().items()}
    save_file(changed, checkpoints / "other.safetensors")
    shutil.copyfile(checkpoint_path().with_suffix(".yaml"), checkpoints / "other.yaml")
    (folder / "VAE").mkdir(exist_ok=True)
    for name, scale in (("bright", 1.3), ("dark", 0.6)):
        save_file({key: tensor.contiguous() for key, tensor in vae_tensors(scale).items()}, folder / "VAE" / f"{name}.vae.safetensors")
    (folder / "embeddings").mkdir(exist_ok=True)
    shutil.copyfile(MODELS / "tiny-emb.safetensors", folder / "embeddings" / "tiny-emb.safetensors")
    return folder


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """As launch.py starts it, with the built-in scripts, without the page."""
    from tests.extended_app import extended_app

    folder = tmp_path_factory.mktemp("real")
    models = fill_models(folder / "models")
    flags = ["--data-dir", str(folder), "--models-dir", str(models), "--embeddings-dir", str(models / "embeddings"), "--no-half", "--api",
             "--ckpt", str(models / "Stable-diffusion" / "sd15-tiny.safetensors"), "--disable-extra-extensions"]
    with extended_app(*flags) as app:
        app.jobs.start()
        for server in serve(app):
            yield Real(server=server, models=models)
