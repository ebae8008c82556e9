"""A text encoder and a VAE's decoder that go back to their file after each use draw what those do that stay: between prompts, passes and LoRAs."""
from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from modules.application.build import build_app
from modules.application.generation import generate_blocking
from modules.loading import unread
from modules.schema.flags import parse_flags
from modules.schema.request import Txt2ImgRequest
from tests.golden.cases import checkpoint_path, data_dir

pytestmark = pytest.mark.golden

ASKED = [
    {"prompt": "a cat"}, {"prompt": "a dog<lora:tiny-lora:1>"}, {"prompt": "a dog"}, {"prompt": "a cat", "enable_hr": True, "hr_prompt": "a bird", "hr_scale": 1.5},
    {"prompt": "a [cat:dog:0.5] AND a (tree:1.2)", "override_settings": {"CLIP_stop_at_last_layers": 2}},
    {"prompt": "a tree", "batch_size": 2}, {"prompt": "a cat"},
]  # fmt: skip


def drawn(folder: Path) -> tuple[list[list[bytes]], list[bool], list[bool]]:
    """The pictures of each request, and whether the encoder was in its file afterwards, and the decoder."""
    models = data_dir() / "models"
    app = build_app(parse_flags(["--data-dir", str(folder), "--models-dir", str(models), "--ckpt", str(checkpoint_path()), "--no-half", "--use-cpu", "all"], {}).flags)
    try:
        found, away, decoder_away = [], [], []
        for values in ASKED:
            asked = Txt2ImgRequest.from_flat({"steps": 2, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler", "save_images": False, **values})
            found.append([image.picture.tobytes() for image in generate_blocking(app, asked).images])
            components = app.checkpoints.components
            assert components is not None
            away.append(next(components.text_encoders[0].built.parameters()).is_meta)
            decoder = dict(components.vae.named_children())["decoder"]
            decoder_away.append(all(weight.is_meta for weight in decoder.parameters()))
        return found, away, decoder_away
    finally:
        app.close()


@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="an open file could not be replaced there: nothing is left in it")
def test_pictures_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    stays, *away = drawn(tmp_path / "stays")
    assert not any(map(any, away))
    monkeypatch.setattr(unread, "_WORTH_IT", 0)
    rests, away, decoder_away = drawn(tmp_path / "rests")
    assert rests == stays and stays[0] == stays[-1] and stays[1] != stays[2]
    assert all(gone for gone, values in zip(away, ASKED) if "lora" not in str(values["prompt"])) and all(decoder_away)
