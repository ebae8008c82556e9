"""Parts of a model whose weights are read when they are first used, and may go back to their file. It stays open, and one that changes meanwhile is refused."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import nn

from modules.compute.memory import give_freed_blocks_back
from modules.compute.policy import ComputePolicy
from modules.loading.fill import Filling
from modules.loading.weights import SafetensorsWeights

AnyModule = TypeVar("AnyModule", bound=nn.Module)
_WORTH_IT = 1 << 27                                 # bytes: reading less again costs more than its memory is worth


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
        self._as_read: tuple[tuple[int, int], ...] | None = None        # None: they are in the file
        self.lock = threading.RLock()
        filling.module.to(dtype).eval().requires_grad_(False)       # without weights; their type is known, and may be changed until they are read

    def read(self) -> None:
        """Once: whoever comes later finds the weights there. Raises CannotLoad when the file is not what it was; the next call tries again."""
        if self._filling is None or self._as_read is not None:
            return
        with self.lock:
            if self._filling is None or self._as_read is not None:
                return
            give_freed_blocks_back()                # of what was calculated before: both would be there at the same time
            dtype = next(self._filling.module.parameters()).dtype
            found = self._filling.read(dtype=dtype, device=torch.device("cpu"), for_processor=True)
            self._weights.check_unchanged()
            module = self._filling.put_in(found)
            if self._returns and sum(each.nbytes for each in module.parameters()) >= _WORTH_IT:
                self._as_read = _marks(module)
            else:
                self.forget()

    def keep(self) -> None:
        """Read them, and never put them back; nobody can in between."""
        with self.lock:
            self.read()
            self.forget()

    def put_back(self) -> None:
        """Free the memory until the next ``read``, unless somebody changed a weight: the file does not have that. For whoever knows that nobody is using them."""
        with self.lock:
            if self._filling is None or self._as_read is None or _marks(module := self._filling.module) != self._as_read:
                return
            for each in module.modules():
                for name, weight in each._parameters.items():
                    if weight is not None:
                        each._parameters[name] = nn.Parameter(torch.empty_like(weight, device="meta"), requires_grad=False)
            self._as_read = None
        give_freed_blocks_back()

    def forget(self) -> None:
        """Nobody will ask any more."""
        with self.lock:
            self._filling = None
            self._weights.close()


def _marks(module: nn.Module) -> tuple[tuple[int, int], ...]:
    """Where each weight lies, and how often it was written to as far as that is counted."""
    return tuple((each.data_ptr(), 0 if each.is_inference() else each._version) for each in module.parameters())


def may_wait(filling: Filling[Any], policy: ComputePolicy) -> bool:
    """Whether a part of a model may be left unread: on the processor, where no part ever moves, from a plain file that may be open and be deleted."""
    stays = policy.device == policy.load_device == "cpu" and not policy.channels_last
    return stays and type(filling.weights) is SafetensorsWeights and os.name == "posix"


def read_later(owner: AnyModule, child: str, unread: Unread) -> AnyModule:
    """``owner``, whose ``child`` is ``unread`` until somebody asks for it by its name or for all weights.

    It comes last among the owner's parts: type and device of "the first weight" are those of a part that is there.
    """
    kind: Any = type(owner)
    parts: Any = owner._modules
    order = tuple(parts)

    def read(*_: object) -> None:
        unread.read()
        with unread.lock:
            if type(owner) is later:
                owner.__class__ = kind
                for name in order:                  # as they were
                    parts[name] = parts.pop(name)
                del owner.__dict__["unread"]

    def read_and_leave() -> None:
        """Not from a hook: they are gone through at that moment."""
        read()
        for hook in hooks:
            hook.remove()

    def found(module: Any, name: str) -> Any:
        if name == child:
            read_and_leave()
        return kind.__getattr__(module, name)

    def reduced(module: Any, protocol: Any) -> Any:
        """For copies."""
        read_and_leave()
        return object.__reduce_ex__(module, protocol)

    later = type(kind.__name__, (kind,), {"__getattr__": found, "__reduce_ex__": reduced, "__module__": kind.__module__})
    parts[child] = parts.pop(child)
    owner.__class__ = later
    owner.__dict__["unread"] = unread
    hooks = (owner.register_state_dict_pre_hook(read), owner.register_load_state_dict_pre_hook(read))
    return owner


def forget_unread(owner: nn.Module) -> None:
    """What of ``owner`` is not read yet will not be: it is let go."""
    unread = owner.__dict__.get("unread")
    if isinstance(unread, Unread):
        unread.forget()
