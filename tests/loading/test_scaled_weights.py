"""float8 files: plain, and with a factor per tensor as ComfyUI writes them."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from modules.loading.weights import open_weights

CPU = torch.device("cpu")


def test_a_factor_beside_a_weight_is_multiplied_in_and_is_no_tensor_of_its_own(tmp_path: Path) -> None:
    torch.manual_seed(0)
    weight, rows = torch.randn(4, 6).to(torch.float8_e4m3fn), torch.rand(4, 1) + 0.5
    save_file(
        {
            "a.weight": weight, "a.scale_weight": torch.tensor([0.25]), "a.scale_input": torch.tensor(2.0), "a.bias": torch.ones(4),
            "b.weight": weight.clone(), "b.weight_scale": rows, "scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn),
        },
        tmp_path / "model.safetensors",
    )  # fmt: skip
    weights = open_weights(tmp_path / "model.safetensors")
    assert sorted(weights.header.names) == ["a.bias", "a.weight", "b.weight"]
    assert torch.equal(weights.read("a.weight", torch.float32, CPU), weight.float() * 0.25)
    assert torch.equal(weights.read("b.weight", torch.float16, CPU), (weight.float() * rows).half())
    assert torch.equal(weights.read("a.bias", torch.float32, CPU), torch.ones(4))
    weights.close()


def test_plain_float8_is_widened(tmp_path: Path) -> None:
    weight = torch.randn(3, 3).to(torch.float8_e5m2)
    save_file({"a.weight": weight}, tmp_path / "model.safetensors")
    assert torch.equal(open_weights(tmp_path / "model.safetensors").read("a.weight", torch.float32, CPU), weight.float())
