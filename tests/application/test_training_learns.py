"""Training on the model that ships: a word that means nothing comes to mean what is in the pictures."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modules.application import training
from modules.application.app import App
from modules.application.generation import generate_blocking
from modules.application.training_run import EMBEDDING
from modules.schema.params_training import NewEmbedding, TrainingRequest
from modules.schema.request import Txt2ImgRequest
from tests.a1111.golden_app import golden_app
from tests.test_floors import ROOT

STARTER = ROOT / "models" / "Stable-diffusion"
YELLOW = (250, 220, 40)


def drawn(app: App, prompt: str, seed: int) -> np.ndarray[Any, Any]:
    request = Txt2ImgRequest.from_flat({"prompt": prompt, "seed": seed, "width": 96, "height": 96, "steps": 12, "save_images": False})
    return np.asarray(generate_blocking(app, request).images[0].picture)


def away_from_yellow(picture: np.ndarray[Any, Any]) -> float:
    """How far the corners are from it, as a mean of channels."""
    corners = np.concatenate([picture[:8, :8], picture[:8, -8:], picture[-8:, :8], picture[-8:, -8:]])
    return float(np.abs(corners.mean(axis=(0, 1)) - YELLOW).mean())


@pytest.mark.long
def test_a_word_learns_what_is_in_pictures(tmp_path: Path) -> None:
    from PIL import Image

    with golden_app(tmp_path, "--ckpt-dir", str(STARTER)) as app:
        app.jobs.start()
        (tmp_path / "pictures").mkdir()
        for seed in range(8):
            Image.fromarray(drawn(app, "a green star on a yellow background", seed)).save(tmp_path / "pictures" / f"{seed}.png")
        training.create_embedding(app, NewEmbedding(name="zyx", init_text="picture", num_vectors_per_token=4))
        before = [away_from_yellow(drawn(app, "a picture of zyx", seed)) for seed in range(4)]
        asked = TrainingRequest(
            embedding_name="zyx", embedding_learn_rate="0.01", batch_size=4, data_root="pictures", training_width=96, training_height=96, steps=250,
            create_image_every=0, save_embedding_every=0, template_filename="subject.txt")  # fmt: skip
        app.jobs.wait(training.submit(app, asked, EMBEDDING, source="test"))
        after = [away_from_yellow(drawn(app, "a picture of zyx", seed)) for seed in range(4)]
    assert max(after) < 40 < max(before), (before, after)
