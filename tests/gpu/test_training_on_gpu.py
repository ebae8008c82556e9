"""Training on a GPU: in float16 with its losses scaled, in every memory mode; the next picture is drawn as the mode says."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import torch
from PIL import Image

from modules.application import training
from modules.application.build import build_app
from modules.application.generation import generate_blocking, outcome_of
from modules.application.training_run import EMBEDDING, HYPERNETWORK
from modules.loading.embeddings import load_embedding
from modules.loading.hypernetwork_file import TrainableHypernetwork
from modules.schema.flags import parse_flags
from modules.schema.params_training import NewEmbedding, NewHypernetwork, TrainingRequest
from modules.schema.request import Txt2ImgRequest
from tests.golden.cases import data_dir

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that works with CUDA is here")
STEPS = 12
COMMON = {"batch_size": 2, "training_width": 64, "training_height": 64, "steps": STEPS, "template_filename": "subject.txt", "create_image_every": 6, "log_directory": "logs"}


@pytest.mark.parametrize("flags", [(), ("--medvram",), ("--lowvram",), ("--no-half",)], ids=lambda flags: " ".join(flags) or "none")
def test_what_is_learnt_is_finite_and_the_next_picture_is_drawn(tmp_path: Path, flags: tuple[str, ...]) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for colour in ("red", "green", "blue"):
        Image.new("RGB", (64, 64), colour).save(pictures / f"{colour}.png")
    given = ["--data-dir", str(tmp_path), "--models-dir", str(data_dir() / "models"), "--hypernetwork-dir", str(tmp_path / "nets"), *flags]
    with closing(build_app(parse_flags(given, {}).flags)) as app:
        app.settings.update({"sd_model_checkpoint": "sd15-tiny.safetensors"})
        word = training.create_embedding(app, NewEmbedding.from_flat({"name": "word", "init_text": "red"}))
        before = load_embedding(word)
        asked = TrainingRequest.from_flat({**COMMON, "data_root": str(pictures), "embedding_name": "word", "embedding_learn_rate": "0.05"})
        outcome_of(app.jobs.wait(training.submit(app, asked, EMBEDDING, source="test")))
        after = load_embedding(word)
        assert before is not None and after is not None and after.step == STEPS
        assert torch.isfinite(after.vectors(0)).all() and not torch.equal(after.vectors(0), before.vectors(0))
        net = training.create_hypernetwork(app, NewHypernetwork.from_flat({"name": "net", "enable_sizes": ["32", "64"]}))
        asked = TrainingRequest.from_flat({**COMMON, "data_root": str(pictures), "hypernetwork_name": "net", "hypernetwork_learn_rate": "0.001"})
        outcome_of(app.jobs.wait(training.submit(app, asked, HYPERNETWORK, source="test")))
        assert TrainableHypernetwork.read(net).step == STEPS
        drawn = generate_blocking(app, Txt2ImgRequest.from_flat({"prompt": "a word", "steps": 2, "width": 64, "height": 64, "seed": 1}))
        assert len({*drawn.images[0].picture.getdata()}) > 8
