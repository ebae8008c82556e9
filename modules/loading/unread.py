"""Parts of a model whose weights are read when they are first used, and may go back to their file. It stays open, and one that changes meanwhile is refused."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from modules.compute.memory import give_freed_blocks_back
from modules.compute.model_state import parts_of
from modules.compute.policy import ComputePolicy
from modules.loading.fill import Filling
from modules.loading.weights import SafetensorsWeights

AnyModule = TypeVar("AnyModule", bound=nn.Module)
_WORTH_IT = 1 << 27                                 # bytes: reading less again costs more than its memory is worth
_HERE = "unread"                                    # where in a module's own dictionary its Waiting is, or a child's Unread


class Unread:
    """The weights of one part. Any thread may ask for them; the first one reads.

    returns: they may be put back, so that the file stays open.
    """

    def __init__(self, filling: Filling[Any], *, dtype: torch.dtype, returns: bool = False) -> None:
        weights = filling.weights
        assert isinstance(weights, SafetensorsWeights)
        self._weights = weights.opened_again()      # whoever reads the other parts closes the first one
        self._filling: Filling[Any] | None = replace(filling, weights=self._weights)
        self._returns = returns
        self._is_whole = False                      # something of it is in the file only
        self._as_read: dict[str, tuple[int, int]] = {}          # what was read, as it was then
        self.lock = threading.RLock()
        filling.module.to(dtype).eval().requires_grad_(False)       # without weights; their type is known, and may be changed until they are read

    def read(self) -> None:
        """What is not there. Raises CannotLoad when the file is not what it was; the next call tries again."""
        if self._filling is None or self._is_whole:
            return
        with self.lock:
            if self._filling is None or self._is_whole:
                return
            give_freed_blocks_back()                # of what was calculated before: both would be there at the same time
            with torch.inference_mode(False):       # whoever reads first, gradients may be asked for later
                away = self._read_missing(self._filling)
            self._is_whole = True
            weights = dict(self._filling.module.named_parameters())
            if self._returns and sum(each.nbytes for each in weights.values()) >= _WORTH_IT:
                self._as_read |= {name: _mark(weights[name]) for name in away}
            else:
                self.forget()

    def _read_missing(self, filling: Filling[Any]) -> tuple[str, ...]:
        """Names of what was read; the file's own, where everything was away."""
        weights = dict(filling.module.named_parameters())
        away = tuple(name for name, weight in weights.items() if weight.is_meta)
        if away:
            part = filling if len(away) == len(weights) else filling.only(away)
            found = part.read(dtype=weights[away[0]].dtype, device=torch.device("cpu"), for_processor=True)
            self._weights.check_unchanged()
            part.put_in(found)
        return away

    def keep(self) -> None:
        """Read them, and never put them back; nobody can in between."""
        with self.lock:
            self.read()
            self.forget()

    def put_back(self, *parts: str) -> None:
        """Free the memory until the next ``read``, unless somebody changed a weight: the file does not have that. For whoever knows that nobody is using them.

        parts: only of these of its modules.
        """
        with self.lock:
            if self._filling is None:
                return
            module = self._filling.module
            there = {name: weight for name, weight in module.named_parameters() if not weight.is_meta}
            if not there or {name: _mark(weight) for name, weight in there.items()} != self._as_read:
                return
            beginnings = tuple(f"{part}." for part in parts) or ("",)
            for name, weight in there.items():
                if name.startswith(beginnings):
                    inner, _, own = name.rpartition(".")
                    module.get_submodule(inner)._parameters[own] = nn.Parameter(torch.empty_like(weight, device="meta"), requires_grad=False)
                    del self._as_read[name]
                    self._is_whole = False
            del there
        give_freed_blocks_back()

    @property
    def is_done(self) -> bool:
        """Nothing will be read or put back any more."""
        return self._filling is None

    def forget(self) -> None:
        """Nobody will ask any more."""
        with self.lock:
            self._filling = None
            self._weights.close()


def _mark(weight: Tensor) -> tuple[int, int]:
    """Where it lies, and how often it was written to as far as that is counted."""
    return weight.data_ptr(), 0 if weight.is_inference() else weight._version


def may_wait(filling: Filling[Any], policy: ComputePolicy) -> bool:
    """Whether a part of a model may be left unread: on the processor, where no part ever moves, from a plain file that may be open and be deleted."""
    stays = policy.device == policy.load_device == "cpu" and not policy.channels_last
    return stays and type(filling.weights) is SafetensorsWeights and os.name == "posix"


class Waiting:
    """The children of a module that are in their file, or may go back there."""

    def __init__(self, owner: Any, children: Mapping[str, Unread]) -> None:
        self.children = dict(children)
        self._owner, self._kind, self._later = owner, type(owner), type(owner)
        self._order = tuple(owner._modules)
        self._users: list[tuple[int, str]] = []
        self._lock = threading.RLock()

    def begin(self, later: type) -> None:
        """From now on the owner is of the kind ``later``, which asks here."""
        self._later = later
        self._owner.__class__ = later
        self._owner.__dict__[_HERE] = self
        for name, unread in self.children.items():
            self._owner._modules[name].__dict__[_HERE] = unread
        self._arrange()

    def asked(self, name: str) -> None:
        """Somebody wants a child: its weights are there afterwards. They stay, unless it is one of the owner's methods that is at work in this thread."""
        unread = self.children.get(name)
        if unread is None:
            return
        if (threading.get_ident(), name) not in self._users:
            unread.keep()
        unread.read()
        if unread.is_done:
            self._leave(name)

    def keep(self) -> None:
        """All of them."""
        for name in tuple(self.children):
            self.asked(name)

    @contextmanager
    def used(self, name: str) -> Iterator[None]:
        """Within, this thread holds on to nothing of a child that it asks for."""
        user = threading.get_ident(), name
        self._users.append(user)
        try:
            yield
        finally:
            self._users.remove(user)

    def _leave(self, name: str) -> None:
        with self._lock:
            if self.children.pop(name, None) is None:
                return
            self._owner._modules[name].__dict__.pop(_HERE, None)
            self._arrange()
            if not self.children:
                del self._owner.__dict__[_HERE]
                if type(self._owner) is self._later:
                    self._owner.__class__ = self._kind

    def _arrange(self) -> None:
        """As they were, but for those that are not there for sure: they come last."""
        parts = self._owner._modules
        for name in sorted(self._order, key=lambda name: name in self.children):
            parts[name] = parts.pop(name)


def read_later(owner: AnyModule, children: Mapping[str, Unread], users: Mapping[str, str]) -> AnyModule:
    """``owner``, whose ``children`` are unread until somebody asks for one by its name, or for all weights; what was asked for stays.

    users: methods of the owner, and the child that each works with without holding on to it.
    The children come last among the owner's parts: type and device of "the first weight" are those of a part that is there.
    """
    kind: Any = type(owner)
    waiting = Waiting(owner, children)

    def keep(*_: object) -> None:
        waiting.keep()

    def found(module: Any, name: str) -> Any:
        waiting.asked(name)
        leave_hooks()
        return kind.__getattr__(module, name)

    def reduced(module: Any, protocol: Any) -> Any:
        """For copies."""
        keep()
        leave_hooks()
        return object.__reduce_ex__(module, protocol)

    def leave_hooks() -> None:
        """Not from a hook: they are gone through at that moment."""
        if not waiting.children:
            for hook in hooks:
                hook.remove()

    def of_user(method: str, child: str) -> Any:
        own = getattr(kind, method)

        @wraps(own)
        def call(module: Any, *arguments: Any, **named: Any) -> Any:
            with waiting.used(child):
                return own(module, *arguments, **named)

        return call

    methods = {method: of_user(method, child) for method, child in users.items()}
    waiting.begin(type(kind.__name__, (kind,), {"__getattr__": found, "__reduce_ex__": reduced, "__module__": kind.__module__, **methods}))
    hooks = (owner.register_state_dict_pre_hook(keep), owner.register_load_state_dict_pre_hook(keep))
    return owner


def _all_of(owner: nn.Module) -> Iterator[Unread]:
    """Of the children of ``owner``, or of what it stands for."""
    for module in parts_of(owner):
        waiting = module.__dict__.get(_HERE)
        if isinstance(waiting, Waiting):
            yield from tuple(waiting.children.values())


def put_back(owner: nn.Module) -> None:
    """What of ``owner`` was read from a file goes back there, where it may. For whoever knows that nobody is using it."""
    for unread in _all_of(owner):
        unread.put_back()


def put_back_parts(module: nn.Module, *parts: str) -> None:
    """As ``put_back``, with parts of a child: ``module``."""
    unread = module.__dict__.get(_HERE)
    if isinstance(unread, Unread):
        unread.put_back(*parts)


def forget_unread(owner: nn.Module) -> None:
    """What of ``owner`` is not read yet will not be: it is let go."""
    for unread in _all_of(owner):
        unread.forget()
