"""What is no number is found wherever it is, and computed again in float32 where that helps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from modules.compute.precision import NotFinite, check_finite, finite_or_upcast, is_finite

WORDS = {"what": "The VAE's output", "remedy": "Choose another VAE."}


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0, 777, 999])
def test_one_bad_value_anywhere_is_found(bad: float, place: int) -> None:
    values = torch.zeros(1000)
    assert is_finite(values) and check_finite(values, **WORDS) is values
    values[place] = bad
    assert not is_finite(values)
    with pytest.raises(NotFinite, match="VAE's output") as raised:
        check_finite(values, **WORDS)
    assert raised.value.remedy == "Choose another VAE."


def overflowing(layer: nn.Linear) -> Tensor:
    """300 * 300 passes float16's 65504."""
    return layer(torch.full((1, 1), 300.0, dtype=layer.weight.dtype))


@pytest.fixture
def layer() -> nn.Linear:
    made = nn.Linear(1, 1, bias=False).half()
    nn.init.constant_(made.weight, 300.0)
    return made.requires_grad_(False)


def test_an_overflow_is_computed_again_in_float32_and_remembered(layer: nn.Linear) -> None:
    calls: list[torch.dtype] = []

    def compute(dtype: torch.dtype) -> Tensor:
        calls.append(dtype)
        return overflowing(layer)

    assert finite_or_upcast(layer, compute, **WORDS).item() == 90_000
    assert finite_or_upcast(layer, compute, **WORDS).item() == 90_000
    assert calls == [torch.float16, torch.float16, torch.float32, torch.float32]     # the first may have been chance
    assert layer.weight.dtype is torch.float32


def test_what_float32_cannot_cure_is_an_error(layer: nn.Linear) -> None:
    with pytest.raises(NotFinite, match="100% of its values"):
        finite_or_upcast(layer, lambda dtype: overflowing(layer) * float("nan"), **WORDS)
