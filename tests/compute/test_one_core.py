"""Small pictures of small models are drawn on one core, recorded in a pause, and never otherwise than the model draws them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from modules.compute import one_core
from modules.compute.attention import ALWAYS_THE_SAME
from modules.compute.one_core import MOST_BYTES, OneCore, is_small
from modules.compute.processor_layers import PointConv2d


class Model(nn.Module):
    """heard: how many rows each call of Python had. seen: called in each."""

    heard: list[int]

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.scale, self.heard = nn.Conv2d(4, 4, 3, padding=1), 1.0, []
        self.seen: Callable[[], object] = int

    def forward(self, x: Tensor, *, timestep: Tensor, encoder_hidden_states: Tensor, **named: object) -> tuple[Tensor]:
        self.heard.append(len(x))
        self.seen()
        return (self.layer(x) * self.scale * timestep.view(-1, 1, 1, 1) + encoder_hidden_states.mean(dim=(1, 2)).view(-1, 1, 1, 1),)


ARGUMENTS: dict[str, Any] = {"timestep": torch.ones(2), "encoder_hidden_states": torch.ones(2, 7, 5), "added_cond_kwargs": None, "return_dict": False}


class Bench:
    def __init__(self, model: nn.Module | None = None) -> None:
        self.model: Any = model or Model()
        self.calls = OneCore(self.model, plain_attention=ALWAYS_THE_SAME, packages=("torch", "tests"), pause=0.3)
        self.call = self.calls.asked(records=True, compiles=False)

    def draw(self, *, rows: int = 2, side: int = 8) -> int:
        """How many calls of Python it took; the result is the model's own, to the last bit."""
        arguments = {"timestep": torch.rand(rows), "encoder_hidden_states": torch.randn(rows, 7, 5), "added_cond_kwargs": None, "return_dict": False}
        latent = torch.randn(rows, 4, side, side)
        with torch.no_grad():
            before = len(self.model.heard)
            (found,) = self.call(latent, **arguments)
            took = len(self.model.heard) - before
            assert torch.equal(found, self.model(latent, **arguments)[0])
        return took

    def pause(self) -> None:
        end = time.monotonic() + 20
        while self.calls.is_busy:
            assert time.monotonic() < end, "it is still recording"
            time.sleep(0.01)


def recorded() -> Bench:
    bench = Bench()
    bench.draw()
    bench.pause()
    assert bench.calls.count == 1
    return bench


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_after_a_pause_it_goes_without_python(rows: int) -> None:
    bench = Bench()
    assert bench.draw(rows=rows) == 1 and bench.calls.count == 0
    bench.pause()
    assert bench.draw(rows=rows) == 0 and bench.calls.count == 1


def test_each_size_and_each_batch_is_recorded() -> None:
    bench = Bench()
    for _ in range(2):
        for rows, side in ((2, 8), (4, 8), (2, 4)):
            bench.draw(rows=rows, side=side)
        bench.pause()
    assert bench.calls.count == 3


def test_where_numpy_multiplies_it_is_recorded_too(products_of: str) -> None:
    class Multiplies(Model):
        def __init__(self) -> None:
            super().__init__()
            self.layer: Any = PointConv2d(4, 4, 1)

    bench = Bench(Multiplies())
    bench.calls._packages = ("torch", "tests", "modules")
    for took in (1, 0):
        latent, found = torch.randn(2, 4, 8, 8), []
        with torch.no_grad():
            before = len(bench.model.heard)
            found.append(bench.call(latent, **ARGUMENTS)[0])
            assert len(bench.model.heard) - before == took
            assert torch.allclose(found[0], bench.model(latent, **ARGUMENTS)[0], atol=1e-5)
        bench.pause()


def test_one_core_computes_it(three_threads: None) -> None:
    bench, threads = Bench(), []
    bench.model.seen = lambda: threads.append(torch.get_num_threads())
    bench.call(torch.randn(2, 4, 8, 8), **ARGUMENTS)
    with torch.no_grad():
        bench.call(torch.randn(2, 4, 8, 8), **ARGUMENTS)
        bench.call(torch.randn(2, 4, 32, 32), **ARGUMENTS)
    assert threads == [3, 1, 3]                     # with gradients, small, large


def test_nothing_is_recorded_as_long_as_it_is_called() -> None:
    bench = Bench()
    end = time.monotonic() + 1
    while time.monotonic() < end:
        bench.draw()
    assert bench.calls.count == 0


@pytest.mark.parametrize("change", [
    lambda model: setattr(model.layer.weight, "data", model.layer.weight.data * 2),
    lambda model: setattr(model, "layer", nn.Conv2d(4, 4, 3, padding=1)),
    lambda model: setattr(model.layer, "padding_mode", "circular"),
    lambda model: setattr(model, "scale", 3.0),
], ids=["weights", "layer", "tiling", "attribute"])  # fmt: skip
def test_a_changed_model_is_recorded_anew(change: Callable[[Any], object]) -> None:
    bench = recorded()
    change(bench.model)
    if bench.model.layer.padding_mode == "circular":
        bench.model.layer._reversed_padding_repeated_twice = [1, 1, 1, 1]
    bench.call = bench.calls.asked(records=True, compiles=False)
    assert bench.draw() == 1
    bench.pause()
    assert bench.draw() == 0


def test_weights_changed_where_they_lie_need_nothing_new() -> None:
    bench = recorded()
    with torch.no_grad():
        bench.model.layer.weight.mul_(2)
    assert bench.draw() == 0


@pytest.mark.parametrize("place", ["", "layer"])
def test_whoever_listens_hears_every_call(place: str, three_threads: None) -> None:
    bench, heard = recorded(), []
    here = threading.get_ident()
    module = bench.model.get_submodule(place)
    for register in (module.register_forward_pre_hook, module.register_forward_hook):
        handle = register(lambda *_: heard.append(threading.get_ident()))
        heard.clear()
        bench.draw()
        handle.remove()
        assert heard == [here, here]                # the call, and the comparison, in the thread of whoever draws


def test_a_class_that_an_extension_changed_is_called_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    own, heard = nn.Conv2d.forward, []
    words: dict[str, Any] = {"own": own, "heard": heard}
    exec(compile("def exchanged(self, x):\n    heard.append(len(x))\n    return own(self, x)\n", "/extensions/one/scripts/one.py", "exec"), words)
    for bench in (Bench(), recorded()):
        with monkeypatch.context() as patch:
            patch.setattr(nn.Conv2d, "forward", words["exchanged"])
            heard.clear()
            bench.draw(rows=3)
            assert heard == [3, 3]


@pytest.mark.parametrize("named", [
    {"added_cond_kwargs": {"text_embeds": torch.zeros(2, 3)}}, {"timestep": torch.tensor(3.0)}, {"timestep": torch.ones(2, dtype=torch.float64)}, {"residuals": (torch.ones(2),)},
], ids=["SDXL", "one timestep for all", "another type", "ControlNet"])  # fmt: skip
def test_what_is_not_plain_is_not_recorded(named: dict[str, Any], three_threads: None) -> None:
    bench, threads = Bench(), []
    bench.model.seen = lambda: threads.append(torch.get_num_threads())
    with torch.no_grad():
        bench.call(torch.randn(2, 4, 8, 8), **{**ARGUMENTS, **named})
    assert threads == [1] and not bench.calls.is_busy     # with the numbers of those that are


def test_gradients_go_the_usual_way() -> None:
    bench = Bench()
    (found,) = bench.call(torch.randn(2, 4, 8, 8), **ARGUMENTS)
    found.sum().backward()
    assert bench.model.heard == [2] and bench.model.layer.weight.grad is not None and not bench.calls.is_busy


class ByPython(Model):
    """What TorchScript would take for a constant."""

    def forward(self, x: Tensor, **named: Any) -> tuple[Tensor]:  # type: ignore[override]
        (found,) = super().forward(x, **named)
        return (found * torch.from_numpy(x.detach().numpy().copy()).sum(),)


class Never(Model):
    def forward(self, x: Tensor, **named: Any) -> tuple[Tensor]:  # type: ignore[override]
        if torch.jit.is_tracing():
            raise RuntimeError("not this one")
        return super().forward(x, **named)


@pytest.mark.parametrize("kind", [ByPython, Never])
def test_what_cannot_be_recorded_is_tried_once_and_goes_by_python(kind: type[Model]) -> None:
    bench = Bench(kind())
    for _ in range(2):
        assert bench.draw() == 1
        bench.pause()
    assert bench.calls.count == 0 and not bench.calls.is_busy


def test_a_call_while_it_is_recorded_puts_that_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model may have been changed for that call, as by a LoRA, and back."""
    bench, tries = Bench(), []
    own = one_core.recorded

    def once_disturbed(*arguments: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            bench.draw()
            raise RuntimeError("the weights were in motion")
        return own(*arguments)

    monkeypatch.setattr(one_core, "recorded", once_disturbed)
    bench.draw()
    bench.pause()
    assert len(tries) == 2 and bench.calls.count == 1


def test_who_does_not_want_recordings_has_none() -> None:
    bench = recorded()
    bench.call = bench.calls.asked(records=False, compiles=False)
    assert bench.calls.count == 0 and bench.draw() == 1 and not bench.calls.is_busy


def test_the_end_of_the_program_waits_for_what_is_recorded() -> None:
    """Whoever calls may be a daemon, as the worker of the jobs is."""
    bench = Bench()
    caller = threading.Thread(target=bench.draw, daemon=True)
    caller.start()
    caller.join()
    assert bench.calls._thread is not None and not bench.calls._thread.daemon


def test_forgetting_ends_the_waiting_too() -> None:
    bench = Bench()
    bench.calls._pause = 0.5
    bench.draw()
    assert bench.calls.is_busy
    bench.calls.forget()
    bench.pause()
    assert bench.calls.count == 0


def test_many_threads_draw_with_one_recording(three_threads: None) -> None:
    bench = recorded()
    failed: list[BaseException] = []

    def draw() -> None:
        try:
            for _ in range(20):
                bench.draw(rows=4)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=draw) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failed


def test_which_models_are_small() -> None:
    assert is_small(Model()) and not is_small(Model().half()) and not is_small(nn.Identity()) and not is_small(Model().to("meta"))
    with torch.device("meta"):
        large = nn.Linear(MOST_BYTES // 4, 2)
    assert not is_small(large)
