"""Convolutions on the processor: the plain sum's result at every size, whoever changed the weights, and gradients for those who train."""

from __future__ import annotations

import copy
import functools
import pickle

import pytest
import torch
from torch import Tensor, nn

from modules.compute import processor_layers
from modules.compute.convolution import Scratch, convolved
from modules.compute.processor_layers import PointConv2d, SquareConv2d, suit_processor
from modules.engine.tiling import tiled

pytestmark = pytest.mark.usefixtures("products_of")


@pytest.fixture(autouse=True)
def narrow_layers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tests are of narrow layers, which otherwise stay as they are."""
    monkeypatch.setattr(processor_layers, "FEWEST_OUTPUTS", 16)


def exactly(x: Tensor, layer: nn.Conv2d) -> Tensor:
    bias = None if layer.bias is None else layer.bias.double()
    return nn.functional.conv2d(x.double(), layer.weight.double(), bias, padding=layer.padding)  # type: ignore[arg-type]


def error(found: Tensor, wanted: Tensor) -> float:
    assert found.shape == wanted.shape
    return float((found - wanted).norm() / wanted.norm())


def layer(inputs: int, outputs: int, *, bias: bool = True) -> nn.Conv2d:
    torch.manual_seed(inputs * 1000 + outputs)
    made = nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)
    suit_processor(nn.Sequential(made))
    assert isinstance(made, SquareConv2d)
    return made.requires_grad_(False)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (8, 8), (17, 31), (64, 64), (4, 700), (63, 2)], ids=str)
@pytest.mark.parametrize(("inputs", "outputs"), [(4, 16), (24, 40), (32, 16)])
def test_every_size_gives_the_plain_sum(size: tuple[int, int], inputs: int, outputs: int) -> None:
    for bias in (True, False):
        x, made = torch.randn(2, inputs, *size), layer(inputs, outputs, bias=bias)
        found = made(x)
        assert error(found, exactly(x, made)) < 2e-6
        assert torch.equal(found, made(x.contiguous(memory_format=torch.channels_last)))


def test_a_kernel_that_is_transformed_in_parts_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x, made = torch.randn(2, 40, 30, 21), layer(40, 24)
    monkeypatch.setattr("modules.compute.convolution._KERNEL_VALUES", 36 * 24 * 7)
    for name in ("_PART_VALUES", "_PART_VALUES_OF_HAND"):
        monkeypatch.setattr(f"modules.compute.convolution.{name}", 36 * 24 * 7)
    assert error(made(x), exactly(x, made)) < 2e-6


def test_memory_that_is_used_again_does_not_reach_into_what_was_given_out() -> None:
    scratch = Scratch()
    x, kernel = torch.randn(1, 16, 32, 32), torch.randn(3, 3, 16, 16)
    first = convolved(x, kernel, None, scratch)
    kept = first.clone()
    convolved(-x, kernel * 2, None, scratch)
    assert torch.equal(first, kept)


def test_a_first_use_in_inference_mode_binds_no_later_one() -> None:
    scratch = Scratch()
    x, kernel = torch.randn(1, 16, 32, 32), torch.randn(3, 3, 16, 16)
    with torch.inference_mode():
        first = convolved(x, kernel, None, scratch)
    assert torch.equal(convolved(x, kernel, None, scratch), first)


def test_weights_that_a_network_changes_act_in_whatever_order_they_lie() -> None:
    x, made = torch.randn(1, 16, 24, 24), layer(16, 16)
    before, original = made(x), made.weight.data
    made.weight.data = (original + 0.5).contiguous()
    assert error(made(x), exactly(x, made)) < 2e-6
    made.weight.data = original
    assert torch.equal(made(x), before)


def test_pictures_that_continue_at_the_opposite_edge_still_do() -> None:
    x, made = torch.randn(1, 16, 24, 24), layer(16, 16)
    with tiled([made]):
        round_the_border = made(x)
    wanted = nn.functional.conv2d(nn.functional.pad(x, (1, 1, 1, 1), mode="circular").double(), made.weight.double(), made.bias.double())  # type: ignore[union-attr]
    assert error(round_the_border, wanted) < 2e-6


def test_those_who_train_get_their_gradients() -> None:
    square, point = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 1)
    suit_processor(nn.Sequential(square, point))
    assert isinstance(point, PointConv2d)
    point(square(torch.randn(1, 16, 24, 24))).sum().backward()
    assert square.weight.grad is not None and point.weight.grad is not None


def test_a_single_cell_kernel_is_the_plain_one() -> None:
    made = nn.Conv2d(24, 40, 1).requires_grad_(False)
    suit_processor(nn.Sequential(made))
    x = torch.randn(2, 24, 7, 9)
    assert error(made(x), exactly(x, made)) < 1e-6


def test_what_is_no_plain_float32_stays_with_torch() -> None:
    made, x = layer(16, 16), torch.randn(1, 16, 32, 32)
    wanted = exactly(x, made)
    assert made.double()(x.double()).dtype is torch.float64
    assert error(made(x.double()), wanted) < 1e-12


def test_a_model_can_be_copied_and_written_to_disk_whole() -> None:
    x, made = torch.randn(1, 16, 32, 32), layer(16, 16)
    for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert torch.equal(other(x), made(x))


def test_weights_are_given_out_in_the_order_that_files_have() -> None:
    made = layer(16, 24)
    state = nn.Sequential(made).state_dict()
    assert all(each.is_contiguous() for each in state.values())
    assert torch.equal(state["0.weight"], made.weight)


def test_an_extension_that_replaced_linear_layers_before_is_asked(monkeypatch: pytest.MonkeyPatch, products_of: str) -> None:
    inner = nn.Linear(8, 8).requires_grad_(False)
    suit_processor(nn.Sequential(inner))
    assert (type(inner) is not nn.Linear) == (products_of == "numpy")
    x, original = torch.randn(3, 8), nn.Linear.forward
    wanted = inner(x)

    @functools.wraps(original)
    def doubled(self: nn.Linear, input: Tensor) -> Tensor:
        return original(self, input) * 2

    monkeypatch.setattr(nn.Linear, "forward", doubled)
    assert torch.allclose(inner(x), wanted * 2)
