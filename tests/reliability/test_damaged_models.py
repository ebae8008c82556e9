"""Model files that are damaged, lie about themselves or belong to another model: named with their reason, and the next picture is what it always was."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from modules.loading.weights import SafetensorsWeights
from tests.golden.cases import MODELS, checkpoint_path
from tests.loading.files import golden_tensors
from tests.reliability.conftest import Real
from tests.soak_server import resident_megabytes

PREFIX = "model.diffusion_model."


def whole() -> bytes:
    return checkpoint_path().read_bytes()


def _cut(share: float) -> bytes:
    content = whole()
    return content[: int(len(content) * share)]


def _header(change: Callable[[dict[str, Any]], None]) -> bytes:
    """The checkpoint with another header over the same weights."""
    content = whole()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def _overlap(header: dict[str, Any]) -> None:
    names = sorted(name for name in header if name != "__metadata__")
    header[names[0]]["data_offsets"] = header[names[1]]["data_offsets"]


def _beyond(header: dict[str, Any]) -> None:
    first = next(name for name in header if name != "__metadata__")
    header[first]["data_offsets"] = [10**12, 10**12 + 16]


def _negative(header: dict[str, Any]) -> None:
    first = next(name for name in header if name != "__metadata__")
    header[first]["shape"] = [-1, *header[first]["shape"][1:]]


LIES = {
    "a header length beyond the file": lambda: struct.pack("<Q", 2**62) + whole()[8:], "a header length of nothing": lambda: struct.pack("<Q", 0) + whole()[8:],
    "a header length inside the weights": lambda: struct.pack("<Q", 10**5) + whole()[8:], "overlapping offsets": lambda: _header(_overlap),
    "offsets beyond the end": lambda: _header(_beyond), "a negative shape": lambda: _header(_negative),
    "no tensors": lambda: struct.pack("<Q", 2) + b"{}",
}  # fmt: skip


def listed_now(real: Real) -> None:
    assert real.server.client.post("/sdapi/v1/refresh-checkpoints").status_code == 200


@pytest.mark.group("R5")
def test_fifty_cuts_and_every_lie(real: Real) -> None:
    """Through the API, as another checkpoint; the one in use stays loaded, draws the same, and memory is given back."""
    bad = real.models / "Stable-diffusion" / "bad.safetensors"
    before = real.draw()[0]
    contents = [lambda n=n: _cut(n / 50) for n in range(50)] + list(LIES.values())
    memory: list[float] = []
    for number, content in enumerate(contents):
        bad.write_bytes(content())
        if number == 0:
            listed_now(real)
        began = time.process_time()
        status, said = real.refused(override_settings={"sd_model_checkpoint": "bad.safetensors"})
        assert status == 422 and "bad.safetensors" in said and time.process_time() - began < 5, (number, said)
        memory.append(resident_megabytes())
    bad.unlink()
    assert real.server.app.checkpoints.current and real.server.app.checkpoints.current.stem == "sd15-tiny"
    assert np.array_equal(real.draw()[0], before)
    assert memory[-1] <= memory[5] * 1.1


def _weights(change: Callable[[str, torch.Tensor], torch.Tensor | None]) -> dict[str, torch.Tensor]:
    found = {name: change(name, tensor) for name, tensor in golden_tensors().items()}
    return {name: tensor.contiguous() for name, tensor in found.items() if tensor is not None}


@pytest.mark.group("R5")
@pytest.mark.long
def test_weights_that_are_no_numbers_or_nothing(real: Real) -> None:
    """NaN: an error that says so. Zeros: a picture, for that is what the file says. Then the right picture again."""
    before = real.draw()[0]
    for name, change in (
        ("nan", lambda key, tensor: torch.full_like(tensor, float("nan")) if key.startswith(PREFIX) else tensor),
        ("nan-vae", lambda key, tensor: torch.full_like(tensor, float("nan")) if key.startswith("first_stage_model.decoder") else tensor),
    ):
        path = real.models / "Stable-diffusion" / f"{name}.safetensors"
        save_file(_weights(change), path)
        path.with_suffix(".yaml").write_bytes(checkpoint_path().with_suffix(".yaml").read_bytes())
        listed_now(real)
        status, said = real.refused(override_settings={"sd_model_checkpoint": path.name})
        assert status == 500 and "not a number" in said, said
        path.unlink()
    path = real.models / "Stable-diffusion" / "zero.safetensors"
    save_file(_weights(lambda key, tensor: torch.zeros_like(tensor) if key.startswith(PREFIX) else tensor), path)
    path.with_suffix(".yaml").write_bytes(checkpoint_path().with_suffix(".yaml").read_bytes())
    listed_now(real)
    assert real.draw(override_settings={"sd_model_checkpoint": path.name})[0].shape == before.shape
    path.unlink()
    assert np.array_equal(real.draw()[0], before)


@pytest.mark.group("R5")
@pytest.mark.long
def test_a_file_that_is_overwritten_once_its_checkpoint_is_loaded_draws_what_it_holds_now(real: Real) -> None:
    """Before its first picture, for which the rest of it would have been read. Of one that is deleted, the picture comes all the same."""
    folder = real.models / "Stable-diffusion"
    other, late = folder / "other.safetensors", folder / "late.safetensors"
    wanted, first = real.draw(override_settings={"sd_model_checkpoint": other.name})[0], real.draw()[0]
    late.write_bytes(whole())
    late.with_suffix(".yaml").write_bytes(checkpoint_path().with_suffix(".yaml").read_bytes())
    listed_now(real)
    ours = {"override_settings": {"sd_model_checkpoint": late.name}, "override_settings_restore_afterwards": False}
    assert real.server.client.post("/sdapi/v1/options", json={"sd_model_checkpoint": late.name}).status_code == 200
    late.write_bytes(other.read_bytes())
    assert np.array_equal(real.draw(**ours)[0], wanted)
    late.write_bytes(whole())
    assert real.server.client.post("/sdapi/v1/reload-checkpoint").status_code == 200
    late.unlink()
    assert np.array_equal(real.draw(**ours)[0], first)
    late.with_suffix(".yaml").unlink()
    assert real.server.client.post("/sdapi/v1/options", json={"sd_model_checkpoint": checkpoint_path().name}).status_code == 200


def _lora(folder: Path, name: str, tensors: dict[str, torch.Tensor]) -> None:
    save_file(tensors, folder / f"{name}.safetensors")


LORAS: dict[str, Callable[[Path], object]] = {
    "another-model": lambda folder: _lora(folder, "another-model", {
        f"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.{part}.weight": torch.ones(shape)
        for part, shape in (("lora_up", (640, 4)), ("lora_down", (4, 2048)))}),
    "ranks-differ": lambda folder: _lora(folder, "ranks-differ", {
        key: (tensor[: max(1, tensor.shape[0] // 2)] if "lora_down" in key else tensor).contiguous() for key, tensor in load_file(MODELS / "tiny-lora.safetensors").items()}),
    "unknown-keys": lambda folder: _lora(folder, "unknown-keys", {"what.is.this": torch.ones(3), "lora_unet_nowhere.lora_up.weight": torch.ones(2, 2)}),
    "cut": lambda folder: (folder / "cut.safetensors").write_bytes((MODELS / "tiny-lora.safetensors").read_bytes()[:-100]),
    "empty": lambda folder: (folder / "empty.safetensors").write_bytes(b""),
    "nan": lambda folder: _lora(folder, "nan", {key: tensor * float("nan") for key, tensor in load_file(MODELS / "tiny-lora.safetensors").items()}),
    "a-checkpoint": lambda folder: (folder / "a-checkpoint.safetensors").write_bytes(checkpoint_path().read_bytes()),
}  # fmt: skip


def told(real: Real, prompt: str) -> str:
    """What is said of a request, carried out or not."""
    answer = real.server.client.post("/sdapi/v1/txt2img", json={"prompt": prompt, "steps": 1, "width": 64, "height": 64, "seed": 7, "sampler_name": "Euler"})
    body = answer.json()
    assert answer.status_code < 500 or "not a number" in str(body), body
    return json.loads(body["info"]).get("comments", "") if answer.status_code == 200 else str(body.get("errors"))


@pytest.mark.group("R6")
def test_loras_that_do_not_fit(real: Real) -> None:
    before, with_it = real.draw()[0], real.draw(prompt="a cat <lora:tiny-lora:1>")[0]
    assert not np.array_equal(before, with_it)
    folder = real.models / "Lora"
    for name, make in LORAS.items():
        make(folder)
        real.server.client.post("/sdapi/v1/refresh-loras")
        said = told(real, f"a cat <lora:{name}:1>")
        assert name in said or "not a number" in said, (name, said)
        assert np.array_equal(real.draw()[0], before), name
    for weight in ("nan", "1e9", "-1e5", "", "1:2:3"):
        told(real, f"a cat <lora:tiny-lora:{weight}>")
        assert weight not in ("nan", "1e9", "") or np.array_equal(real.draw()[0], before), weight
    assert np.array_equal(real.draw()[0], before)
    assert np.array_equal(real.draw(prompt="a cat <lora:tiny-lora:1>")[0], with_it)



def test_a_checkpoint_overwritten_while_it_draws_costs_no_picture(real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are read when they are first needed; where the file is another one by then, the job reads all of it anew."""
    wanted = real.draw(n_iter=2)
    real.server.client.post("/sdapi/v1/unload-checkpoint")
    check, begun = SafetensorsWeights.check_unchanged, []

    def overwritten_first(weights: SafetensorsWeights) -> None:
        if not begun:
            begun.append(weights)
            path = Path(weights.header.path)
            path.write_bytes(path.read_bytes())
        check(weights)

    monkeypatch.setattr(SafetensorsWeights, "check_unchanged", overwritten_first)
    found = real.draw(n_iter=2)
    assert begun and all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))
