"""Hypernetworks at work: what keys and values are made from passes through them first, in every attention of the denoiser.

Source: A1111's ``apply_hypernetworks``; each adds its change, times its weight, in the order of the prompt.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from modules.engine.extra_networks import NetworkTag
from modules.loading.hypernetwork import Hypernetwork, HypernetworkShelf
from modules.schema.errors import CannotLoad, InvalidValue, shortened

if TYPE_CHECKING:
    from modules.loading.components import Components

HYPERNET_KIND = "hypernet"
_KEYS, _VALUES = 0, 1


@dataclass(frozen=True)
class _Active:
    network: Hypernetwork
    strength: float


class HypernetworkHooks:
    """Those that are attached to a model, until ``off``."""

    def __init__(self) -> None:
        self._handles: list[Any] = []

    def attach(self, tags: Sequence[NetworkTag], components: Components, shelf: HypernetworkShelf | None) -> tuple[str, ...]:
        """Attach what ``tags`` ask for, and say what is missing or does not fit."""
        active, comments = _loaded([tag for tag in tags if tag.kind == HYPERNET_KIND and tag.positional], shelf)
        inputs = [(part, layer) for each in components.unet.modules() for part, layer in _inputs(each)] if active else []
        widths = {layer.in_features for _, layer in inputs}
        comments += [f"The hypernetwork {each.network.name!r} changes nothing in this checkpoint: it was trained for another kind of model than "
                     f"{components.family.name}." for each in active if not widths & set(each.network.layers)]
        self._handles = [layer.register_forward_pre_hook(_hook(active, part)) for part, layer in inputs]
        return tuple(comments)

    def off(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []


def widths_of(unet: nn.Module) -> list[int]:
    """Of what a denoiser's attentions make keys and values from."""
    return sorted({layer.in_features for each in unet.modules() for _, layer in _inputs(each)})


@contextmanager
def attached_to(unet: nn.Module, network: Hypernetwork) -> Iterator[None]:
    """``network`` acts inside this context, at full strength, with its gradients. Raises InvalidValue where it fits no layer."""
    inputs = [(part, layer) for each in unet.modules() for part, layer in _inputs(each) if layer.in_features in network.layers]
    if not inputs:
        widths = ", ".join(map(str, widths_of(unet)))
        raise InvalidValue(f"The hypernetwork {network.name!r} has no layers of a width that this checkpoint has.", f"Create one with modules of {widths}, or choose another checkpoint.")
    handles = [layer.register_forward_pre_hook(_hook([_Active(network, 1.0)], part)) for part, layer in inputs]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _inputs(module: nn.Module) -> list[tuple[int, nn.Linear]]:
    """The layers of an attention that make keys and values."""
    found = [(part, getattr(module, name, None)) for part, name in ((_KEYS, "to_k"), (_VALUES, "to_v"))]
    return [(part, layer) for part, layer in found if isinstance(layer, nn.Linear)]


def _hook(active: Sequence[_Active], part: int) -> Any:
    def through(_: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        given, *rest = arguments
        fitting = [(each.network.layers[given.shape[-1]][part], each.strength) for each in active if given.shape[-1] in each.network.layers]
        if not fitting:
            return None
        changed = given.float()
        for network, strength in fitting:
            changed = changed + network.to(changed.device)(changed) * strength
        return (changed.to(given.dtype), *rest)

    return through


def _loaded(tags: Sequence[NetworkTag], shelf: HypernetworkShelf | None) -> tuple[list[_Active], list[str]]:
    active: list[_Active] = []
    comments: list[str] = []
    for tag in tags:
        name, given = tag.positional[0], next(iter(tag.positional[1:]), "1")
        file = shelf.find(name) if shelf else None
        strength = _number(given)
        if file is None or shelf is None:
            comments.append(f"The hypernetwork {shortened(name)!r} was not found; the picture was made without it. Put it into models/hypernetworks.")
        elif math.isnan(strength):
            comments.append(f"<hypernet:{shortened(name)}> was left out: {shortened(given)!r} is no strength. Write a number.")
        else:
            try:
                active.append(_Active(shelf.load(file), strength))
            except CannotLoad as error:
                comments.append(f"The hypernetwork {shortened(name)!r} was left out. {error}")
    return active, comments


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if abs(value) < 1e6 else math.nan
