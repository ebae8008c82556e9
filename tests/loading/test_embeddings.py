"""Textual inversion embeddings: every form they come in, what is refused, and how prompts find them."""

import base64
import json
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file

from modules.engine.prompt_tokens import prompt_tokenizer
from modules.library.model_file import ModelFile
from modules.loading.embedding_images import _unmasked
from modules.loading.embeddings import EmbeddingShelf, load_embedding
from modules.schema.errors import CannotLoad

VECTORS = torch.arange(12.0).reshape(3, 4)
TOKENIZE = prompt_tokenizer().tokenize


def a1111_form(name="inside"):
    return {"string_to_token": {"*": 265}, "string_to_param": {"*": VECTORS}, "name": name, "step": 7, "sd_checkpoint_name": "base"}


def write(path, form="safetensors"):
    match form:
        case "safetensors":
            save_file({"emb_params": VECTORS}, path)
        case "a1111":
            torch.save(a1111_form(), path)
        case "first trainer":
            torch.save({"string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(VECTORS)})}, path)
        case "diffusers":
            torch.save({"<word>": VECTORS[0]}, path)
        case "sdxl":
            save_file({"clip_l": VECTORS, "clip_g": torch.ones(3, 6)}, path)
        case "png text":
            text = PngInfo()
            text.add_text("sd-ti-embedding", base64.b64encode(packed()).decode())
            Image.new("RGB", (8, 8)).save(path, pnginfo=text)
        case "strips":
            picture_with_strips().save(path, lossless=True)
    return path


def packed():
    return json.dumps(a1111_form(), default=lambda tensor: {"TORCHTENSOR": tensor.tolist()}).encode()


def picture_with_strips(height=32):
    """A picture between two strips, one with the low and one with the high half of each byte."""
    data = np.frombuffer(zlib.compress(packed()), np.uint8)
    data = np.resize(np.concatenate([data, np.zeros(-len(data) % (height * 3), np.uint8)]), (height, -(-len(data) // (height * 3)), 3))
    low, high = (_unmasked(half) | 0x10 for half in (data & 0x0F, data >> 4))
    black, middle = np.zeros((height, 1, 3), np.uint8), np.full((height, 16, 3), 200, np.uint8)
    return Image.fromarray(np.concatenate([low, black, middle, black, high], axis=1))


@pytest.mark.parametrize(
    ("name", "form", "called", "shapes"),
    [
        ("word.safetensors", "safetensors", "word", [(3, 4)]), ("word.pt", "a1111", "word", [(3, 4)]), ("word.pt", "first trainer", "word", [(3, 4)]),
        ("word.bin", "diffusers", "word", [(1, 4)]), ("word.safetensors", "sdxl", "word", [(3, 4), (3, 6)]),
        ("word.png", "png text", "inside", [(3, 4)]), ("word.webp", "strips", "inside", [(3, 4)]), ("word.png", "strips", "inside", [(3, 4)]),
    ],
)  # fmt: skip
def test_every_form_is_read(tmp_path, name, form, called, shapes):
    embedding = load_embedding(write(tmp_path / name, form), "ab" * 32)
    assert embedding is not None
    assert (embedding.name, [tuple(tensor.shape) for tensor in embedding.tensors]) == (called, shapes)
    assert torch.equal(embedding.vectors(0), VECTORS[: embedding.vector_count]) and embedding.vectors(0).dtype == torch.float32
    assert embedding.short_hash == "ab" * 6


def test_the_trainers_notes_are_kept(tmp_path):
    embedding = load_embedding(write(tmp_path / "word.pt", "a1111"))
    assert embedding is not None and (embedding.step, embedding.trained_on) == (7, "base")


def test_a_preview_picture_is_no_embedding(tmp_path):
    for name in ("a.png", "a.preview.png"):
        Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / name)
        assert load_embedding(tmp_path / name) is None


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("two.safetensors", lambda path: save_file({"a": VECTORS, "b": VECTORS + 1}, path)),
        ("cube.safetensors", lambda path: save_file({"a": torch.zeros(2, 2, 2)}, path)),
        ("failed.safetensors", lambda path: save_file({"emb_params": VECTORS * float("nan")}, path)),
        ("empty.pt", lambda path: torch.save({}, path)),
        ("list.pt", lambda path: torch.save([VECTORS], path)),
        ("cut.safetensors", lambda path: path.write_bytes(write(path).read_bytes()[:-4])),
        ("page.pt", lambda path: path.write_text("<!doctype html>")),
        ("text.png", lambda path: path.write_text("no picture")),
    ],
)
def test_anything_else_is_refused_with_its_path(tmp_path, name, make):
    make(tmp_path / name)
    with pytest.raises(CannotLoad, match=name):
        load_embedding(tmp_path / name)


def test_a_file_that_would_run_a_program_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    torch.save({"string_to_param": {"*": Evil()}}, tmp_path / "evil.pt")
    with pytest.raises(CannotLoad):
        load_embedding(tmp_path / "evil.pt")


def shelf_of(tmp_path, **tensors):
    for name, tensor in tensors.items():
        save_file({"emb_params": tensor}, tmp_path / f"{name.replace('_', '-')}.safetensors")
    files = [ModelFile(path=path, name=path.name, kind="embedding", size=path.stat().st_size) for path in sorted(tmp_path.iterdir())]
    return EmbeddingShelf(lambda: files)


def found(finder, prompt):
    tokens, names, position = TOKENIZE(prompt), [], 0
    while position < len(tokens):
        match = finder.find(tokens, position)
        names += [match[0].name] if match else []
        position += match[1] if match else 1
    return names


def test_the_longest_name_wins_and_case_does_not_matter(tmp_path):
    finder = shelf_of(tmp_path, my_emb=VECTORS, my_emb_two=VECTORS).finder(TOKENIZE, (4,))
    assert found(finder, "a MY-EMB-two, my-emb and my other") == ["my-emb-two", "my-emb"]


def test_one_of_another_width_is_left_out_with_a_sentence_and_a_shorter_name_may_match(tmp_path):
    finder = shelf_of(tmp_path, my_emb=VECTORS, my_emb_two=torch.zeros(1, 6)).finder(TOKENIZE, (4,))
    assert found(finder, "my-emb-two my-emb-two") == ["my-emb", "my-emb"]
    assert len(finder.problems) == 1 and "have 6 values, this checkpoint needs 4" in finder.problems[0]


def test_a_broken_file_is_named_only_when_a_prompt_asks_for_it(tmp_path):
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    finder = shelf_of(tmp_path).finder(TOKENIZE, (4,))
    assert found(finder, "a cat") == [] and finder.problems == []
    assert found(finder, "broken broken") == [] and len(finder.problems) == 1


def test_a_file_that_may_not_be_read_is_told_as_such_and_read_once_it_may(tmp_path, monkeypatch):
    shelf = shelf_of(tmp_path, word=VECTORS)
    allowed = [False]
    real = open

    def guarded(file, *rest, **more):
        if str(file).endswith("word.safetensors") and not allowed[0]:
            raise PermissionError(13, "Permission denied", str(file))
        return real(file, *rest, **more)

    monkeypatch.setattr("builtins.open", guarded)
    finder = shelf.finder(TOKENIZE, (4,))
    assert found(finder, "a word") == [] and "Change the file's permissions" in finder.problems[0]
    allowed[0] = True
    assert found(shelf.finder(TOKENIZE, (4,)), "a word") == ["word"]
