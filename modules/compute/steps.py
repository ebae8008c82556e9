"""A small model's call on the processor recorded as its bare steps: what PyTorch computed, again into the same memory.

Between the steps there is nothing then, neither Python's way through the modules nor memory to ask for: a third of the time where they are small.
Views need no step, they lie in that memory, of which as little is used as goes: so it stays in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from modules.compute.replay import tensors_of, with_tensors

Step = Callable[[], object]

_INTO_GIVEN = ("addmm", "mm", "bmm", "baddbmm", "cat", "silu", "gelu", "add", "sub", "mul", "div", "exp", "sin", "cos")
"""Operations that PyTorch computes at once into memory that it is given."""
_HOLD_ANYTHING = ("empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided")
_BY_VALUES = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)


def record_steps(work: Callable[[], Any], device: torch.device, inputs: Sequence[Tensor]) -> Step:
    """See ``replay.Recorder``. Raises RuntimeError where ``work`` does what steps cannot repeat: noise, decisions by values, arithmetic outside of PyTorch."""
    with torch.inference_mode(False), torch.no_grad():
        with _Noting() as noting:
            result = work()
        steps = [step for each in _close_together(_needed(noting.done), result) for step in _again(each)]
        noting.done.clear()

        def play() -> None:
            for step in steps:
                step()

        _compare(work, play, result, inputs)
    return play


@dataclass(frozen=True, eq=False)
class _Done:
    """One operation. Memory is told by the addresses of its storages."""

    operation: Any
    arguments: tuple[Any, ...]
    named: dict[str, Any]
    result: Any

    @cached_property
    def name(self) -> str:
        return self.operation._schema.name.removeprefix("aten::")

    @cached_property
    def read(self) -> set[int]:
        return _memory_of(tensors_of((self.arguments, self.named)))

    @cached_property
    def written(self) -> set[int]:
        """What it changes of what it is given."""
        wanted = self.operation._schema.arguments
        given = [*self.arguments, *(self.named.get(each.name) for each in wanted[len(self.arguments) :])]
        return _memory_of(tensors_of([value for each, value in zip(wanted, given) if each.alias_info is not None and each.alias_info.is_write]))

    @cached_property
    def made(self) -> set[int]:
        """Memory of its own that the result lies in."""
        return _memory_of(tensors_of(self.result)) - self.read


class _Noting(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.done: list[_Done] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(each in func.tags for each in _BY_VALUES):
            raise RuntimeError(f"{func} decides by values")
        result = func(*args, **(kwargs or {}))
        self.done.append(_Done(func, tuple(args), dict(kwargs or {}), result))
        return result


def _memory_of(tensors: Iterable[Tensor]) -> set[int]:
    return {each.untyped_storage()._cdata for each in tensors}


def _needed(done: Sequence[_Done]) -> list[_Done]:
    """What has to be done again: all that follows from the inputs or the weights, and whatever is written over."""
    written = set[int]().union(*(each.written for each in done))
    constant: set[int] = set()
    needed: list[_Done] = []
    for each in done:
        if each.read <= constant and not (each.made | each.read) & written:
            constant |= each.made
        elif each.written or each.made:
            needed.append(each)
    return needed


def _close_together(done: Sequence[_Done], result: Any) -> Iterator[_Done]:
    """The same in less memory: what nobody reads any more gives its place to what is made next. ``result`` stays where it is."""
    last = {place: number for number, each in enumerate(done) for place in each.read | each.made}
    stays = _memory_of(tensors_of(result))
    places: dict[int, torch.UntypedStorage] = {}
    free: list[torch.UntypedStorage] = []

    def moved(tensor: Tensor) -> Tensor:
        place = places.get(tensor.untyped_storage()._cdata)
        return tensor if place is None else torch.empty(0, dtype=tensor.dtype).set_(place, tensor.storage_offset(), tensor.shape, tensor.stride())

    for number, each in enumerate(done):
        for tensor in tensors_of(each.result):
            own = tensor.untyped_storage()
            if own._cdata in each.made - stays and own._cdata not in places:
                places[own._cdata] = _taken(free, own.nbytes())
        yield _Done(each.operation, *(with_tensors(part, moved) for part in (each.arguments, each.named, each.result)))
        free += [places[place] for place in each.read | each.made if last[place] == number and place in places]


def _taken(free: list[torch.UntypedStorage], size: int) -> torch.UntypedStorage:
    """The smallest that is large enough; else a new one."""
    fitting = [each for each in free if each.nbytes() >= size]
    if not fitting:
        return torch.empty(size, dtype=torch.uint8).untyped_storage()
    found = min(fitting, key=lambda each: each.nbytes())
    free.remove(found)
    return found


def _again(done: _Done) -> Iterator[Step]:
    """The same into the same memory."""
    if done.written:
        yield partial(done.operation, *done.arguments, **done.named)
    elif done.name == "clone":
        yield partial(done.result.copy_, done.arguments[0])
    elif done.name == "constant_pad_nd":
        yield partial(done.result.fill_, *done.arguments[2:3] or (0,))
        yield partial(_inner(done.result, done.arguments[1], done.arguments[0]).copy_, done.arguments[0])
    elif done.name in _INTO_GIVEN and done.operation._overloadname in ("default", "Tensor"):
        yield partial(getattr(torch.ops.aten, done.name).out, *done.arguments, **done.named, out=done.result)
    elif done.name not in _HOLD_ANYTHING:
        yield partial(_copy_again, done)


def _copy_again(done: _Done) -> None:
    for mine, fresh in zip(tensors_of(done.result), tensors_of(done.operation(*done.arguments, **done.named))):
        mine.copy_(fresh)


def _inner(padded: Tensor, around: Sequence[int], source: Tensor) -> Tensor:
    """The part of ``padded`` where ``source`` lies."""
    for number, before in enumerate(around[::2]):
        dim = padded.dim() - 1 - number
        padded = padded.narrow(dim, before, source.shape[dim])
    return padded


def _compare(work: Callable[[], Any], play: Step, result: Any, inputs: Sequence[Tensor]) -> None:
    """Raise RuntimeError unless the steps give what ``work`` does, for other values in the inputs as well.

    The steps go first: what another library computes into memory that lasts would lie there for them already.
    """
    given = [each.clone() for each in inputs]
    for each in inputs:
        if each.is_floating_point():
            each.mul_(0.75).add_(0.125)
    play()
    played = [each.clone() for each in tensors_of(result)]
    is_same = bool(played) and all(torch.equal(mine, own) for mine, own in zip(played, tensors_of(work()), strict=True))
    for each, before in zip(inputs, given):
        each.copy_(before)
    if not is_same:
        raise RuntimeError("its steps are not all that it does")
