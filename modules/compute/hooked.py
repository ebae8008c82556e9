"""Whether somebody listens at a module or changed how it works: only what nobody did anything to may be computed past its own call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn


class Watcher:
    """A forward pre-hook that changes nothing. Whoever computes a module past its call asks ``watch`` first."""

    def __call__(self, *_: object) -> None:
        raise NotImplementedError


def is_free(module: nn.Module) -> bool:
    """Whether a call of ``module`` is its class' ``forward`` and nothing else, Watchers apart."""
    state = module.__dict__
    if "forward" in state or not _convolves_as_its_kind(state) or state["_forward_hooks"] or state["_backward_hooks"] or state["_backward_pre_hooks"]:
        return False
    return all(isinstance(each, Watcher) for each in state["_forward_pre_hooks"].values())


def are_free(modules: Iterable[nn.Module]) -> bool:
    """``is_free`` of each, quickly: nobody did anything to most of them."""
    touched = [
        module for module in modules if (own := module.__dict__)["_forward_hooks"] or own["_forward_pre_hooks"] or own["_backward_hooks"]
        or own["_backward_pre_hooks"] or "forward" in own or "_conv_forward" in own
    ]  # fmt: skip
    return all(map(is_free, touched))


def _convolves_as_its_kind(state: dict[str, Any]) -> bool:
    """Extensions that tile put a ``_conv_forward`` of their own into layers, and PyTorch's when they are done."""
    own = state.get("_conv_forward")
    return own is None or getattr(own, "__func__", None) is nn.Conv2d._conv_forward


def watch(module: nn.Module) -> None:
    """Tell the Watchers of ``module`` that it is about to work."""
    for each in tuple(module._forward_pre_hooks.values()):
        each(module, ())
