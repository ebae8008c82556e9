"""What a LoRA's file does to a loaded model, for tests of the names that trainers give its tensors."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from modules.engine.adapters import NetworkSwitch
from modules.engine.extra_networks import take_out_tags
from modules.loading.components import Components
from modules.loading.lora import LoraShelf
from tests.families import tiny_flow as tiny
from tests.families.flow_pipelines import listed


def layers_changed_by(lora: dict[str, Tensor], model: Components, folder: Path, *, strength: float = 1.0, skipped: int = 1) -> dict[str, Tensor]:
    """Layer -> the change while it is applied, of the transformer and of all encoders but the first ``skipped``. Nothing may be told of it, and nothing may stay."""
    shelf = LoraShelf(lambda: [listed(tiny.write(folder / "some.safetensors", lora))])

    def weights() -> dict[str, Tensor]:
        modules = (model.unet, *(each.module for each in model.text_encoders[skipped:]))
        return {name: tensor for module in modules for name, tensor in module.state_dict().items()}

    before = {name: tensor.clone() for name, tensor in weights().items()}
    with NetworkSwitch(model, shelf) as switch:
        active = switch.use(take_out_tags(f"<lora:some:{strength}>")[1])
        assert not active.comments
        change = {name: tensor - before[name] for name, tensor in weights().items() if not torch.equal(tensor, before[name])}
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights().items())
    return change


def assert_adds_to(layers: list[str], key: str, rows: int, columns: int, model: Components, folder: Path) -> None:
    """A pair of random matrices under ``key`` changes ``layers``, one below the other, and no others."""
    torch.manual_seed(1)
    up, down = ("lora_up.weight", "lora_down.weight") if key.startswith("lora_unet_") else ("lora_B.weight", "lora_A.weight")
    lora = {f"{key}.{up}": torch.randn(rows, 2), f"{key}.{down}": torch.randn(2, columns)}
    change = layers_changed_by(lora, model, folder, strength=0.5)
    assert sorted(change) == sorted(layers)
    delta = lora[f"{key}.{up}"] @ lora[f"{key}.{down}"] * 0.5
    assert torch.allclose(torch.cat([change[name] for name in layers]), delta, atol=1e-5)
