"""Parts of a model whose weights are read when they are first used. Its file stays open until then, and one that changes meanwhile is refused."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import nn

from modules.compute.policy import ComputePolicy
from modules.loading.fill import Filling
from modules.loading.weights import SafetensorsWeights

AnyModule = TypeVar("AnyModule", bound=nn.Module)


class Unread:
    """The weights of one part. Any thread may ask for them; the first one reads."""

    def __init__(self, filling: Filling[Any], *, dtype: torch.dtype) -> None:
        weights = filling.weights
        assert isinstance(weights, SafetensorsWeights)
        self._weights = weights.opened_again()      # whoever reads the other parts closes the first one
        self._filling: Filling[Any] | None = replace(filling, weights=self._weights)
        self.lock = threading.RLock()
        filling.module.to(dtype).eval().requires_grad_(False)       # without weights; their type is known, and may be changed until they are read

    def read(self) -> None:
        """Once: whoever comes later finds the weights there. Raises CannotLoad when the file is not what it was; the next call tries again."""
        if self._filling is None:
            return
        with self.lock:
            if self._filling is None:
                return
            dtype = next(self._filling.module.parameters()).dtype
            found = self._filling.read(dtype=dtype, device=torch.device("cpu"), for_processor=True)
            self._weights.check_unchanged()
            self._filling.put_in(found)
            self.forget()

    def forget(self) -> None:
        """Nobody will ask any more."""
        with self.lock:
            self._filling = None
            self._weights.close()


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
