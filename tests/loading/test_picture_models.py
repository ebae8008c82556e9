"""Upscaler files: recognised by what they hold, refused with a sentence when damaged or hostile."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

from modules.compute.hardware import Hardware
from modules.compute.policy import ComputePolicy, policy_from_flags
from modules.loading.picture_models import load_picture_model
from modules.loading.upscalers import PictureModelShelf
from modules.schema.errors import CannotLoad
from modules.schema.flags import Flags
from tests.loading.picture_files import tiny_upscaler

GPU = Hardware(kind="cuda", name="test", memory_bytes=24 * 2**30, cpu_count=1, device_count=1, reason="A test.")


@pytest.mark.parametrize(
    ("name", "kind", "scale"),
    [("a.pth", "ESRGAN", 4), ("b.safetensors", "ESRGAN", 2), ("c.safetensors", "SwinIR", 2), ("d.pth", "DAT", 2), ("e.pt", "Compact", 4)],
)
def test_a_file_is_recognised_by_its_tensors(tmp_path: Path, name: str, kind: str, scale: int) -> None:
    model = load_picture_model(tiny_upscaler(tmp_path / name, kind, scale))
    assert (model.architecture, model.scale) == (kind, scale)
    result = model.run(torch.rand(1, 3, 21, 18))
    assert result.shape == (1, 3, 21 * scale, 18 * scale)
    assert float(result.min()) >= 0 and float(result.max()) <= 1


def test_torchvision_is_neither_needed_nor_pretended(tmp_path: Path) -> None:
    load_picture_model(tiny_upscaler(tmp_path / "a.pth", "ESRGAN", 4))
    stand_in = sys.modules.get("torchvision")
    assert stand_in is None or stand_in.__spec__ is not None


class Payload:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


def test_a_program_in_a_pickle_never_runs(tmp_path: Path) -> None:
    torch.save({"params": Payload(tmp_path / "ran")}, tmp_path / "evil.pth")
    with pytest.raises(CannotLoad, match=r"evil\.pth.*program"):
        load_picture_model(tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "empty"), (b"<!DOCTYPE html><html>", "web page"), (b"PK\x03\x04 and no more", "damaged"), (b"\x80\x02 garbage", "damaged")]
)
def test_what_is_no_model_says_so(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(CannotLoad, match=words):
        load_picture_model(tmp_path / "x.pth")


def test_half_a_file_and_a_foreign_one_say_so(tmp_path: Path) -> None:
    whole = tiny_upscaler(tmp_path / "whole.pth", "ESRGAN", 4).read_bytes()
    (tmp_path / "half.pth").write_bytes(whole[: len(whole) // 2])
    torch.save({"lora_up.weight": torch.zeros(4, 4)}, tmp_path / "foreign.pth")
    torch.save([1, 2, 3], tmp_path / "list.pth")
    for name, words in (("half.pth", "damaged"), ("foreign.pth", "no kind of upscaler"), ("list.pth", "list")):
        with pytest.raises(CannotLoad, match=words):
            load_picture_model(tmp_path / name)


def test_missing_tensors_say_so(tmp_path: Path) -> None:
    path = tiny_upscaler(tmp_path / "a.pth", "ESRGAN", 4)
    table = torch.load(path, weights_only=True)
    del table["params_ema"]["model.0.weight" if "model.0.weight" in table["params_ema"] else next(iter(table["params_ema"]))]
    torch.save(table, path)
    with pytest.raises(CannotLoad, match=r"a\.pth"):
        load_picture_model(path)


def test_the_shelf_reads_a_file_once_and_again_when_it_changed(tmp_path: Path, policy: ComputePolicy) -> None:
    shelf = PictureModelShelf(policy)
    path = tiny_upscaler(tmp_path / "a.pth", "ESRGAN", 4)
    first = shelf.load(path)
    assert shelf.load(path) is first
    tiny_upscaler(path, "Compact", 2)
    assert shelf.load(path).architecture == "Compact"


def test_half_precision_only_where_policy_and_network_allow_it(tmp_path: Path) -> None:
    esrgan, swin = load_picture_model(tiny_upscaler(tmp_path / "a.pth", "ESRGAN", 4)), load_picture_model(tiny_upscaler(tmp_path / "b.pth", "SwinIR", 2))
    shelf = PictureModelShelf(policy_from_flags(Flags(), GPU))
    assert shelf.workplace(esrgan).dtype == torch.float16
    assert shelf.workplace(esrgan, on_cpu=True).dtype == torch.float32
    assert shelf.workplace(swin).dtype == torch.float32
    assert PictureModelShelf(policy_from_flags(Flags(no_half=True), GPU)).workplace(esrgan).dtype == torch.float32
