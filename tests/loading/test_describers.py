"""What BLIP, CLIP and DeepDanbooru say is what their makers' files say, whatever layout they come in; other files are refused with a reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from modules.engine.describe import TagStyle, tags_of, written_tags
from modules.loading.captioner import load_captioner
from modules.loading.clip_pair import load_clip_pair
from modules.loading.clip_vision import clip_pixels
from modules.loading.deepbooru import load_deepbooru
from modules.loading.tokenizer import bert_tokenizer, clip_tokenizer
from modules.schema.errors import CannotLoad
from tests.loading import describer_files as files

CPU = torch.device("cpu")


def noise(seed: int, width: int = 90, height: int = 60) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("layout", ["makers", "transformers"])
def test_blip_writes_what_transformers_does(tmp_path: Path, layout: str, beams: int) -> None:
    module = files.blip(beams)
    path = tmp_path / ("x.pth" if layout == "makers" else "x.safetensors")
    files.write_blip(path, module) if layout == "makers" else save_file({name: each.clone() for name, each in module.state_dict().items()}, path)
    picture = noise(1)
    words = bert_tokenizer()
    begun = torch.tensor([[30522, *(words.token_to_id(each) for each in ("a", "picture", "of")), 102]])
    expected = module.generate(clip_pixels(picture, 64), begun, num_beams=beams, min_length=6, max_length=14, do_sample=False)[0].tolist()
    found = load_captioner(path, CPU, torch.float32)(picture, beams=beams, shortest=6, longest=14)
    assert found and found == words.decode([each for each in expected[4:] if each < 30522])
    assert not found.startswith("a picture of")


def test_the_vocabulary_is_berts() -> None:
    words = bert_tokenizer()
    assert words.get_vocab_size() == 30522 and words.decode([1037, 3861, 1997, 1037, 2829, 4937, 1010, 3564]) == "a picture of a brown cat, sitting"
    assert words.decode([7559, 3468]) == words.id_to_token(7559) + words.id_to_token(3468).removeprefix("##")


@pytest.mark.parametrize("layout", ["openai", "transformers"])
def test_clip_compares_as_transformers_does(tmp_path: Path, layout: str) -> None:
    module, texts = files.clip(), ["a cat", "an oil painting of a house by the sea", "x " * 200]
    path = tmp_path / ("ViT-L-14.pt" if layout == "openai" else "x.safetensors")
    files.write_clip(path, module) if layout == "openai" else save_file({name: each.clone() for name, each in module.state_dict().items()}, path)
    picture = noise(2)
    tokens = clip_tokenizer()(texts, padding="max_length", truncation=True, max_length=77, return_tensors="pt")
    with torch.no_grad():
        module.logit_scale.fill_(np.log(100.0))
        expected = module(input_ids=tokens["input_ids"], pixel_values=clip_pixels(picture, 28, cropped=True)).logits_per_image.softmax(dim=-1)[0]
    found = load_clip_pair(path, CPU, torch.float32).fits(picture, texts)
    assert torch.allclose(found, expected, atol=1e-5) and found.max() < 0.9999


def test_a_cropped_picture_is_its_middle() -> None:
    picture = Image.new("RGB", (300, 100), "black")
    picture.paste("white", (100, 0, 200, 100))
    assert clip_pixels(picture, 28, cropped=True).min() > 1             # white alone
    assert clip_pixels(picture, 28).min() < -1


def test_deepdanbooru_computes_what_its_makers_network_does(tmp_path: Path) -> None:
    module = files.shaken(files.Tagger(), 3, 0.35)
    files.write_tagger(tmp_path / "x.pt", module)
    model = load_deepbooru(tmp_path / "x.pt", CPU)
    pixels = torch.rand(1, 3, 512, 512, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = module(pixels)
    assert model.tags == tuple(files.TAGS) and torch.allclose(model(pixels), expected, atol=1e-6) and expected.std() > 0.05
    assert list(tags_of(noise(4, 700, 300), model)) == files.TAGS


@pytest.mark.parametrize(("style", "expected"), [
    (TagStyle(), r"blue sky, smile \(grin\), solo"),
    (TagStyle(by_alphabet=False), r"solo, blue sky, smile \(grin\)"),
    (TagStyle(spaces=False, escaped=False), "blue_sky, smile_(grin), solo"),
    (TagStyle(least=0.3, left_out=frozenset({"blue_sky", "solo"})), r"smile \(grin\), tree"),
    (TagStyle(least=0.9, with_scores=True), "(solo:0.950)"),
])
def test_tags_are_written_as_the_settings_say(style: TagStyle, expected: str) -> None:
    assert written_tags({"solo": 0.95, "blue_sky": 0.8, "smile_(grin)": 0.7, "tree": 0.4, "rating:safe": 0.99}, style) == expected


def broken(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 not a whole file")


def another_kind(path: Path) -> None:
    torch.save({"some.weight": torch.zeros(3, 3)}, path)


def half_of_it(path: Path) -> None:
    module = files.Tagger().state_dict()
    del module["n_Conv_7.weight"]
    torch.save({**module, "tags": files.TAGS}, path)


@pytest.mark.parametrize("load", [lambda path: load_captioner(path, CPU, torch.float32), lambda path: load_clip_pair(path, CPU, torch.float32), lambda path: load_deepbooru(path, CPU)])
@pytest.mark.parametrize("write", [broken, another_kind, half_of_it])
def test_another_file_is_refused_with_a_reason(tmp_path: Path, load: Callable[[Path], Any], write: Callable[[Path], None]) -> None:
    write(tmp_path / "x.pt")
    with pytest.raises(CannotLoad, match=r"x\.pt"):
        load(tmp_path / "x.pt")
