"""What OpenVINO computes in a model's place is what the model computes; nobody waits for it, and a model that was changed is never taken for what it was."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from modules.compute import openvino_calls
from modules.compute.attention import ALWAYS_THE_SAME
from modules.compute.openvino_calls import OpenVinoCalls, Target, is_installed, target_names, translated
from modules.compute.processor_layers import suit_processor

OFF, CPU = "Off", "CPU"


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.config, self.layer, self.scale, self.called = {}, nn.Conv2d(4, 4, 3, padding=1), 1.0, [0]

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Model:
        return cls()

    def forward(self, x: Tensor, *, timestep: Tensor, return_dict: bool = False) -> tuple[Tensor]:
        self.called[0] += threading.current_thread() is threading.main_thread()
        return (self.layer(x) * timestep.view(-1, 1, 1, 1) * self.scale,)


class Bench:
    """A model, and a translator that gives what the model was when it was translated, ``wrong`` times as much."""

    def __init__(self) -> None:
        self.model, self.translations, self.wrong, self.failure = Model(), 0, 1.0, ""
        self.calls = OpenVinoCalls(self.model, plain_attention=(), translator=self.translator)
        self.calls._calls._packages = ("torch", "tests")

    def translator(self, model: nn.Module, given: Sequence[Tensor], target: Target) -> Callable[[Sequence[Tensor]], Tensor]:
        if self.failure:
            raise RuntimeError(self.failure)
        self.translations += 1
        weights = {name: each.clone() for name, each in model.state_dict().items()}

        def answer(tensors: Sequence[Tensor]) -> Tensor:
            if self.failure:
                raise RuntimeError(self.failure)
            return torch.func.functional_call(model, weights, tuple(tensors)) * self.wrong

        return answer

    def draw(self, *, side: int = 8, steps: int = 3, openvino: str = CPU) -> int:
        """One pass; how many of its calls the model itself did. Each is right."""
        call, own = self.calls.asked(records=False, compiles=False, openvino=openvino), 0
        for _ in range(steps):
            x, named = torch.randn(2, 4, side, side), {"timestep": torch.rand(2), "return_dict": False}
            before = self.model.called[0]
            (found,) = call(x, **named)
            own += self.model.called[0] - before
            if self.calls._thread is not None:
                self.calls._thread.join()
            assert torch.allclose(found, self.model(x, **named)[0], atol=1e-5)
        return own


def test_the_first_call_goes_the_usual_way_and_the_next_ones_are_openvinos() -> None:
    bench = Bench()
    assert [bench.draw(), bench.draw(), bench.draw(side=16), bench.draw(side=16)] == [1, 0, 1, 0]
    assert bench.translations == 1 and "The next steps are computed by it" in bench.calls.said


def test_off_is_the_model_itself_and_gives_the_memory_back() -> None:
    bench = Bench()
    bench.draw()
    assert bench.draw(openvino=OFF) == 3 and bench.calls._found is None
    assert bench.calls.asked(records=False, compiles=False) is bench.model


def test_other_weights_are_drawn_by_the_model_and_translated_for_the_second_pass_that_has_them() -> None:
    bench = Bench()
    bench.draw()
    bench.model.layer.weight.data.mul_(2)
    assert bench.draw() == 3 and bench.translations == 1
    assert bench.draw() == 1 and bench.translations == 2
    assert bench.draw() == 0


def test_what_the_translation_does_not_have_is_drawn_by_the_model() -> None:
    bench = Bench()
    bench.wrong = 1.1                               # as where tiling was set, which is no part of the model's config
    assert bench.draw() == 3 and bench.draw() == 3
    assert "the usual way" in bench.calls.said


def test_whoever_listens_at_the_model_hears_it() -> None:
    bench = Bench()
    bench.draw()

    def threefold(module: nn.Module, given: Any, found: Tensor) -> Tensor:
        return found * 3

    handle = bench.model.layer.register_forward_hook(threefold)
    assert bench.draw() == 3
    handle.remove()
    assert bench.draw() == 0


def test_a_failure_is_told_and_costs_no_picture() -> None:
    bench = Bench()
    bench.draw()
    bench.failure = "the driver is gone"
    assert bench.draw() == 3 and "the driver is gone" in bench.calls.said
    bench = Bench()
    bench.failure = "no such device"
    assert bench.draw() == 3 and bench.draw() == 3 and "no such device" in bench.calls.said


def test_too_little_memory_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_calls, "_ROOM", 2**60)
    bench = Bench()
    assert bench.draw() == 3 and bench.translations == 0
    assert "GB are free" in bench.calls.said and "Off" in bench.calls.said


@pytest.mark.skipif(not is_installed(), reason="the package openvino is not installed: it has no wheel for this system")
def test_a_unet_gives_the_same_by_openvino_for_any_size() -> None:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    model = UNet2DConditionModel(
        block_out_channels=(32, 64), layers_per_block=1, sample_size=8, cross_attention_dim=16, norm_num_groups=8, attention_head_dim=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    ).eval()  # fmt: skip
    suit_processor(model)
    assert CPU in target_names()
    calls = OpenVinoCalls(model, plain_attention=(*ALWAYS_THE_SAME, *{type(each) for each in model.attn_processors.values()}), translator=translated)
    rng = torch.get_rng_state()
    for number, (height, width) in enumerate([(8, 8), (8, 8), (16, 8), (16, 8), (6, 10), (6, 10)]):
        call = calls.asked(records=False, compiles=False, openvino=CPU)
        latent, named = torch.ones(2, 4, height, width) * 0.3, {"timestep": torch.full((2,), 7.0 + number), "encoder_hidden_states": torch.ones(2, 77, 16)}
        latent[0] += torch.linspace(0, 1, width)
        (found,) = call(latent, **named, return_dict=False)
        if calls._thread is not None:
            calls._thread.join()
        assert torch.allclose(found, model(latent, **named, return_dict=False)[0], atol=1e-4)
        assert "The next steps are computed by it" in calls.said, calls.said
    assert torch.equal(torch.get_rng_state(), rng)
    assert sys.modules["openvino_telemetry"] is None        # it would tell its makers
