"""Damaged, foreign and hostile files of every kind beside checkpoints: nothing of them runs, and the message names the file and what is wrong."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from modules.compute.policy import ComputePolicy
from modules.families.family import UNET
from modules.families.sd15 import SD1
from modules.loading.controlnet import load_control
from modules.loading.embeddings import load_embedding
from modules.loading.hypernetwork import load_hypernetwork
from modules.loading.lora import read_lora
from modules.loading.picture_models import load_picture_model
from modules.loading.vae import load_vae
from modules.schema.errors import CannotLoad
from tests.loading.files import listed, pickled

pytestmark = pytest.mark.group("S6")

GOOD = save({f"layer.{number}.lora_down.weight": torch.zeros(4, 40) for number in range(30)})


class Evil:
    """A pickle that would leave a file behind if it ran."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.marker}",)


def _bytes(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def _packed(header: Any, body: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


# how it is damaged -> (makes the file, what the message says)
SAFE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "empty": (_bytes("bad.safetensors", b""), "empty"),
    "web page": (_bytes("bad.safetensors", b"<!DOCTYPE html><html><body>Sign in to download"), "web page"),
    "git-lfs pointer": (_bytes("bad.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 5\n"), "Git LFS pointer"),
    "half": (_bytes("bad.safetensors", GOOD[: len(GOOD) // 2]), "truncated"),
    "lying header": (_bytes("bad.safetensors", _packed({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]}}, b"1234")), "damaged"),
    "endless header": (_bytes("bad.safetensors", struct.pack("<Q", 1 << 62) + b"{}"), "not a safetensors file"),
    "evil pickle renamed": (lambda folder: pickled(folder / "bad.safetensors", Evil(folder / "ran")), "pickle"),
}
PICKLED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "evil pickle": (lambda folder: pickled(folder / "bad.pt", {"a": Evil(folder / "ran")}), "may run a program"),
    "evil old pickle": (lambda folder: pickled(folder / "bad.pt", Evil(folder / "ran"), _use_new_zipfile_serialization=False), "may run a program"),
    "cut zip": (lambda folder: _cut(pickled(folder / "bad.pt", {"a": torch.zeros(4000)})), "damaged"),
    "a list": (lambda folder: pickled(folder / "bad.pt", [1, 2]), ""),
}


def _cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


READERS: dict[str, Callable[[Path, ComputePolicy], object]] = {
    "LoRA": lambda path, policy: read_lora(listed(path, "lora")),
    "VAE": lambda path, policy: load_vae(listed(path, "vae"), SD1, policy),
    "embedding": lambda path, policy: load_embedding(path),
    "upscaler": lambda path, policy: load_picture_model(path),
    "hypernetwork": lambda path, policy: load_hypernetwork(path),
    "ControlNet": lambda path, policy: load_control(listed(path, "control"), SD1, policy),
}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("damage", [*SAFE, *PICKLED])
def test_a_bad_file_is_named_with_its_reason_and_runs_nothing(kind: str, damage: str, tmp_path: Path, policy: ComputePolicy) -> None:
    make, words = {**SAFE, **PICKLED}[damage]
    path = make(tmp_path)
    with pytest.raises(CannotLoad) as raised:
        READERS[kind](path, policy)
    assert path.name in raised.value.message and raised.value.remedy
    assert words in raised.value.reason
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", READERS)
def test_a_whole_file_of_another_kind_is_refused(kind: str, tmp_path: Path, policy: ComputePolicy) -> None:
    path = _bytes("other.safetensors", save({"something.else": torch.zeros(3)}))(tmp_path)
    if kind in ("LoRA", "embedding"):
        path = _bytes("other.safetensors", save({}))(tmp_path)
    with pytest.raises(CannotLoad, match=r"other\.safetensors"):
        READERS[kind](path, policy)


@pytest.mark.parametrize(("tensors", "said"), [
    ({f"{UNET}input_blocks.0.0.weight": (1, 4, 1, 1), f"{UNET}middle_block.1.proj_in.weight": (1, 1, 1, 1),
      f"{UNET}middle_block.1.transformer_blocks.0.attn2.to_k.weight": (1, 1)}, "a whole SD1 model, not a LoRA.*models/Stable-diffusion"),
    ({"emb_params": (2, 768)}, "a textual inversion embedding, not a LoRA.*embeddings"),
    ({"decoder.conv_in.weight": (1, 4, 1, 1)}, "a VAE.*models/VAE"),
])
def test_what_lies_in_the_folder_of_the_loras_is_told_where_it_belongs(tensors: dict[str, tuple[int, ...]], said: str, tmp_path: Path) -> None:
    path = _bytes("other.safetensors", save({name: torch.zeros(shape) for name, shape in tensors.items()}))(tmp_path)
    with pytest.raises(CannotLoad, match=said):
        read_lora(listed(path, "lora"))
