"""Small pictures of small models are drawn on one core, and never otherwise than the model draws them."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from modules.compute.attention import ALWAYS_THE_SAME
from modules.compute.one_core import MOST_BYTES, OneCore, is_small

HERE = "in the thread of the job"
ARGUMENTS: dict[str, Any] = {"timestep": torch.ones(2), "encoder_hidden_states": torch.ones(2, 7, 5), "added_cond_kwargs": None, "return_dict": False}


class Model(nn.Module):
    """seen: of each call, PyTorch's threads, or ``HERE`` where it came from this one."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.job, self.seen = nn.Conv2d(4, 4, 3, padding=1), threading.get_ident(), []

    def forward(self, x: Tensor, *, timestep: Tensor, encoder_hidden_states: Tensor, **named: object) -> tuple[Tensor]:
        self.seen.append(HERE if threading.get_ident() == self.job else torch.get_num_threads())
        return (self.layer(x) * timestep.view(-1, 1, 1, 1) + encoder_hidden_states.mean(dim=(1, 2)).view(-1, 1, 1, 1),)


class Bench:
    def __init__(self) -> None:
        self.model = Model()
        self.call = OneCore(self.model, plain_attention=ALWAYS_THE_SAME, packages=("torch", "tests")).asked(records=True, compiles=False)

    def draw(self, *, side: int = 8, **named: Any) -> Any:
        """Where it was computed; the result is the model's own."""
        latent, arguments = torch.randn(2, 4, side, side), {**ARGUMENTS, "timestep": torch.rand(2), **named}
        with torch.no_grad():
            (found,) = self.call(latent, **arguments)
            where = self.model.seen[-1]
            assert torch.equal(found, self.model(latent, **arguments)[0])
        return where


@pytest.mark.parametrize("named", [{}, {"added_cond_kwargs": {"text_embeds": torch.zeros(2, 3)}}, {"residuals": (torch.ones(2),)}], ids=["plain", "SDXL", "ControlNet"])
def test_small_pictures_take_one_core(named: dict[str, Any], three_threads: None) -> None:
    assert Bench().draw(**named) == 1


def test_from_the_third_call_of_a_kind_on_only_the_steps_are_left(three_threads: None) -> None:
    bench = Bench()
    latents = [torch.randn(2, 4, 8, 8) for _ in range(5)]
    with torch.no_grad():
        found, called = [], []
        for each in latents:
            found.append(bench.call(each, **ARGUMENTS)[0])
            called.append(len(bench.model.seen))
        own = [bench.model(each, **ARGUMENTS)[0] for each in latents]
    assert called[1] == called[4] and all(map(torch.equal, found, own))


def test_a_model_that_nobody_needs_goes_with_its_steps(three_threads: None) -> None:
    bench = Bench()
    for _ in range(3):
        bench.draw()
    model = weakref.ref(bench.model)
    del bench
    gc.collect()
    assert model() is None


def test_large_ones_take_all(three_threads: None) -> None:
    assert Bench().draw(side=32) == HERE


@pytest.mark.parametrize("place", ["", "layer"])
def test_whoever_listens_does_so_in_the_thread_of_the_job(place: str, three_threads: None) -> None:
    bench, heard = Bench(), []
    assert bench.draw() == 1
    module = bench.model.get_submodule(place)
    for register in (module.register_forward_pre_hook, module.register_forward_hook):
        handle = register(lambda *_: heard.append(threading.get_ident()))
        heard.clear()
        assert bench.draw() == HERE and set(heard) == {threading.get_ident()}
        handle.remove()
    assert bench.draw() == 1


def test_a_class_that_an_extension_changed_works_there_too(three_threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    words: dict[str, Any] = {"own": nn.Conv2d.forward}
    exec(compile("def exchanged(self, x):\n    return own(self, x)\n", "/extensions/one/scripts/one.py", "exec"), words)
    bench = Bench()
    assert bench.draw() == 1
    with monkeypatch.context() as patch:
        patch.setattr(nn.Conv2d, "forward", words["exchanged"])
        assert bench.draw() == bench.draw() == HERE
    assert bench.draw() == 1


def test_gradients_come_as_ever(three_threads: None) -> None:
    bench = Bench()
    (found,) = bench.call(torch.randn(2, 4, 8, 8), **ARGUMENTS)
    found.sum().backward()
    assert bench.model.layer.weight.grad is not None and bench.model.seen == [HERE]


def test_what_goes_wrong_reaches_the_job(three_threads: None) -> None:
    with torch.no_grad(), pytest.raises(RuntimeError, match="expected input"):
        Bench().call(torch.randn(2, 3, 8, 8), **ARGUMENTS)


def test_which_models_are_small() -> None:
    assert is_small(Model()) and not is_small(Model().half()) and not is_small(nn.Identity()) and not is_small(Model().to("meta"))
    with torch.device("meta"):
        large = nn.Linear(MOST_BYTES // 4, 2)
    assert not is_small(large)
