"""Steps recorded of a call give what the call gives, to the last bit, for whatever then lies in its inputs; what they cannot repeat is not recorded."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate, layer_norm, pad, scaled_dot_product_attention, silu

from modules.compute.steps import record_steps

CPU = torch.device("cpu")


class Model(nn.Module):
    """What UNets are made of, in a handful of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.down, self.norm = nn.Conv2d(4, 16, 3, padding=1), nn.Conv2d(16, 16, 3, stride=2, padding=1), nn.GroupNorm(4, 16)
        self.time, self.text, self.last = nn.Linear(8, 16), nn.Linear(6, 16), nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor, timestep: Tensor, text: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        waves = timestep[:, None] * torch.exp(-torch.arange(4) * math.log(10))
        time = self.time(torch.cat([waves.sin(), waves.cos()], dim=-1))
        first = silu(self.norm(self.first(x)), inplace=True)
        first.add_(time[:, :, None, None])
        hidden = self.down(first).contiguous(memory_format=torch.channels_last)
        tokens = hidden.flatten(2).transpose(1, 2)
        query, key = (each.unflatten(-1, (2, 8)).transpose(1, 2) for each in (tokens, self.text(text)))
        seen = scaled_dot_product_attention(query, key, key).transpose(1, 2).flatten(2)
        values, gate = layer_norm(seen, (16,)).chunk(2, dim=-1)
        tokens = torch.cat([gelu(gate).mul_(values)] * 2, dim=-1) / 2 - tokens
        up = interpolate(tokens.transpose(1, 2).unflatten(2, hidden.shape[2:]), scale_factor=2.0, mode="nearest")
        around = pad(up, (1, 1, 1, 1), value=0.5)[:, :, 1:-1, 1:-1] + pad(up, (1, 1, 1, 1))[:, :, 2:, 2:]
        total = torch.zeros(len(x), 1, 1, 1)
        total.add_(around.mean(dim=(1, 2, 3), keepdim=True))
        return self.last(torch.cat([first, around], dim=1)) + total, {"time": time}


def inputs() -> list[Tensor]:
    return [torch.randn(2, 4, 8, 8), torch.rand(2) * 900, torch.randn(2, 5, 6)]


class Recorded:
    """``work`` on the memory of ``given``, and its steps."""

    def __init__(self, model: Callable[..., Any], given: list[Tensor]) -> None:
        self.model, self.given, self.results = model, given, list[Any]()
        self.play = record_steps(self.work, CPU, given)

    def work(self) -> Any:
        self.results.append(self.model(*self.given))
        return self.results[-1]

    def with_inputs(self, fresh: list[Tensor]) -> Any:
        for mine, new in zip(self.given, fresh):
            mine.copy_(new)
        self.play()
        return self.results[0]


@pytest.fixture(autouse=True)
def without_gradients() -> Any:
    with torch.no_grad():
        yield


def test_steps_give_what_the_model_gives() -> None:
    model = Model()
    recorded = Recorded(model, inputs())
    for _ in range(3):
        fresh = inputs()
        own, own_more = model(*fresh)
        found, more = recorded.with_inputs(fresh)
        assert torch.equal(found, own) and torch.equal(more["time"], own_more["time"])


def test_weights_that_change_where_they_lie_are_used_as_they_are() -> None:
    model = Model()
    recorded = Recorded(model, inputs())
    for layer in (model.first, model.text, model.time, model.norm):
        layer.weight.mul_(1.5)
    fresh = inputs()
    assert torch.equal(recorded.with_inputs(fresh)[0], model(*fresh)[0])


def test_they_are_recorded_and_played_within_inference_too() -> None:
    model, given = Model(), inputs()
    with torch.inference_mode():
        recorded, fresh = Recorded(model, given), inputs()
        assert torch.equal(recorded.with_inputs(fresh)[0], model(*fresh)[0])


def test_results_between_share_their_memory() -> None:
    def long(x: Tensor) -> Tensor:
        for _ in range(100):
            x = x * 1.01
        return x

    recorded = Recorded(long, [torch.randn(1000)])
    places = {step.keywords["out"].data_ptr() for step in recorded.play.__closure__[0].cell_contents}       # type: ignore[attr-defined]
    assert len(places) <= 3


def noise(x: Tensor) -> Tensor:
    return x + torch.randn(x.shape)


def decision(x: Tensor) -> Tensor:
    return x * 2 if float(x.sum()) > 0 else x


def arithmetic_of_others(x: Tensor) -> Tensor:
    return x + torch.from_numpy(np.sin(x.numpy()))


LASTING = torch.empty(6)


def arithmetic_of_others_in_lasting_memory(x: Tensor) -> Tensor:
    np.sin(x.numpy(), out=LASTING.numpy())
    return x + LASTING


def nothing(x: Tensor) -> None:
    return None


@pytest.mark.parametrize("model", [noise, decision, arithmetic_of_others, arithmetic_of_others_in_lasting_memory, nothing])
def test_what_steps_cannot_repeat_is_not_recorded(model: Callable[..., Any]) -> None:
    given = [torch.rand(6)]
    before = given[0].clone()
    with pytest.raises(RuntimeError):
        Recorded(model, given)
    assert torch.equal(given[0], before)
