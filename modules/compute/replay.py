"""A model's calls recorded once and replayed as one piece: nobody waits for Python between thousands of small kernels. On a GPU that is a CUDA graph.

Same kernels, same numbers. What is recorded is what the model does now, so a call is only replayed while nothing about the model has changed: before each, every
module's class, hooks and weights are compared, and at the beginning of each pass their attributes too. Where anybody listens at a module, or changed how it
works, also by exchanging what a class of PyTorch's or diffusers' does, calls go the usual way.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from modules.compute.hooked import is_free, watch
from modules.compute.memory import free_bytes
from modules.compute.model_state import State, details_of, is_work_of, state_of

log = logging.getLogger(__name__)
_ROOM = 2 * 2**30                                   # what has to be free for others: the VAE
_ROOM_PER_CELL = 64 * 2**10                         # and for each cell of each latent: a recording keeps its working memory, 18 to 28 KB of it measured
_MOST = 4                                           # recordings per model: sizes and batches in turn


class Recorder(Protocol):
    """Makes a recording of what ``work``, which returns its result, does on ``device`` with ``inputs``; calling it does the same again, with what then is in the same memory."""

    def __call__(self, work: Callable[[], Any], device: torch.device, inputs: Sequence[Tensor], /) -> Callable[[], object]: ...


class Apart(Protocol):
    """Does ``task`` elsewhere, as in another thread, and gives what it gives."""

    def __call__(self, task: Callable[[], Any], /) -> Any: ...


class HasOwnWay(Protocol):
    """Another function that gives what the model gives, for one kind of call, while its attributes are these ``details``; see ``compiled.py``."""

    def __call__(self, kind: Kind, details: State, arguments: tuple[Any, ...], named: dict[str, Any], /) -> Callable[..., Any] | None: ...


class Calls(Protocol):
    """Calls ``model`` in a quicker way with the same result."""

    model: nn.Module

    def asked(self, *, records: bool, compiles: bool, openvino: str = "") -> Callable[..., Any]: ...

    def forget(self) -> None: ...


Kind = tuple[Any, ...]
"""How a call looks: its nesting, and each tensor's shape and type; hashable."""


@dataclass(frozen=True, eq=False)
class _Recording:
    """state: of the model and its weights; details: of its attributes."""

    state: State
    details: State
    way: Callable[..., Any]
    inputs: list[Tensor]
    replay: Callable[[], object]
    output: Any


class Replays:
    """Calls ``model``. The second call of a kind is recorded, later ones are replayed; everything else goes the usual way.

    plain_attention: see ``state_of``. own_way: asked for another function to use in place of the model, where that is wanted.
    has_room: whether memory allows a recording for so many cells. packages: whose classes do the same in every call.
    apart: for what these do; anything else is called where this is.
    """

    def __init__(
        self, model: nn.Module, *, plain_attention: tuple[type, ...], own_way: HasOwnWay, record: Recorder | None = None,
        has_room: Callable[[int], bool] | None = None, packages: tuple[str, ...] = ("torch", "diffusers", "modules"), apart: Apart | None = None,
    ) -> None:
        self.model = model
        self._apart = apart or here
        self._record = record or record_on_gpu
        self._own_way = own_way
        self._has_room = has_room or self._usual_room
        self._plain_attention, self._packages = plain_attention, packages
        self._records = False
        self._known: dict[Kind, _Recording] = {}
        self._seen: dict[Kind, State] = {}
        self._sure: set[Kind] = set()
        self._details: State | None = None          # in this pass, for ``own_way``
        self._refused: set[Kind] = set()
        self._own_work: State | None = None

    def asked(self, *, records: bool, compiles: bool, openvino: str = "") -> Callable[..., Any]:
        """What to call in the pass that begins now: this, or the model itself where neither is wanted. openvino: not here (openvino_calls.py)."""
        self._sure.clear()
        self._details = details_of(self.model) if compiles else None
        if not records:
            self.forget()
        self._records = records
        return self if records or compiles else self.model

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        kind = kind_of((arguments, named))
        if kind is None or not is_free(self.model) or torch.is_grad_enabled() or torch.is_autocast_enabled():
            return self.model(*arguments, **named)
        watch(self.model)                          # a memory mode brings it to the GPU
        state = state_of(self.model, self._plain_attention)
        if state is None:
            return self.model(*arguments, **named)
        way = (self._own_way(kind, self._details, arguments, named) if self._details else None) or self.model
        known = self._known.get(kind)
        if known is None or known.way is not way or known.state != state or not self._is_sure(kind, known):
            known = None
            self._known.pop(kind, None)             # its memory first
            known = self._recorded(kind, state, way, arguments, named)
        if known is None:
            return self._apart(partial(way, *arguments, **named)) if self._is_own(state) else way(*arguments, **named)
        for mine, given in zip(known.inputs, tensors_of((arguments, named))):
            mine.copy_(given)
        self._apart(known.replay)
        return copied(known.output)

    @property
    def count(self) -> int:
        """How many recordings there are."""
        return len(self._known)

    def forget(self) -> None:
        """Give the memory of all recordings back."""
        self._known.clear()
        self._seen.clear()

    def _is_own(self, state: State) -> bool:
        """Whether all that the model does is written in ``packages``: nobody else's function has to be called in each call, in the thread of the job."""
        if state != self._own_work:
            self._own_work = state if is_work_of(self.model, self._packages) else None
        return self._own_work is not None

    def _is_sure(self, kind: Kind, known: _Recording) -> bool:
        """Whether the attributes are what they were as well; looked at once in each pass."""
        if kind not in self._sure and known.details == details_of(self.model):
            self._sure.add(kind)
        return kind in self._sure

    def _recorded(self, kind: Kind, state: State, way: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> _Recording | None:
        """A recording for this kind of call, where it came before and the model was the same; else it is noted."""
        before = self._seen.get(kind)
        self._seen[kind] = state
        is_new = before is None or before != state
        if not self._records or is_new or kind in self._refused or not self._has_room(cells_of(arguments[0])) or not self._is_own(state):
            return None
        with torch.inference_mode(False):
            arguments, named = copied((arguments, named))
        inputs = list(tensors_of((arguments, named)))
        found: list[Any] = []
        details = details_of(self.model)

        def work() -> Any:
            found.append(way(*arguments, **named))
            return found[-1]

        try:
            replay = self._apart(partial(self._record, work, arguments[0].device, inputs))
        except RuntimeError as error:
            self._refused.add(kind)
            log.debug("the model's calls cannot be recorded, and go the usual way: %s", str(error).partition("\n")[0])
            return None
        while len(self._known) >= _MOST:
            self._known.pop(next(iter(self._known)))
        self._known[kind] = _Recording(state, details, way, inputs, replay, found[0])
        self._sure.add(kind)
        return self._known[kind]

    def _usual_room(self, cells: int) -> bool:
        return free_bytes(next(self.model.parameters()).device) >= _ROOM + cells * _ROOM_PER_CELL


def here(task: Callable[[], Any]) -> Any:
    return task()


def record_on_gpu(work: Callable[[], Any], device: torch.device, inputs: Sequence[Tensor]) -> Callable[[], object]:
    """A CUDA graph of ``work``. Raises RuntimeError where it does what a graph cannot hold, as waiting for the GPU."""
    with torch.cuda.device(device):
        graph, side = torch.cuda.CUDAGraph(), torch.cuda.Stream()
        torch.cuda.synchronize()
        with torch.cuda.stream(side):
            graph.capture_begin(capture_error_mode="thread_local")      # previews are drawn on a thread of their own meanwhile
            try:
                work()
            finally:
                graph.capture_end()
        torch.cuda.current_stream().wait_stream(side)
    return graph.replay


def cells_of(latents: Tensor) -> int:
    """Of all of them, (B, C, h, w)."""
    return len(latents) * latents.shape[-2] * latents.shape[-1]


def kind_of(value: Any) -> Kind | None:
    """See ``Kind``. None where there is something else in ``value`` than tensors, plain values, and tuples, lists and dicts of these."""
    if isinstance(value, Tensor):
        return ("tensor", tuple(value.shape), value.dtype, value.device)
    if value is None or isinstance(value, bool | int | float | str):
        return ("value", value)
    if isinstance(value, dict):
        value = tuple(value.items())
    if not isinstance(value, tuple | list):
        return None
    parts = tuple(kind_of(each) for each in value)
    return None if None in parts else ("of", *parts)


def tensors_of(value: Any) -> Iterator[Tensor]:
    """Every tensor in ``value``, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from tensors_of(each)


def copied(value: Any) -> Any:
    """``value`` with a copy of every tensor in it."""
    return with_tensors(value, Tensor.clone)


def with_tensors(value: Any, change: Callable[[Tensor], Any]) -> Any:
    """``value`` with what ``change`` gives for every tensor in it."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: with_tensors(each, change) for key, each in value.items()}
    return type(value)(with_tensors(each, change) for each in value) if isinstance(value, tuple | list) else value
