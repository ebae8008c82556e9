"""What a model is at one moment, to be compared with what it is later: its parts, their weights, how they work and what they have. Looked at before every call, so it is quick."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from torch import nn
from torch.nn.modules import module as module_hooks

from modules.compute.hooked import are_free


@dataclass(frozen=True)
class State:
    """What a model is at one moment. marks: compared; kept: what the marks are the addresses of, so that none is given to another meanwhile."""

    marks: list[int]
    kept: list[Any] = field(compare=False)


def state_of(model: nn.Module, plain_attention: tuple[type, ...] = ()) -> State | None:
    """What ``model`` is now; None where somebody listens at it or changed how a part of it works.

    plain_attention: the attention processors that do the same in every call.
    """
    if module_hooks._global_forward_hooks or module_hooks._global_forward_pre_hooks:
        return None
    parts = parts_of(model)
    insides = [part.__dict__ for part in parts]
    if not are_free(parts) or any(own["_forward_pre_hooks"] for own in insides[1:]):
        return None
    processors = _processors_of(parts)
    if not {type(each) for each in processors} <= set(plain_attention):
        return None
    tensors = chain.from_iterable([own[kind].values() for kind in ("_parameters", "_buffers") for own in insides])
    works = [work for kind in sorted({type(each) for each in (*parts, *processors)}, key=id) for work in (kind, kind.__call__, getattr(kind, "forward", None))]
    kept = [*parts, *map(type, parts), *processors, *works]
    return State([*map(id, kept), *[tensor.data_ptr() for tensor in tensors if tensor is not None]], kept)


def details_of(model: nn.Module) -> State:
    """Everything that the parts of ``model`` have as attributes."""
    parts = parts_of(model)
    kept = [*map(type, parts), *chain.from_iterable([part.__dict__.values() for part in parts])]
    return State([*map(id, kept)], kept)


def is_work_of(model: nn.Module, packages: tuple[str, ...]) -> bool:
    """Whether all that the parts of ``model`` do is written in files of these ``packages``: an extension's function may do something else in each call."""
    folders = tuple(f"{os.path.dirname(sys.modules[name].__file__ or '')}{os.sep}" for name in packages if name in sys.modules)
    parts = parts_of(model)

    def is_own(kind: type, method: str) -> bool:
        found = next((each.__dict__[method] for each in kind.__mro__ if method in each.__dict__), None)
        code = getattr(found, "__code__", None)
        return found is None or (code is not None and code.co_filename.startswith(folders))

    return all(is_own(kind, method) for kind in {type(each) for each in (*parts, *_processors_of(parts))} for method in ("forward", "__call__"))


def parts_of(model: nn.Module) -> list[nn.Module]:
    """``model`` and all its parts, itself first; one that stands in two places twice. Some ten times as quick as its own ``modules``."""
    found: list[nn.Module] = []
    level = [model]
    while level:
        found += level
        level = [part for part in chain.from_iterable([each.__dict__["_modules"].values() for each in level]) if part is not None]
    return found


def _processors_of(parts: Iterable[nn.Module]) -> list[Any]:
    """Of diffusers' attention layers."""
    return [part.processor for part in parts if "processor" in part.__dict__ or "processor" in part.__dict__["_modules"]]
