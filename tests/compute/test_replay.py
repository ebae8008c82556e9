"""Which calls of a model are recorded and replayed, and which are not, by a recorder that can do without a GPU."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from modules.compute.compiled import Compiled
from modules.compute.hooked import Watcher
from modules.compute.model_state import details_of, state_of
from modules.compute.replay import Kind, Replays, kind_of


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.processor: Any = Processor()
        self.scale = 1.0

    def forward(self, x: Tensor) -> Tensor:
        return self.processor(x) * self.scale


class Processor:
    def __call__(self, x: Tensor) -> Tensor:
        return x


class OtherProcessor(Processor):
    pass


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.attention = nn.Linear(4, 4), Attention()

    def forward(self, x: Tensor, *, context: Tensor | None = None, return_dict: bool = False) -> tuple[Tensor]:
        found = self.attention(self.layer(x))
        return (found if context is None else found + context,)


class Tape:
    """Records by noting what was done, and does it again on the same memory."""

    def __init__(self) -> None:
        self.recorded = self.played = 0
        self.fails = False

    def __call__(self, work: Callable[[], Any], device: torch.device, inputs: Sequence[Tensor]) -> Callable[[], object]:
        if self.fails:
            raise RuntimeError("operation not permitted when stream is capturing")
        self.recorded += 1
        results: list[Any] = []
        owner = work.__closure__
        assert owner is not None
        found: list[Any] = next(cell.cell_contents for cell in owner if isinstance(cell.cell_contents, list))
        work()

        def play() -> None:
            self.played += 1
            results.clear()
            work()
            new = found.pop()
            for old, fresh in zip(found[0], new):
                old.copy_(fresh)

        return play


class Bench:
    def __init__(self, own_way: Any = lambda *_: None, has_room: bool = True) -> None:
        self.model, self.tape = Model(), Tape()
        self.replays = Replays(self.model, plain_attention=(Processor,), own_way=own_way, record=self.tape, has_room=lambda cells: has_room, packages=("torch", "tests"))
        self.call = self.replays.asked(records=True, compiles=False)

    def draw(self, side: int = 4, *, times: int = 1, **named: Any) -> None:
        """Calls whose results are compared with the model's own."""
        for _ in range(times):
            x = torch.randn(2, 1, side, 4)
            with torch.no_grad():
                found, own = self.call(x, **named)[0], self.model(x, **named)[0]
            assert torch.equal(found, own)


def test_the_second_call_is_recorded_and_later_ones_are_replayed_with_what_they_are_given() -> None:
    bench = Bench()
    for _ in range(4):
        bench.draw(context=torch.randn(4))
    assert (bench.tape.recorded, bench.tape.played) == (1, 3)


def test_another_size_is_another_recording() -> None:
    bench = Bench()
    for side in (4, 8, 4, 8, 4, 8):
        bench.draw(side)
    assert bench.tape.recorded == 2 and bench.replays.count == 2


def test_results_are_the_callers_own() -> None:
    bench = Bench()
    with torch.no_grad():
        found = [bench.call(torch.full((1, 1, 1, 4), float(number)))[0] for number in range(4)]
    assert len({tuple(each.flatten().tolist()) for each in found}) == 4


@pytest.mark.parametrize("change", [
    lambda model: setattr(model.layer.weight, "data", model.layer.weight.data * 2),
    lambda model: setattr(model.attention, "processor", Processor()),
    lambda model: setattr(model, "layer", nn.Linear(4, 4)),
    lambda model: setattr(model.layer, "__class__", type("Other", (nn.Linear,), {})),
], ids=["weights", "processor", "layer", "class"])  # fmt: skip
def test_a_changed_model_is_recorded_anew(change: Callable[[Any], object]) -> None:
    bench = Bench()
    bench.draw(times=3)
    change(bench.model)
    bench.draw(times=3)
    assert bench.tape.recorded == 2


def test_weights_changed_where_they_lie_need_nothing_new() -> None:
    bench = Bench()
    bench.draw(times=3)
    with torch.no_grad():
        bench.model.layer.weight.mul_(2)
    bench.draw()
    assert bench.tape.recorded == 1


def test_attributes_are_looked_at_in_each_pass() -> None:
    bench = Bench()
    bench.draw(times=3)
    bench.model.attention.scale = 3.0
    bench.call = bench.replays.asked(records=True, compiles=False)
    bench.draw(times=3)
    assert bench.tape.recorded == 2


@pytest.mark.parametrize("place", ["", "layer", "attention"])
def test_whoever_listens_hears_every_call(place: str) -> None:
    bench = Bench()
    heard: list[str] = []
    bench.draw(times=3)
    module = bench.model.get_submodule(place)
    for register in (module.register_forward_pre_hook, module.register_forward_hook):
        handle = register(lambda *_: heard.append(place))
        heard.clear()
        bench.draw(times=3)
        handle.remove()
        assert len(heard) == 6                      # each call, and the comparison
    module.forward = lambda *_, own=module.forward, **named: (heard.append(place), own(*_, **named))[1]  # type: ignore[method-assign]
    heard.clear()
    bench.draw()
    assert len(heard) == 2


def test_a_foreign_attention_is_not_recorded() -> None:
    bench = Bench()
    bench.model.attention.processor = OtherProcessor()
    bench.draw(times=4)
    assert bench.tape.recorded == 0


@pytest.mark.parametrize("kind", [nn.Linear, Attention, Processor])
def test_a_class_that_an_extension_changed_is_not_recorded(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first call already, and under the name of what it stands for."""
    method = "__call__" if kind is Processor else "forward"
    own, heard = getattr(kind, method), []
    words: dict[str, Any] = {"own": own, "heard": heard, "wraps": functools.wraps}
    source = "@wraps(own)\ndef exchanged(*arguments):\n    heard.append(1)\n    return own(*arguments)\n"
    exec(compile(source, "/extensions/one/scripts/one.py", "exec"), words)
    bench = Bench()
    monkeypatch.setattr(kind, method, words["exchanged"])
    bench.draw(times=4)
    assert bench.tape.recorded == 0 and len(heard) == 8


def test_what_cannot_be_recorded_goes_the_usual_way() -> None:
    bench = Bench()
    bench.tape.fails = True
    bench.draw(times=4)
    assert bench.replays.count == bench.tape.played == 0


def test_without_room_nothing_is_recorded() -> None:
    bench = Bench(has_room=False)
    bench.draw(times=4)
    assert bench.tape.recorded == 0


def test_forgetting_gives_the_memory_back_and_it_begins_anew() -> None:
    bench = Bench()
    bench.draw(times=3)
    bench.replays.forget()
    assert bench.replays.count == 0
    bench.draw(times=3)
    assert bench.tape.recorded == 2


def test_who_does_not_want_it_gets_the_model() -> None:
    bench = Bench()
    assert bench.replays.asked(records=False, compiles=False) is bench.model


def test_a_watcher_of_the_model_brings_it_first() -> None:
    bench = Bench()
    come: list[int] = []

    class Brings(Watcher):
        def __call__(self, *_: object) -> None:
            come.append(1)

    bench.model.register_forward_pre_hook(Brings())
    bench.draw(times=3)
    assert bench.tape.recorded == 1 and len(come) >= 3
    inner = bench.model.layer.register_forward_pre_hook(Brings())
    bench.draw()
    inner.remove()
    assert bench.tape.played == 2                   # one inside would not be told


def test_gradients_go_the_usual_way() -> None:
    bench = Bench()
    for _ in range(3):
        bench.call(torch.randn(1, 1, 1, 4))
    assert bench.tape.recorded == 0


def test_a_compiled_way_is_used_once_it_is_there() -> None:
    ways: list[Any] = [None, None, None]
    bench = Bench(own_way=lambda kind, details, arguments, named: ways[0])
    bench.call = bench.replays.asked(records=True, compiles=True)
    bench.draw(times=3)
    used: list[int] = []
    ways[0] = lambda *arguments, **named: (used.append(1), bench.model(*arguments, **named))[1]
    bench.draw(times=3)
    assert used and bench.tape.recorded == 2


def test_strange_arguments_have_no_kind() -> None:
    assert kind_of((object(),)) is None
    assert kind_of({"a": torch.zeros(2), "b": [1, None]}) == kind_of({"a": torch.ones(2), "b": [1, None]})
    assert kind_of(torch.zeros(2)) != kind_of(torch.zeros(2, dtype=torch.float64))


def test_the_same_model_has_the_same_state() -> None:
    model = Model()
    assert state_of(model, (Processor,)) == state_of(model, (Processor,)) and state_of(model) is None


def test_a_part_that_takes_the_class_of_another_part_changes_the_state() -> None:
    model = nn.Sequential(nn.SiLU(), nn.ReLU(), nn.SiLU())
    before = state_of(model)
    model[2].__class__ = nn.ReLU
    assert before is not None and state_of(model) != before


KIND: Kind = ("kind",)


def eagerly(model: nn.Module) -> Any:
    """As the real compiler has it, without one."""
    forward: Any = type(model).forward
    return torch.compile(lambda *arguments: forward(model, *arguments), backend="eager", dynamic=False)


def compiled_after(compiled: Compiled, model: nn.Module, *arguments: Tensor) -> Any:
    first = compiled(KIND, details_of(model), arguments, {})
    assert first is None                            # nobody waits
    thread = compiled._thread  # pyright: ignore[reportPrivateUsage]
    assert thread is not None
    thread.join(60)
    return compiled(KIND, details_of(model), arguments, {})


def test_compiling_happens_behind_the_pictures() -> None:
    model = Model()
    compiled = Compiled(model, compiler=eagerly)
    way = compiled_after(compiled, model, torch.ones(1, 4))
    with torch.no_grad():
        assert torch.equal(way(torch.ones(1, 4))[0], model(torch.ones(1, 4))[0])
    assert compiled.ready == 1 and "compiled" in compiled.said


def test_with_other_attributes_it_is_compiled_anew_behind_the_pictures() -> None:
    """Else torch would notice in the middle of a picture, which would wait for a minute."""
    model = Model()
    compiled = Compiled(model, compiler=eagerly)
    compiled_after(compiled, model, torch.ones(1, 4))
    model.attention.scale = 3.0
    way = compiled_after(compiled, model, torch.ones(1, 4))
    with torch.no_grad():
        assert torch.equal(way(torch.ones(1, 4))[0], model(torch.ones(1, 4))[0])
    assert compiled.ready == 1


def test_where_compiling_fails_that_is_said_once_and_not_tried_again() -> None:
    tries: list[int] = []

    def fails(model: nn.Module) -> Any:
        tries.append(1)
        raise RuntimeError("Cannot find a working triton installation.\nmore")

    model = Model()
    compiled = Compiled(model, compiler=fails)
    assert compiled_after(compiled, model, torch.ones(1, 4)) is None
    assert compiled(KIND, details_of(model), (torch.ones(1, 4),), {}) is None and len(tries) == 1
    assert "Cannot find a working triton installation" in compiled.said and "more" not in compiled.said
