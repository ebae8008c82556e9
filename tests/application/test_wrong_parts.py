"""What a request names and cannot have costs a sentence, not the picture: with the real engine and files of the wrong kind."""
from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from modules.application.app import App
from modules.application.build import build_app
from modules.application.generation import generate_blocking
from modules.application.outcome import Outcome
from modules.schema.flags import parse_flags
from modules.schema.request import Txt2ImgRequest
from tests.golden.cases import data_dir

pytestmark = pytest.mark.golden


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    torch.set_num_threads(1)
    folder: Path = tmp_path_factory.mktemp("wrong")
    shutil.copytree(data_dir() / "models" / "Stable-diffusion", folder / "models" / "Stable-diffusion")
    for name in ("VAE", "Lora", "hypernetworks"):
        (folder / "models" / name).mkdir()
    (folder / "embeddings").mkdir()
    save_file({"decoder.conv_in.weight": torch.zeros(8, 16, 3, 3)}, folder / "models" / "VAE" / "foreign.safetensors")
    save_file({"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": torch.zeros(4, 8)}, folder / "models" / "Lora" / "foreign.safetensors")
    save_file({"clip_l": torch.zeros(2, 768), "clip_g": torch.zeros(2, 1280)}, folder / "embeddings" / "foreign.safetensors")
    (folder / "models" / "hypernetworks" / "foreign.pt").write_bytes(b"nothing")
    found = build_app(parse_flags(["--data-dir", str(folder), "--no-half"], {}).flags)
    yield found
    found.close()


def draw(app: App, **values: object) -> Outcome:
    asked = {"prompt": "a cat", "steps": 1, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler", **values}
    return generate_blocking(app, Txt2ImgRequest.from_flat(asked))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"override_settings": {"sd_vae": "foreign.safetensors"}}, "The VAE 'foreign.safetensors' cannot be used"),
        ({"override_settings": {"sd_vae": "gone.safetensors"}}, "'gone.safetensors'"),
        ({"prompt": "a cat<lora:foreign:1>"}, "The LoRA 'foreign'"),
        ({"prompt": "a cat<lora:gone:1>"}, "The LoRA 'gone' was not found"),
        ({"prompt": "a cat<hypernet:foreign:1>"}, "The hypernetwork 'foreign' was left out"),
        ({"prompt": "a cat<hypernet:gone:1>"}, "The hypernetwork 'gone' was not found"),
        ({"styles": ["gone"]}, "no style called 'gone'"),
    ],
)  # fmt: skip
def test_the_picture_is_that_without_it_and_it_is_said(app: App, values: dict[str, object], words: str) -> None:
    outcome = draw(app, **values)
    assert any(words in comment for comment in outcome.comments) and words in outcome.info["comments"]
    assert (np.asarray(outcome.images[0].picture) == np.asarray(draw(app).images[0].picture)).all()


def test_an_embedding_of_another_family_is_words_and_is_said(app: App) -> None:
    outcome = draw(app, prompt="a foreign cat")
    assert len(outcome.images) == 1 and any("foreign" in comment for comment in outcome.comments)


@pytest.mark.parametrize("content", [b"", b"nothing that a VAE begins with"])
def test_a_damaged_vae_beside_the_checkpoint_costs_a_sentence(app: App, content: bytes) -> None:
    """Nobody chose it: "Automatic" takes what begins with the checkpoint's name."""
    whole = draw(app)
    beside = Path(app.catalogue.checkpoints()[0].path).with_suffix(".vae.pt")
    beside.write_bytes(content)
    try:
        app.catalogue.refresh()
        outcome = draw(app)
    finally:
        beside.unlink()
        app.catalogue.refresh()
    assert any(f"The VAE {beside.name!r} cannot be used" in comment and "own VAE was used" in comment for comment in outcome.comments)
    assert (np.asarray(outcome.images[0].picture) == np.asarray(whole.images[0].picture)).all()
